"""JSON as events of the YAML reader: what is checked there (depth, size, keys that stand twice) holds for both.

YAML reads most JSON, but not all: an emoji in two escapes, a key of more than 1,024 characters, a DEL; and in a text it
takes U+2028 for the end of a line.
"""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, Iterator, List, Tuple

import yaml

_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_PAIR = re.compile("[\ud800-\udfff]")


class JsonError(ValueError):
    """Not JSON: a sentence, and where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def events(text: str) -> Iterator[Any]:
    """The events of one value, or none where there is only blank. Raises JsonError."""
    at = _blank(text, 0)
    if at == len(text):
        return
    yield yaml.DocumentStartEvent(_mark(at), _mark(at), explicit=False)
    stack: List[str] = []
    while True:
        letter = text[at : at + 1]
        if letter in ("{", "["):
            yield _opening(letter, at)
            at = _blank(text, at + 1)
            stack.append("}" if letter == "{" else "]")
            if text[at : at + 1] != stack[-1]:
                if letter == "{":
                    event, at = _key(text, at)
                    yield event
                continue
        else:
            event, at = _scalar(text, at)
            yield event
            at = _blank(text, at)
        while stack and text[at : at + 1] == stack[-1]:
            yield _closing(stack.pop(), at)
            at = _blank(text, at + 1)
        if not stack:
            break
        if text[at : at + 1] != ",":
            raise JsonError(f"a `,` or the closing `{stack[-1]}` was expected here", at)
        at = _blank(text, at + 1)
        if stack[-1] == "}":
            event, at = _key(text, at)
            yield event
    if at < len(text):
        raise JsonError("the end of the file was expected here", at)


def _mark(index: int) -> Any:
    """Of a mark only the offset is looked at: lines and columns are counted where a problem is shown."""
    return yaml.Mark("", index, 0, 0, None, 0)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _opening(letter: str, at: int) -> Any:
    kind = yaml.MappingStartEvent if letter == "{" else yaml.SequenceStartEvent
    return kind(None, None, True, _mark(at), _mark(at + 1), flow_style=True)


def _closing(letter: str, at: int) -> Any:
    kind = yaml.MappingEndEvent if letter == "}" else yaml.SequenceEndEvent
    return kind(_mark(at), _mark(at + 1))


def _key(text: str, at: int) -> Tuple[Any, int]:
    """A key with its colon; the place after both."""
    if text[at : at + 1] != '"':
        raise JsonError('a key in `"…"` was expected here', at)
    event, end = _scalar(text, at)
    end = _blank(text, end)
    if text[end : end + 1] != ":":
        raise JsonError("a `:` was expected here", end)
    return event, _blank(text, end + 1)


def _scalar(text: str, at: int) -> Tuple[Any, int]:
    if text[at : at + 1] == '"':
        try:
            value, end = scanstring(text, at + 1, True)
        except JSONDecodeError as error:
            raise JsonError(error.msg[:1].lower() + error.msg[1:], error.pos) from None
        if _PAIR.search(value):
            raise JsonError("half of a surrogate pair is no character", at)
        return yaml.ScalarEvent(None, None, (False, True), value, _mark(at), _mark(end), '"'), end
    found = _PLAIN.match(text, at)
    if found is None or text[found.end() : found.end() + 1].isalnum():
        raise JsonError("a value was expected here", at)
    return yaml.ScalarEvent(
        None, None, (True, False), found.group(), _mark(at), _mark(found.end())
    ), found.end()
