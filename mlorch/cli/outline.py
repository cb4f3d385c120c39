"""The names in a pipeline file, read line by line: quick, and content with a file that is being edited.

Completion runs at each press of Tab, so no YAML library is imported and nothing is validated. Steps in flow
style (`steps: {…}`) are not found; that costs a suggestion, nothing else.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import field
from typing import Dict, Iterator, List, Sequence, Tuple

from mlorch.values import dataclass

LARGEST = 4 << 20
KEY = re.compile(r"^( *)(?:- +)?[\"']?([A-Za-z_][\w.-]*)[\"']?\s*:(?:\s+(.*))?$")
FLOW_KEY = re.compile(r"(?:^|[{,])\s*[\"']?([A-Za-z_][\w-]*)[\"']?\s*:")

Line = Tuple[int, str, str]
"""Indentation, key, and what follows the colon."""


@dataclass(frozen=True)
class Outline:
    """Names that a pipeline file mentions."""

    steps: Dict[str, List[str]] = field(default_factory=dict)
    """Step -> names of its outputs."""
    params: List[str] = field(default_factory=list)
    """Dotted."""
    tags: List[str] = field(default_factory=list)


def outline(path: str, seen: Sequence[str] = ()) -> Outline:
    """The outline of a pipeline file and of what it includes; empty for one that can't be read."""
    if (seen or os.path.islink(path)) and not _stays(path, seen[0] if seen else path):
        return Outline()
    text = _read(path)
    lines = [found for found in map(_line, text.splitlines()) if found]
    steps: Dict[str, List[str]] = {}
    for name, block in _children(_section(lines, "steps")):
        steps[name] = _outputs(block)
    result = Outline(steps, _params(lines), _tags(text))
    for file, prefix in _includes(lines):
        target = os.path.normpath(os.path.join(os.path.dirname(path), file))
        if target in seen or len(seen) > 8:
            continue
        inner = outline(target, [*seen, path])
        result.steps.update({f"{prefix}.{name}": outputs for name, outputs in inner.steps.items()})
    return result


def _stays(path: str, pipeline: str) -> bool:
    """Whether a file lies in the project of a pipeline, links followed."""
    from mlorch.spec.root import find_root

    return os.path.realpath(path).startswith(os.path.realpath(find_root(pipeline)) + "/")


def _read(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""
    except OSError:
        return ""


def _line(text: str) -> Line | None:
    found = KEY.match(text)
    if not found:
        return None
    indent = len(found.group(1)) + (2 if text.lstrip().startswith("- ") else 0)
    return indent, found.group(2), (found.group(3) or "").strip()


def _section(lines: Sequence[Line], name: str) -> List[Line]:
    """What is indented below a top-level key."""
    inside = False
    found = []
    for line in lines:
        if line[0] == 0:
            inside = line[1] == name
        elif inside:
            found.append(line)
    return found


def _children(lines: Sequence[Line]) -> Iterator[Tuple[str, List[Line]]]:
    """Each key of the shallowest level with the lines below it."""
    if not lines:
        return
    level = lines[0][0]
    start = 0
    for index in range(1, len(lines) + 1):
        if index == len(lines) or lines[index][0] <= level:
            yield lines[start][1], list(lines[start + 1 : index])
            start = index
        if index < len(lines) and lines[index][0] < level:
            return


def _outputs(block: Sequence[Line]) -> List[str]:
    for position, (indent, key, value) in enumerate(block):
        if key == "outputs" and indent == block[0][0]:
            if value.startswith("{"):
                return FLOW_KEY.findall(re.sub(r"\$\{\{.*?\}\}", "", value))
            below = []
            for line in block[position + 1 :]:
                if line[0] <= indent:
                    break
                below.append(line)
            return [name for name, _ in _children(below)]
    return []


def _params(lines: Sequence[Line]) -> List[str]:
    for indent, key, value in lines:
        if indent == 0 and key == "params" and value.startswith("{"):
            return FLOW_KEY.findall(value)
    return list(_dotted(_section(lines, "params"), ""))


def _dotted(lines: Sequence[Line], prefix: str) -> Iterator[str]:
    values = {key: value for _, key, value in lines}
    for name, below in _children(lines):
        if below:
            yield from _dotted(below, f"{prefix}{name}.")
        elif values[name].startswith("{"):
            yield from (f"{prefix}{name}.{key}" for key in FLOW_KEY.findall(values[name]))
        else:
            yield prefix + name


def _tags(text: str) -> List[str]:
    found = re.findall(r"\btags\s*:\s*\[([^\]]*)\]", text)
    return sorted({tag.strip(" '\"") for group in found for tag in group.split(",") if tag.strip(" '\"")})


def _includes(lines: Sequence[Line]) -> Iterator[Tuple[str, str]]:
    file = ""
    for _, key, value in _section(lines, "include"):
        value = value.split(" #")[0].strip(" '\"")
        if key == "file":
            file = value
        elif key == "as" and file:
            yield file, value
