"""Texts from outside at their worst, for tests of anything that shows, writes or hands on a foreign text.

    from hostile_texts import TEXTS, FILE_NAMES, is_inert

Each executes, escapes, forges or breaks something where a sink takes it for more than text. A text that would run a
command makes the file `pwned` in the current folder, so that a test only has to look whether that is there.
"""

from __future__ import annotations

import re
from typing import Dict, List

CANARY = "pwned"
"""The file that a text makes when it becomes a command."""

TEXTS: Dict[str, str] = {
    # a shell, an argv
    "substitution": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "semicolon": "; touch pwned;",
    "quotes": "'; touch pwned; '\"; touch pwned; \"",
    "arithmetic": "x[$(touch pwned)]",
    "pipe": "| touch pwned | ",
    "newline command": "a\ntouch pwned\n",
    "option": "-rf",
    "long option": "--config=/etc/passwd",
    "prompt": "${PATH@P} \\u0024(touch pwned)",
    "expression": "${{ env_or('HOME', '') }}",
    "format": "{0.__class__} %s %n %(x)s {secret}",
    # cron: % is a line end there, a line end begins a new entry
    "cron percent": "a%touch pwned%",
    "cron line": "a\n* * * * * touch pwned\n",
    # a CI's commands
    "github command": "::add-mask::x\n::error file=a,line=1::forged\n::stop-commands::x",
    "github crlf": "x%0A::error::forged\r\n::set-output name=a::b",
    "github group": "##[endgroup]\n##[error]forged",
    "github file": "x<<EOF\nforged\nEOF",
    "gitlab": "\x1b[0Ksection_start:0:x\r\x1b[0K",
    # a terminal
    "colour": "\x1b[31mred\x1b[0m",
    "clear": "\x1b[2J\x1b[H\x1bc",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;dG91Y2ggcHduZWQ=\x07",
    "unfinished osc": "a\x1b]0;never ended",
    "unfinished csi": "a\x1b[",
    "device control": "\x1bP$q\x1b\\\x1b_x\x1b\\",
    "c1 controls": "a\x9b31mb\x9d0;x\x9c",
    "carriage return": "true\rfalse",
    "backspace": "rm -rf /\x08\x08\x08\x08 ok",
    "bell and nul": "a\x07b\x00c",
    "shift out": "\x0eabc\x0f",
    "bidirectional": "user\u202e\u2066// admin\u2069\u2066",
    "invisible": "ad\u200bmin\u2060\ufeff\u00ad",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "combining": "a" + "\u0301" * 40,
    "wide": "\uff37\uff29\uff24\uff25\u200d\U0001f469\u200d\U0001f52c",
    "lone surrogate": "a\ud800b",
    "not utf-8": "a\udcff\udcfeb",
    "very long": "x" * 100_000,
    # Rich markup
    "markup": "[bold red]x[/bold red] [/x] [link=http://evil.example]y[/link]",
    # HTML, SVG, attributes, scripts in a page
    "script": "<script>alert(1)</script>",
    "script end": "</script><script>alert(1)</script>",
    "attribute": '" onload="alert(1)" x=\'',
    "svg": '<svg onload=alert(1)><use href="javascript:alert(1)"/>',
    "entity": "&lt;&#x3c;script&#62;&amp;",
    "cdata": "]]><script>alert(1)</script><![CDATA[",
    "comment": "--><script>alert(1)</script><!--",
    "style": "</style><img src=http://evil.example/x>",
    "javascript link": "javascript:alert(1)//http://x",
    "template": "{{ 7*7 }}{% raw %}{{ cycler.__init__.__globals__ }}",
    # graphs
    "mermaid": 'x"]; click x "javascript:alert(1)"; y["',
    "mermaid directive": "%%{init: {'securityLevel': 'loose'}}%%\nend\nsubgraph",
    "mermaid entity": "#quot;#35;",
    "dot": 'x" [URL="javascript:alert(1)"]; y -> z; "\\',
    # Markdown (job summaries), tables, spreadsheets
    "markdown": "[x](javascript:alert(1)) ![y](http://evil.example/z.png) | a | b |\n# h\n```\n",
    "csv formula": '=HYPERLINK("http://evil.example","x")',
    "csv quote": 'a","b\n"c',
    # SQL, JSON lines, TOML, YAML, headers of mail and HTTP
    "sql": "'; drop table records; --",
    "sql pattern": "%_\\",
    "json": '"},{"kind":"forged"}\n{"kind":"run.finished"}',
    "yaml": "a: &x [*x]\n--- !!python/object/apply:os.system ['touch pwned']",
    "toml": '"\n[store]\npath = "/tmp"',
    "header": "x\r\nBcc: victim@evil.example\r\n\r\nbody",
    # paths
    "dotdot": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "home": "~root/.ssh/authorized_keys",
    "empty": "",
    "spaces": "  a  b ",
    "device": "/dev/stdin",
}
"""Name -> text. Some can't stand everywhere: NUL in argv and paths, lone surrogates in UTF-8."""

FILE_NAMES: List[str] = [
    name for name in TEXTS.values() if name and "/" not in name and "\0" not in name and len(name) < 200
    and "\ud800" not in name
]  # fmt: skip
"""Those that can name a file here (some are not UTF-8)."""

_MOVES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def is_inert(shown: str, colours: bool = False) -> bool:
    """Whether a terminal shows such a text and does nothing else: no escape sequence, no control character but tab
    and line end, nothing bidirectional. `colours` lets through the attributes that mlorch's own lines have."""
    if colours:
        shown = re.sub("\x1b\\[[0-9;]*m", "", shown)
    return _MOVES.search(shown) is None
