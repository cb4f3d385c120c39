"""Inputs and outputs in each of their forms: a mapping, a list, one path."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Optional, Tuple

from mlorch.model import InputSpec, OutputSpec, Template
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems
from mlorch.spec.raw import RawStep
from mlorch.spec.templates import Templates

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LAST_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)")


def named(node: Optional[Node]) -> Iterator[Tuple[Optional[str], Node]]:
    """The paths of `inputs` or `outputs` with their names; None where a list's path gives none."""
    if isinstance(node, Map):
        for name, _, item in node.items():
            yield name, item
    else:
        for item in node.items if isinstance(node, Seq) else [] if node is None else [node]:
            yield name_of(path_of(item)), item


def path_of(node: Node) -> Optional[Scalar]:
    """The node of the path itself, in the short form or in a mapping."""
    if isinstance(node, Map):
        found = node.get("path") or node.get("from")
        return found if isinstance(found, Scalar) else None
    return node if isinstance(node, Scalar) else None


def name_of(path: Optional[Scalar]) -> Optional[str]:
    """The name of a path in a list: its base name without suffix; of an expression the last name."""
    if path is None:
        return None
    text = path.words.strip()
    if text.startswith("${{") and text.endswith("}}") and text.count("${{") == 1:
        found = _LAST_NAME.fullmatch(text[3:-2].strip())
        return found.group(1) if found else None
    base = text.rstrip("/").rsplit("/", 1)[-1]
    stem = base.rsplit(".", 1)[0]
    return stem if IDENTIFIER.fullmatch(stem) else None


class Files:
    """Builds the inputs and outputs of steps."""

    def __init__(self, templates: Templates, problems: Problems) -> None:
        self.templates = templates
        self.problems = problems

    def inputs(self, raw: RawStep) -> Dict[str, InputSpec]:
        built: Dict[str, InputSpec] = {}
        for name, node in self._items(raw, "inputs"):
            spec = self._input(name, node, raw)
            if spec is not None:
                built[name] = spec
        return built

    def outputs(self, raw: RawStep) -> Dict[str, OutputSpec]:
        built: Dict[str, OutputSpec] = {}
        for name, node in self._items(raw, "outputs"):
            path = path_of(node)
            if path is not None:
                template = self.templates.text(path, "outputs", raw.id)
                built[name] = OutputSpec(template, _flag(node, "store", True), self._exclude(node))
        return built

    def _items(self, raw: RawStep, key: str) -> List[Tuple[str, Node]]:
        found: Dict[str, Node] = {}
        for name, node in named(raw.node.get(key)):
            if name is None:
                if path_of(node) is not None:
                    self._unnamed(key, node)
            elif name in found:
                first = found[name].spot
                message = f"two {key} of step `{raw.id}` would be named `{name}`"
                notes = ((first.place, first.length, "the first"),)
                hint = f"write a mapping with names: `{key}: {{a: …, b: …}}`"
                self.problems.error("E107", message, node.spot, hint, notes)
            else:
                found[name] = node
        return list(found.items())

    def _unnamed(self, key: str, node: Node) -> None:
        path = path_of(node)
        text = path.words if path is not None else ""
        message = f"no name can be made of `{text}`"
        hint = f"write a mapping with a name: `{key}: {{name: …}}`"
        self.problems.error("E213", message, node.spot, hint)

    def _input(self, name: str, node: Node, raw: RawStep) -> Optional[InputSpec]:
        path = path_of(node)
        if not isinstance(node, Map):
            return None if path is None else InputSpec(self.templates.text(path, "inputs", raw.id))
        from_ = node.get("from")
        if not self._one_of_path_and_from(name, node, raw) or path is None:
            return None
        template: Optional[Template] = self.templates.text(path, "inputs", raw.id)
        if isinstance(from_, Scalar) and template is not None and template.whole is None:
            hint = "write `from: ${{ steps.train.outputs.model }}`"
            message = f"`from` of input `{name}` must be one expression that names a step's output"
            self.problems.error("E516", message, from_.spot, hint)
        where = {axis: item.plain for axis, _, item in node.map("where").items()}
        assert template is not None
        return InputSpec(template, _flag(node, "store", False), self._exclude(node), where)

    def _one_of_path_and_from(self, name: str, node: Map, raw: RawStep) -> bool:
        path, from_ = node.key("path"), node.key("from")
        key = raw.node.map("inputs").key(name)
        spot = (key or node).spot
        if path is None and from_ is None:
            if "inputs" not in raw.broken:
                hint = "add `path: …`, or `from: ${{ steps.….outputs.… }}` with `where`"
                self.problems.error("E104", f"input `{name}` says neither `path` nor `from`", spot, hint)
            return False
        if path is not None and from_ is not None:
            message = f"input `{name}` says both `path` and `from`"
            notes = ((path.place, path.spot.length, "`path` is here"),)
            self.problems.error("E210", message, from_.spot, "keep one of them", notes)
            return False
        where, store = node.key("where"), node.key("store")
        if from_ is None and where is not None:
            message = f"`where` of input `{name}` needs `from`"
            self.problems.error(
                "E210", message, where.spot, "write the expression under `from` instead of `path`"
            )
        if from_ is not None and store is not None:
            hint = "take it out: what a step makes is in the store already"
            self.problems.error("E210", "`store` does not go with `from`", store.spot, hint)
        return True

    def _exclude(self, node: Node) -> Tuple[str, ...]:
        found = node.get("exclude") if isinstance(node, Map) else None
        items = found.items if isinstance(found, Seq) else []
        return tuple(self.templates.literal(item, "exclude") for item in items if isinstance(item, Scalar))


def _flag(node: Node, name: str, default: bool) -> bool:
    found = node.get(name) if isinstance(node, Map) else None
    return found.value if isinstance(found, Scalar) and isinstance(found.value, bool) else default
