"""What a webhook understands: our own JSON, Slack's blocks, Teams' adaptive card, Discord's embeds."""

from __future__ import annotations

from typing import Any, Callable, Dict

from mlorch.notify.message import Alert

SLACK_TEXT = 2900
DISCORD_TEXT = 3900
"""Characters: Slack takes 3,000 in a section, Discord 4,096 in a description."""
COLORS = {
    "failure": 0xD1242F,
    "timeout": 0xD1242F,
    "slow": 0xBF8700,
    "recovery": 0x1A7F37,
    "success": 0x1A7F37,
}
GREY = 0x57606A


def slack(alert: Alert) -> Dict[str, Any]:
    body = _slack_text(alert.text)[:SLACK_TEXT]
    return {
        "text": _slack_text(alert.title),
        "blocks": [{"type": "section", "text": {"type": "plain_text", "text": body, "emoji": False}}],
    }


def _slack_text(text: str) -> str:
    """`<!channel>` and links begin with `<`: in the fallback text nothing may."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams(alert: Alert) -> Dict[str, Any]:
    head = {"type": "TextBlock", "text": alert.title, "weight": "Bolder", "wrap": True}
    body = {
        "type": "RichTextBlock",
        "inlines": [{"type": "TextRun", "text": alert.text, "fontType": "Monospace"}],
    }
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [head, body],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def discord(alert: Alert) -> Dict[str, Any]:
    code = alert.text[:DISCORD_TEXT].replace("```", "'''")
    embed = {
        "title": alert.title[:256],
        "description": f"```\n{code}\n```",
        "color": COLORS.get(alert.kind, GREY),
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


SHAPES: Dict[str, Callable[[Alert], Dict[str, Any]]] = {
    "json": Alert.document,
    "slack": slack,
    "teams": teams,
    "discord": discord,
}
