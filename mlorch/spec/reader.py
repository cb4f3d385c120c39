"""YAML events to nodes.

Everything is checked while the events stream by. libyaml's own composer is not used: it recurses and would
crash on deep nesting, keeps the last of two equal keys, and reads scalars by YAML 1.1.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, Dict, List, Optional, Tuple, Union

import yaml

from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.scalars import LOOKS_BOOLEAN, UnfitError, resolve, tagged
from mlorch.spec.syntax import explain
from mlorch.spec.text import Source, Spot

MAX_NODES = 200_000
MAX_DEPTH = 100
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAB = re.compile(r"^[ ]*\t[ \t]*(?=[^\s#])", re.MULTILINE)
_COLLECTIONS = {
    "mapping": (None, "!", "tag:yaml.org,2002:map"),
    "list": (None, "!", "tag:yaml.org,2002:seq"),
}

LONGEST_TAG = 60
"""Characters of an unknown tag that a message shows."""


def read(source: Source, problems: Problems) -> Optional[Node]:
    """The document of a source; None for an empty one. Raises UnreadableError after noting the problem."""
    reader = _Reader(source, problems)
    if source.name.endswith(".json"):
        _take_json(reader, source, problems)
        return reader.document
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        code, message, spot, hint = explain(error, source)
        problems.error(code, message, spot, hint)
        raise UnreadableError from None
    except yaml.YAMLError as error:
        message = f"this is not YAML: {str(error).splitlines()[0]}"
        problems.error(
            "E101", message, source.spot(0, 1), "save the file as UTF-8 text without control characters"
        )
        raise UnreadableError from None
    reader.check_tabs()
    return reader.document


def _take_json(reader: _Reader, source: Source, problems: Problems) -> None:
    from mlorch.spec.json_events import JsonError, events  # few pipelines have a file in JSON

    try:
        for event in events(source.text):
            reader.take(event)
    except JsonError as error:
        message = f"this is not JSON: {error}"
        problems.error("E101", message, source.spot(error.at, error.at + 1), "check the text before it too")
        raise UnreadableError from None


class _Frame:
    """A collection that is not yet closed."""

    __slots__ = ("anchor", "before", "height", "key", "merges", "node")

    def __init__(self, node: Union[Map, Seq], anchor: Optional[str], before: int) -> None:
        self.node = node
        self.anchor = anchor
        self.before = before
        self.height = 1
        self.key: Optional[Node] = None
        self.merges: List[Tuple[Scalar, Node]] = []


class _Reader:
    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.document: Optional[Node] = None
        self.documents = 0
        self.stack: List[_Frame] = []
        self.nodes = 0
        self.anchors: Dict[str, Optional[Tuple[Node, int, int]]] = {}
        self.spans: List[Tuple[int, int]] = []

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._document(event)

    def check_tabs(self) -> None:
        """Tabs that indent what is not inside a scalar; libyaml itself lets some of them pass."""
        for found in _TAB.finditer(self.source.text):
            at = found.start() + found.group().index("\t")
            before = bisect_right(self.spans, (at, len(self.source.text))) - 1
            if before < 0 or self.spans[before][1] <= at:
                hint = "indent with spaces"
                self.problems.error("E110", "a tab can't indent YAML", self.source.spot(at, at + 1), hint)
                return

    def _spot(self, event: Any) -> Spot:
        return self.source.spot(event.start_mark.index, event.end_mark.index)

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            message = "a second document begins here; a file holds one"
            self.problems.error(
                "E111", message, self._spot(event), "take the `---` out, or make it a file of its own"
            )
            raise UnreadableError

    def _count(self, event: Any, nodes: int, height: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = "the file holds more than 200,000 values (an alias counts as many as it repeats)"
            self.problems.error(
                "E108", message, self._spot(event), "keep data in files of its own and name their paths"
            )
            raise UnreadableError
        if len(self.stack) + height > MAX_DEPTH:
            message = "values are nested more than 100 deep"
            self.problems.error(
                "E108", message, self._spot(event), "flatten them; a pipeline needs less than ten levels"
            )
            raise UnreadableError

    def _scalar(self, event: Any) -> None:
        self._count(event, 1, 0)
        start, end = event.start_mark.index, event.end_mark.index
        style = event.style or ""
        text = event.value
        value = self._value(event, text, style)
        node = Scalar(self.source, start, end, text, value, style)
        if "\x00" in text:
            hint = "no path, variable or argument can hold one"
            self.problems.error("E109", "a text can't hold the character U+0000", node.spot, hint)
            node.text = node.value = text.replace("\x00", "")
        if end - start > len(text) or "\n" in text:
            self.spans.append((start, end))
        if event.anchor:
            self.anchors[event.anchor] = (node, 1, 0)
        self._add(node)

    def _value(self, event: Any, text: str, style: str) -> Any:
        try:
            if event.tag is not None and (event.tag != "!" or not style):
                return tagged(event.tag, text)
            return text if style else resolve(text)
        except UnfitError as error:
            hint = "quote it if it is meant as text"
            self.problems.error("E113", str(error), self._spot(event), hint)
        except KeyError:
            self._unknown_tag(event)
        return text

    def _unknown_tag(self, event: Any) -> None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        tag = tag if len(tag) <= LONGEST_TAG else tag[:LONGEST_TAG] + "…"
        message = f"the tag `{tag}` is not known here"
        self.problems.error(
            "E112", message, self._spot(event), "take it out: only plain YAML values are read"
        )

    def _open(self, event: Any) -> None:
        self._count(event, 1, 1)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in _COLLECTIONS["mapping" if mapping else "list"]:
            self._unknown_tag(event)
        start, end = event.start_mark.index, event.end_mark.index
        node: Union[Map, Seq] = Map(self.source, start, end) if mapping else Seq(self.source, start, end)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Frame(node, event.anchor, self.nodes - 1))

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        node = frame.node
        node.end = max(node.end, event.end_mark.index)
        if isinstance(node, Map) and frame.merges:
            self._merge(node, frame.merges)
        if frame.anchor:
            self.anchors[frame.anchor] = (node, self.nodes - frame.before, frame.height)
        if self.stack:
            parent = self.stack[-1]
            parent.height = max(parent.height, frame.height + 1)
        self._add(node)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        known = self.anchors.get(name)
        if known is None:
            if name in self.anchors:
                message, hint = (
                    f"`*{name}` stands inside the value `&{name}` that it repeats",
                    "repeat another value",
                )
            else:
                message, hint = (
                    f"there is no anchor `&{name}` above `*{name}`",
                    "define it above, or fix its name",
                )
            self.problems.error("E114", message, self._spot(event), hint)
            raise UnreadableError
        node, nodes, height = known
        self._count(event, nodes, height)
        if self.stack:
            self.stack[-1].height = max(self.stack[-1].height, height + 1)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.document = node
            return
        frame = self.stack[-1]
        if isinstance(frame.node, Seq):
            self._look(node)
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = node
        else:
            key, frame.key = frame.key, None
            self._entry(frame, key, node)

    def _entry(self, frame: _Frame, key: Node, node: Node) -> None:
        if not isinstance(key, Scalar):
            hint = "quote the value if it begins with `{` or `[`; an expression is written `${{ … }}`"
            self.problems.error("E115", "a mapping or a list can't be a key", key.spot, hint)
            return
        if not isinstance(key.value, str):
            hint = f'quote it: "{key.text}"'
            self.problems.error("E115", f"the key `{key.text}` must be text", key.spot, hint)
            return
        name = key.value
        if name == "<<" and not key.style:
            frame.merges.append((key, node))
            return
        entries = frame.node.entries if isinstance(frame.node, Map) else {}
        if name in entries:
            first = entries[name][0].spot
            note = (first.place, first.length, "first here")
            hint = "keep one of them"
            self.problems.error("E107", f"the key `{name}` stands here twice", key.spot, hint, (note,))
        elif not name.startswith("x-"):
            self._look(node)
            entries[name] = (key, node)

    def _look(self, node: Node) -> None:
        """Warn of a value that YAML 1.1 would have read as a boolean."""
        if not isinstance(node, Scalar) or node.style or not LOOKS_BOOLEAN.fullmatch(node.text):
            return
        meant = "true" if node.text.lower() in ("yes", "on") else "false"
        message = f"`{node.text}` is text here, not {meant}"
        self.problems.warn("W101", message, node.spot, f'write `{meant}`, or quote it: "{node.text}"')

    def _merge(self, node: Map, merges: List[Tuple[Scalar, Node]]) -> None:
        merged: Dict[str, Tuple[Scalar, Node]] = {}
        for key, value in merges:
            for part in value.items if isinstance(value, Seq) else [value]:
                if not isinstance(part, Map):
                    hint = "give it the alias of a mapping: `<<: *name`"
                    self.problems.error("E114", "`<<` takes a mapping or a list of mappings", key.spot, hint)
                    continue
                for name, entry in part.entries.items():
                    merged.setdefault(name, entry)
        merged.update(node.entries)
        node.entries = merged
