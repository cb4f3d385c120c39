"""`matrix`: axes with their values, an expression, or another step's matrix."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Optional, Tuple

from mlorch.model import Matrix, Tree
from mlorch.spec.nodes import Map, Node, Scalar, Seq
from mlorch.spec.problems import Problems, suggest
from mlorch.spec.raw import RawStep
from mlorch.spec.templates import Templates

_BORROW = re.compile(r"\$\{\{\s*steps\.([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?)\.matrix\s*\}\}")
EXAMPLE = "write axes, `{depth: [3, 6]}`, or borrow them: `${{ steps.train.matrix }}`"


def borrowed(raw: RawStep) -> Optional[str]:
    """The id of the step whose matrix a step takes over."""
    node = raw.node.get("matrix")
    found = _BORROW.fullmatch(node.words.strip()) if isinstance(node, Scalar) else None
    if found is None:
        return None
    return f"{raw.scope}.{found.group(1)}" if raw.scope else found.group(1)


def axes_of(raw: RawStep) -> List[str]:
    """The names of a step's own axes, those of `include` too."""
    node = raw.node.map("matrix")
    names = [name for name, _, _ in node.items() if name not in ("include", "exclude")]
    include = node.get("include")
    for item in include.items if isinstance(include, Seq) else []:
        if isinstance(item, Map):
            names.extend(name for name in item.entries if name not in names)
    return names


def build_matrix(raw: RawStep, templates: Templates, problems: Problems) -> Optional[Matrix]:
    node = raw.node.get("matrix")
    if isinstance(node, Scalar):
        borrow = borrowed(raw)
        if borrow is None:
            problems.error("E208", f"`matrix` of step `{raw.id}` is no mapping of axes", node.spot, EXAMPLE)
            return None
        return Matrix(borrow=borrow)
    if not isinstance(node, Map):
        return None
    axes: Dict[str, Tree] = {}
    for name, _, item in node.items():
        if name not in ("include", "exclude"):
            axes[name] = _axis(name, item, raw, templates, problems)
    include = _combinations(node.get("include"), raw, templates)
    exclude = _combinations(node.get("exclude"), raw, templates)
    if not axes and not include and "matrix" not in raw.broken:
        spot = raw.node.key("matrix") or raw.key
        problems.error("E208", f"`matrix` of step `{raw.id}` has no axis", spot.spot, EXAMPLE)
    known = axes_of(raw)
    for item in _items(node.get("exclude")):
        for name, key, _ in item.items():
            if name not in known and "matrix" not in raw.broken:
                hint = suggest(name, known, "name an axis of this matrix", "axes")
                problems.error("E205", f"`exclude` names the unknown axis `{name}`", key.spot, hint)
    return Matrix(axes, include, exclude)


def _items(node: Optional[Node]) -> List[Map]:
    return [item for item in node.items if isinstance(item, Map)] if isinstance(node, Seq) else []


def _combinations(node: Optional[Node], raw: RawStep, templates: Templates) -> Tuple[Mapping[str, Tree], ...]:
    return tuple(templates.tree(item, "matrix", raw.id) for item in _items(node))


def _axis(name: str, node: Node, raw: RawStep, templates: Templates, problems: Problems) -> Tree:
    if not isinstance(node, Scalar):
        return templates.tree(node, "matrix", raw.id)
    if "${{" in node.words:
        return templates.whole(node, "matrix", raw.id) or []
    message = f"axis `{name}` must be a list of values, or an expression that gives one"
    problems.error("E105", message, node.spot, f"write `{name}: [{node.words}]`")
    return []
