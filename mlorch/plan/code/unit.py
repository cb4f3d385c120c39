"""One file of code, read: what its digest is made of, what it imports and which names it uses."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
import warnings
from typing import Any, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from blake3 import blake3

from mlorch.digest import digest_bytes, digest_value
from mlorch.plan.code.found import HIDDEN, WORD, Found, Import
from mlorch.plan.code.tree import docstring_first, serialise
from mlorch.values import dataclass

FORMAT = b"mlorch python 1\n"
"""Version of the canonical form: another one gives other digests."""
PYTHON, NOTEBOOK, CONTENT = "python", "notebook", "content"


@dataclass(frozen=True)
class Part:
    """One statement at the top of a file. `name` is that of a function that may be left out, else empty."""

    name: str
    form: bytes
    """Digest of the canonical form."""
    docs: bytes
    """Digest of the docstrings as they stand: it counts only where code reads `__doc__`."""
    names: FrozenSet[str]
    """Every identifier in it, and every word of its strings."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A file that counts as code."""

    path: str
    """Root-relative, or absolute for an editable install outside the root."""
    kind: str
    digest: str
    """Of the whole file: of its canonical form, or of its content where it is not (readable) Python."""
    parts: Tuple[Part, ...] = ()
    names: FrozenSet[str] = frozenset()
    imports: Tuple[Import, ...] = ()
    hidden: bool = False
    """It looks names up in ways that the source does not show, so no function of any file may be left out."""
    warning: str = ""

    @property
    def functions(self) -> Tuple[Part, ...]:
        return tuple(part for part in self.parts if part.name)


def kind_of(path: str, head: bytes) -> str:
    """What a file is, by its name and its first bytes."""
    if path.endswith((".py", ".pyw")):
        return PYTHON
    if path.endswith(".ipynb"):
        return NOTEBOOK
    first = head.split(b"\n", 1)[0]
    if first.startswith(b"#!") and (b"python" in first or b"\n'''exec'" in head):
        return PYTHON  # the second form is how installers get round the length limit of a `#!` line
    return CONTENT


def read_unit(path: str, data: bytes, kind: str) -> Unit:
    """Read a file's bytes as the kind that it is; what can't be read as such counts by content."""
    if kind == PYTHON:
        return _python(path, data)
    if kind == NOTEBOOK:
        return _notebook(path, data)
    return Unit(
        path, CONTENT, digest_bytes(data), names=frozenset(WORD.findall(data.decode("utf-8", "replace")))
    )


def digest_parts(parts: Sequence[Part], docs: bool = False) -> str:
    """The digest of a file that consists of these parts."""
    forms = b"".join(part.form + part.docs if docs else part.form for part in parts)
    return digest_bytes(FORMAT + forms)


def parse(data: bytes) -> ast.Module:
    """Raises SyntaxError, ValueError, RecursionError, MemoryError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in somebody's string is not our affair
        return ast.parse(data)


UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def _python(path: str, data: bytes) -> Unit:
    try:
        module = parse(data)
    except UNREADABLE as error:
        return _by_content(path, data, error)
    parts: List[Part] = []
    imports: List[Import] = []
    hidden = False
    for statement in docstring_first(module.body):
        found = Found()
        form = blake3(serialise(statement, found)).digest()
        hidden = hidden or found.hidden
        imports.extend(found.imports)
        docs = blake3("\0".join(found.docs).encode("utf-8", "surrogatepass")).digest() if found.docs else b""
        parts.append(Part(_droppable(statement), form, docs, frozenset(found.names)))
    names = frozenset().union(*(part.names for part in parts)) if parts else frozenset()
    return Unit(path, PYTHON, digest_parts(parts), tuple(parts), names, tuple(dict.fromkeys(imports)), hidden)


def _droppable(statement: Any) -> str:
    """The name of a function that need not count: undecorated, nothing called when it is defined, not
    called by Python."""
    if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) or statement.decorator_list:
        return ""
    name = statement.name
    if name.startswith("_") and "__" in name:
        return ""  # a hook of the module, or what a private name in a class is turned into
    at_definition: List[ast.AST] = [statement.args]
    if statement.returns is not None:
        at_definition.append(statement.returns)
    for node in at_definition:
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Call, ast.NamedExpr, ast.Await, ast.comprehension)):
                return ""
    return name


def _by_content(path: str, data: bytes, error: BaseException) -> Unit:
    text = _decode(data)
    names = frozenset(WORD.findall(text))
    line = getattr(error, "lineno", None)
    warning = "{}{} can't be parsed by the Python {}.{} that runs mlorch: it counts by content".format(
        path, f":{line}" if line else "", *sys.version_info[:2]
    )
    hidden = not HIDDEN.isdisjoint(names) or "getattr" in names
    return Unit(path, PYTHON, digest_bytes(data), (), names, tuple(imports_by_tokens(text)), hidden, warning)


def _decode(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding, "replace")
    except (SyntaxError, LookupError):
        return data.decode("utf-8", "replace")


# ----------------------------------------------------------------------------------------------------- tokens


def imports_by_tokens(text: str) -> List[Import]:
    """The imports of a text that can't be parsed as a whole."""
    found = Found()
    for words in _import_statements(text):
        try:
            serialise(parse(" ".join(words).encode("utf-8", "replace")), found)
        except UNREADABLE:
            continue
    return list(dict.fromkeys(found.imports))


def _import_statements(text: str) -> Iterator[List[str]]:
    statement: List[str] = []
    fresh = True
    for kind, word in _tokens(text):
        ended = kind == tokenize.NEWLINE or word == ";"
        if statement and ended:
            yield statement
            statement = []
        elif statement or (fresh and kind == tokenize.NAME and word in ("import", "from")):
            if kind not in (tokenize.NL, tokenize.COMMENT):
                statement.append(word)
        if kind not in (tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.COMMENT):
            fresh = ended or word == ":"
    if statement:
        yield statement


def _tokens(text: str) -> Iterator[Tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            yield token.type, token.string
    except (tokenize.TokenError, SyntaxError):
        return


# -------------------------------------------------------------------------------------------------- notebooks

_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_TRANSPARENT = frozenset(["time", "timeit", "capture", "prun", "memit"])
_LINE_MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)


def _notebook(path: str, data: bytes) -> Unit:
    cells = _code_cells(data)
    if cells is None:
        return Unit(
            path, NOTEBOOK, digest_bytes(data), warning=f"{path} is not a notebook: it counts by content"
        )
    sources, is_python = cells
    digest = digest_value("notebook", list(sources))
    if not is_python:
        return Unit(path, NOTEBOOK, digest)
    found = Found()
    for source in sources:
        text = _without_magics(source)
        try:
            serialise(parse(text.encode("utf-8", "replace")), found)
        except UNREADABLE:
            found.imports.extend(imports_by_tokens(text))
            found.names.update(WORD.findall(text))
            found.hidden = True
    imports = tuple(dict.fromkeys(found.imports))
    return Unit(path, NOTEBOOK, digest, (), frozenset(found.names), imports, found.hidden)


def _code_cells(data: bytes) -> Optional[Tuple[List[str], bool]]:
    try:
        document = json.loads(data)
        metadata = document.get("metadata") or {}
        kernel = metadata.get("kernelspec") or {}
        language = kernel.get("language") or (metadata.get("language_info") or {}).get("name") or "python"
        cells = document.get("cells")
        if cells is None:
            cells = [cell for sheet in document["worksheets"] for cell in sheet["cells"]]
        sources = [
            cell.get("source", cell.get("input", "")) for cell in cells if cell.get("cell_type") == "code"
        ]
        texts = [source if isinstance(source, str) else "".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return texts, str(language).lower().startswith(("python", "ipython"))


def _without_magics(source: str) -> str:
    magic = _CELL_MAGIC.match(source)
    if magic:
        if magic.group(1) not in _TRANSPARENT:
            return ""
        source = source.split("\n", 1)[1] if "\n" in source else ""
    return _LINE_MAGIC.sub(r"\1pass", source)
