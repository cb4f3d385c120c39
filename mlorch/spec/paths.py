"""Paths as written: whether they may stand there, and where two of them meet."""

from __future__ import annotations

import os
import posixpath
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.model import Pipeline, Step
from mlorch.spec.inputs import named, path_of
from mlorch.spec.nodes import Scalar, Seq
from mlorch.spec.problems import Problems
from mlorch.spec.raw import RawStep
from mlorch.spec.text import Spot

OWN = (".mlorch", ".mlorch-tmp", ".git")
GLOB = frozenset("*?[")
LONGEST = 4096


def misplaced(path: str, allow: Sequence[str]) -> Optional[Tuple[str, str, str]]:
    """(code, message, hint) of a path that can't be declared, else None. Does not look at the disk."""
    if len(path) > LONGEST:
        return "E401", f"a path of {len(path)} characters is longer than a path can be", "name a file"
    if path.startswith("/"):
        if any(inside(path, folder) for folder in allow):
            return None
        hint = 'write it from the project root, or allow it in mlorch.toml: `[paths] allow = ["{}"]`'
        message = f"the path `{path}` is absolute"
        return "E401", message, hint.format(posixpath.dirname(posixpath.normpath(path)))
    if path.startswith("~"):
        return "E401", f"`~` in `{path}` is not expanded", "write the path from the project root"
    plain = posixpath.normpath(path)
    if plain == ".." or plain.startswith("../"):
        return (
            "E401",
            f"the path `{path}` leaves the project root",
            "paths begin at the project root: name a file in it",
        )
    if plain.split("/")[0] in OWN:
        message = "`{}` belongs to {}".format(path, "git" if plain.startswith(".git") else "mlorch")
        return "E401", message, "name another folder"
    return None


def inside(path: str, folder: str) -> bool:
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def reachable(path: str, root: str, allow: Sequence[str]) -> bool:
    """Whether a file that mlorch reads itself (an include, params) lies in the root or an allowed folder."""
    real = os.path.realpath(os.path.join(root, path))
    return any(inside(real, os.path.realpath(folder)) for folder in (root, *allow))


class Declared:
    """The literal outputs of all steps, and the checks on paths."""

    def __init__(
        self, pipeline: Pipeline, raws: Mapping[str, RawStep], problems: Problems, allow: Sequence[str]
    ) -> None:
        self.pipeline = pipeline
        self.raws = raws
        self.problems = problems
        self.allow = allow
        self._budget = 20_000
        """Comparisons of globs with outputs that are made here; binding the inputs makes all of them."""

    def check(self) -> None:
        outputs: Dict[str, Tuple[str, Spot]] = {}
        for raw in self.raws.values():
            step = self.pipeline.steps[raw.id]
            own = list(self._outputs(step, raw))
            self._inputs(step, raw, own)
            for key in ("code", "report"):
                listed = raw.node.get(key)
                for item in listed.items if isinstance(listed, Seq) else []:
                    self._literal(item if isinstance(item, Scalar) else None)
            for plain, spot in own:
                self._equal(plain, spot, raw.id, outputs)
        for plain, (owner, spot) in sorted(outputs.items()):
            self._nested(plain, owner, spot, outputs)

    def _outputs(self, step: Step, raw: RawStep) -> Iterator[Tuple[str, Spot]]:
        for name, node in named(raw.node.get("outputs")):
            literal = self._literal(path_of(node))
            if literal is None or name not in step.outputs:
                continue
            path, spot = literal
            plain = posixpath.normpath(path)
            if plain == ".":
                hint = "name a folder in it, such as `out/`"
                self.problems.error("E407", "the project root can't be an output", spot, hint)
            elif "*" in path or "?" in path:
                hint = "name each file, or their folder with a `/` at its end"
                self.problems.error("E407", f"the output `{path}` is a glob", spot, hint)
            else:
                yield plain, spot

    def _literal(self, node: Optional[Scalar]) -> Optional[Tuple[str, Spot]]:
        """The text of a path without expressions that may stand where it does."""
        if node is None:
            return None
        beginning, expression, _ = node.words.partition("${{")
        if expression and "/" not in beginning:
            return None
        wrong = misplaced(beginning, self.allow)
        if wrong is not None:
            code, message, hint = wrong
            self.problems.error(code, message, node.spot, hint)
            return None
        return None if expression else (node.words, node.spot)

    def _equal(self, plain: str, spot: Spot, owner: str, outputs: Dict[str, Tuple[str, Spot]]) -> None:
        other = outputs.setdefault(plain, (owner, spot))
        if other[1] is spot:
            return
        note = (other[1].place, other[1].length, f"`{other[0]}` makes it here")
        whose = f"steps `{other[0]}` and `{owner}` both make"
        if other[0] == owner:
            whose = f"two outputs of step `{owner}` are"
        self.problems.error("E402", f"{whose} `{plain}`", spot, "give each a path of its own", (note,))

    def _nested(self, plain: str, owner: str, spot: Spot, outputs: Dict[str, Tuple[str, Spot]]) -> None:
        for parent in parents(plain):
            outer = outputs.get(parent)
            if outer is not None and outer[0] != owner:
                message = (
                    f"the output `{plain}` of step `{owner}` lies in `{parent}`, an output of `{outer[0]}`"
                )
                note = (outer[1].place, outer[1].length, f"`{outer[0]}` makes the outer one here")
                self.problems.error("E402", message, spot, "give each a folder of its own", (note,))
                return

    def _inputs(self, step: Step, raw: RawStep, outputs: Sequence[Tuple[str, Spot]]) -> None:
        below: Dict[str, Tuple[str, Spot]] = {}
        for plain, spot in outputs:
            for folder in (plain, *parents(plain)):
                below.setdefault(folder, (plain, spot))
        spots = dict(outputs)
        for name, node in named(raw.node.get("inputs")):
            literal = self._literal(path_of(node))
            spec = step.inputs.get(name or "")
            if literal is None or spec is None:
                continue
            met = self._met(literal[0], below, spots, outputs)
            if met is not None and (not spec.exclude or met[0] == posixpath.normpath(literal[0])):
                message = f"the input `{literal[0]}` of step `{raw.id}` overlaps its own output `{met[0]}`"
                note = (met[1].place, met[1].length, "the output is here")
                hint = "write the output to a place of its own"
                self.problems.error("E406", message, literal[1], hint, (note,))

    def _met(
        self,
        path: str,
        below: Mapping[str, Tuple[str, Spot]],
        spots: Mapping[str, Spot],
        outputs: Sequence[Tuple[str, Spot]],
    ) -> Optional[Tuple[str, Spot]]:
        """The output that an input's path or glob overlaps."""
        plain = posixpath.normpath(path)
        if plain in below:
            return below[plain]
        if not GLOB.intersection(plain):
            above = next((folder for folder in parents(plain) if folder in spots), None)
            return (
                next(iter(outputs), None)
                if plain == "."
                else None
                if above is None
                else (above, spots[above])
            )
        if len(outputs) > self._budget:
            return None
        self._budget -= len(outputs)
        return next((item for item in outputs if meets(plain, item[0])), None)


def parents(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind("/")


def meets(pattern: str, path: str) -> bool:
    """Whether a glob names a path."""
    return _matches(_collapsed(pattern.split("/")), path.split("/"))


def _collapsed(parts: Sequence[str]) -> List[str]:
    return [
        part for index, part in enumerate(parts) if part != "**" or index == 0 or parts[index - 1] != "**"
    ]


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Segment by segment; a `**` stands for any number of folders."""

    @lru_cache(maxsize=None)
    def match(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(path)
        if pattern[i] == "**":
            return any(match(i + 1, k) for k in range(j, len(path) + 1))
        return j < len(path) and fnmatchcase(path[j], pattern[i]) and match(i + 1, j + 1)

    return len(pattern) < 50 and len(path) < 50 and match(0, 0)
