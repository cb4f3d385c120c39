"""From the pipeline's file and what it includes to one document with all its steps."""

from __future__ import annotations

import os
from typing import Any, Dict, Sequence, Set, Tuple

from mlorch.model import Place
from mlorch.spec.files import read_source
from mlorch.spec.nodes import Map, Node, Scalar, Seq, size
from mlorch.spec.paths import misplaced, reachable
from mlorch.spec.problems import Problems, UnreadableError, suggest
from mlorch.spec.raw import Document, RawStep, merged
from mlorch.spec.reader import MAX_NODES, read
from mlorch.spec.root import relative
from mlorch.spec.text import Source, Spot
from mlorch.spec.wording import validate

MAX_STEPS = 10_000


class Assembler:
    """Reads a pipeline's files within a root."""

    def __init__(self, root: str, allow: Sequence[str], problems: Problems) -> None:
        self.root = root
        self.allow = allow
        self.problems = problems

    def read(self, path: str) -> Document:
        """The document of the pipeline at an absolute path. Raises UnreadableError where it can't be read."""
        name = relative(path, self.root)
        source = read_source(path, name, self.problems)
        document = Document(Map(source, 0, 0))
        document.top = self._mapping(source, "a pipeline holds `version`, `name` and `steps`")
        broken = validate(document.top, "", self.problems)
        document.broken = {str(item[0]) for item in broken if item[:1] != ("steps",)}
        self._steps(document, document.top, "", broken)
        include = document.top.get("include")
        for item in include.items if isinstance(include, Seq) else []:
            if isinstance(item, Map):
                self._include(document, item, name)
        if "include" in document.broken and not document.includes:
            document.broken.add("steps")
        return document

    def _mapping(self, source: Source, hint: str) -> Map:
        node = read(source, self.problems)
        if isinstance(node, Map):
            return node
        empty = node is None or (isinstance(node, Scalar) and node.value is None)
        message = f"`{source.name}` is empty" if empty else f"`{source.name}` must hold a mapping"
        spot = Spot(Place(source.name)) if node is None else node.spot
        self.problems.error("E105", message, spot, hint)
        raise UnreadableError

    def _steps(self, document: Document, top: Map, scope: str, broken: Set[Tuple[Any, ...]]) -> None:
        prefix = scope + "." if scope else ""
        inner: Dict[str, Set[str]] = {}
        for path in broken:
            if path[:1] == ("steps",) and len(path) == 1:
                document.broken.add("steps")
            elif path[:1] == ("steps",) and len(path) == 2:
                document.unclear.add(prefix + str(path[1]))
            elif path[:1] == ("steps",):
                inner.setdefault(str(path[1]), set()).add(str(path[2]))
        if not self._few_enough(document, top):
            raise UnreadableError
        defaults = document.top.map("defaults")
        given = Map(document.top.source, 0, 0, _given(document.top))
        for name, key, node in top.map("steps").items():
            if isinstance(node, Map):
                step = merged(node, defaults, given)
                unclear = frozenset(inner.get(name, ()))
                document.steps[prefix + name] = RawStep(prefix + name, key, node, step, scope, unclear)

    def _few_enough(self, document: Document, top: Map) -> bool:
        """Steps, and values merged into them, are bounded like everything that a file can ask for."""
        key = top.key("steps")
        count = len(document.steps) + len(top.map("steps").entries)
        given = Map(document.top.source, 0, 0, _given(document.top))
        merged = count * (size(document.top.map("defaults")) + size(given) - 2)
        message = ""
        if count > MAX_STEPS:
            message, hint = f"{count:,} steps are more than the {MAX_STEPS:,} of a pipeline", "use a `matrix`"
        elif merged > MAX_NODES:
            message = (
                f"`defaults` and `env` make {merged:,} values in {count:,} steps, more than {MAX_NODES:,}"
            )
            hint = "give the steps that need them their own"
        if message and key is not None:
            self.problems.error("E108", message, key.spot, hint)
        return not message

    def _include(self, document: Document, item: Map, name: str) -> None:
        file, as_ = item.get("file"), item.get("as")
        if not isinstance(file, Scalar) or not isinstance(as_, Scalar):
            document.broken.add("steps")  # its steps can't be known
            return
        scope = as_.words
        if scope in document.includes or scope in document.steps or scope in document.unclear:
            what = "include" if scope in document.includes else "step"
            message = f"there is another {what} called `{scope}`"
            self.problems.error("E121", message, as_.spot, "choose another name for `as`")
            return
        document.includes[scope] = item.map("with")
        document.expects[scope] = ()
        document.unclear.add(scope + ".*")
        try:
            source = self._included_source(file, scope, name)
            top = self._mapping(source, "an included file holds `expects` and `steps`")
        except UnreadableError:
            return
        broken = validate(top, "included", self.problems)
        self._steps(document, top, scope, broken)
        if ("steps",) not in broken:
            document.unclear.discard(scope + ".*")
        if not any(path[:1] == ("expects",) for path in broken):
            self._expected(document, item, top, as_)

    def _included_source(self, file: Scalar, scope: str, pipeline: str) -> Source:
        path = file.words
        wrong = misplaced(path, self.allow)
        if "${{" in path:
            wrong = ("E514", "no expression is evaluated in `file`", "write the name of the file itself")
        elif wrong is None and not reachable(path, self.root, self.allow):
            wrong = (
                "E401",
                f"`{path}` leads out of the project root",
                "keep the file in the project, without a symlink",
            )
        elif wrong is None and os.path.normpath(path) == os.path.normpath(pipeline):
            wrong = (
                "E121",
                f"`{path}` includes itself",
                "include a file that holds `expects` and `steps`",
            )
        if wrong is not None:
            self.problems.error(wrong[0], wrong[1], file.spot, wrong[2])
            raise UnreadableError
        return read_source(os.path.join(self.root, path), path, self.problems, scope, file.spot)

    def _expected(self, document: Document, item: Map, top: Map, as_: Scalar) -> None:
        expects = top.get("expects")
        names = [str(name.plain) for name in expects.items] if isinstance(expects, Seq) else []
        document.expects[as_.words] = tuple(names)
        given = item.map("with")
        missing = [name for name in names if name not in given.entries]
        for name in missing:
            message = f"the include `{as_.words}` needs a value for `{name}`"
            self.problems.error("E121", message, as_.spot, f"add it: `with: {{{name}: …}}`")
        for name, key, _ in given.items():
            if name not in names:
                hint = suggest(
                    name, names, "take it out, or add it to the file's `expects`", "names it expects"
                )
                message = f"the include `{as_.words}` expects no `{name}`"
                self.problems.error("E121", message, key.spot, hint)


def _given(top: Map) -> Dict[str, Tuple[Scalar, Node]]:
    return {name: entry for name, entry in top.entries.items() if name in ("env", "pass_env", "secrets")}
