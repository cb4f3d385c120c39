"""libyaml's messages in words that say what to do."""

from __future__ import annotations

import re
from typing import Any, Tuple

from mlorch.spec.text import Source, Spot

QUOTE = "quote the whole value: \"…\" or '…'"
_EXPRESSION_IN_FLOW = re.compile(r"[\[{,:]\s*(?:[^\s\"'\[{,:]*)\$\{\{")

_SENTENCES = {
    "mapping values are not allowed in this context": (
        "a `:` stands where YAML expects none",
        "quote the value if it holds `: `, or check the indentation",
    ),
    "did not find expected key": (
        "a key was expected here",
        "check the indentation: keys of one mapping begin in the same column",
    ),
    "did not find expected '-' indicator": (
        "`- ` was expected here, as the list above goes on",
        "check the indentation: a list's elements begin in the same column",
    ),
    "could not find expected ':'": ("a `:` was expected after this key", "write `key: value`"),
    "did not find expected ',' or '}'": (
        "the mapping in `{}` does not go on with `,` or end with `}` here",
        "close it, or quote a value that holds `{`, `}`, `[`, `]` or `,`",
    ),
    "did not find expected ',' or ']'": (
        "the list in `[]` does not go on with `,` or end with `]` here",
        "close it, or quote a value that holds `{`, `}`, `[`, `]` or `,`",
    ),
    "did not find expected node content": ("a value was expected here", "write one, or quote it"),
    "found unexpected end of stream": ("a quote opens here and is never closed", "close it"),
    "found unexpected document indicator": ("a quote opens here and is never closed", "close it"),
    "found unknown escape character": (
        "this escape is not known inside double quotes",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    "found undefined tag handle": (
        "this tag is not known here",
        "take it out: only plain YAML values are read",
    ),
    "did not find expected <document start>": (
        "the end of the file was expected here",
        "check the indentation",
    ),
    "block sequence entries are not allowed in this context": (
        "a list stands where YAML expects none",
        "begin the list on a line of its own, below its key",
    ),
    "found duplicate %YAML directive": ("a second `%YAML` line", "take it out"),
    "found incompatible YAML document": ("this version of YAML is not known", "take the `%YAML` line out"),
}


def explain(error: Any, source: Source) -> Tuple[str, str, Spot, str]:
    """(code, message, spot, hint) of a yaml.MarkedYAMLError."""
    mark = error.problem_mark or error.context_mark
    at = min(mark.index if mark is not None else 0, len(source.text))
    text = source.text
    if error.context_mark is not None and error.problem in (
        "found unexpected end of stream",
        "found unexpected document indicator",
    ):
        at = error.context_mark.index
    line = text[text.rfind("\n", 0, at) + 1 : (text + "\n").find("\n", at)]
    begun = at - (text.rfind("\n", 0, at) + 1)
    if "flow" in (error.context or "") and "${{" in line:
        column = line.rfind("${{", 0, begun + 3)
        if column >= 0:
            spot = source.spot(at - begun + column, at - begun + column + 3)
            message = "an expression inside `{}` or `[]` must be quoted, because YAML reads its braces"
            return "E116", message, spot, 'write "${{ … }}"'
    if text[at : at + 1] == "\t" or (line[:begun].isspace() and "\t" in line[:begun]):
        at = at if text[at : at + 1] == "\t" else at - begun + line.index("\t")
        return "E110", "a tab can't indent YAML", source.spot(at, at + 1), "indent with spaces"
    code, message, hint = _sentence(error, text[at : at + 1])
    return code, message, source.spot(at, at + 1), hint


def _sentence(error: Any, character: str) -> Tuple[str, str, str]:
    problem = str(error.problem)
    if problem == "found character that cannot start any token":
        return "E101", f"a plain value can't begin with `{character}`", QUOTE
    if problem == "found undefined tag handle":
        return ("E112", *_SENTENCES[problem])
    if problem in _SENTENCES:
        return ("E101", *_SENTENCES[problem])
    return "E101", f"this is not YAML: {problem}", "check the line, or quote its value"
