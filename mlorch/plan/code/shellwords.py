"""The words of a shell script, without running it: enough to see which files and programs it names.

What the shell would decide (variables, conditions) stays open: a word with a variable in it is marked as
such, and every branch counts.
"""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache
from typing import List, NamedTuple, Sequence, Tuple

from mlorch.values import dataclass

LITERAL, PATTERN, OPEN = 0, 1, 2


class Word(NamedTuple):
    text: str
    kind: int = LITERAL
    """PATTERN has `*`, `?` or `[` outside quotes; OPEN has a variable or a substitution in it."""


@dataclass
class Command:
    """The words between two separators, redirection targets left out."""

    words: List[Word] = field(default_factory=list)
    documents: List[str] = field(default_factory=list)
    """The bodies of its here-documents and here-strings."""
    piped: bool = False
    """Its standard input is the command before."""


_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\\\n)
    |(?P<comment>\#[^\n]*)
    |(?P<here><<-?[ \t]*(?:'(?P<single>[^'\n]+)'|"(?P<double>[^"\n]+)"|\\?(?P<bare>[\w.-]+)))
    |(?P<string><<<)
    |(?P<inner>[<>]\()
    |(?P<arithmetic>\(\((?:[^()\n]|\([^()\n]*\))*\)\))
    |(?P<write>&>>|&>|[0-9]*>>|[0-9]*>\||[0-9]*>&|[0-9]*>|[0-9]*<&)
    |(?P<read>[0-9]*<>|[0-9]*<)
    |(?P<newline>\n)
    |(?P<pipe>\|&?(?!\|))
    |(?P<separator>;;|;|&&|\|\||&|\(|\)|`)
    |(?P<word>(?:[^\s'"\\;&|<>()`]|'[^']*'|"(?:[^"\\]|\\.)*"|\\.)+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
_SUM = re.compile(r"\$\(\((?:[^()`\n]|(?<!\$)\([^()`\n]*\))*\)\)")
"""`$((1 + (2 * n)))`, which names nothing, without a substitution inside."""
_SUBSTITUTION = re.compile(r"\$\((.*)\)|`([^`]*)`", re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\$`\n])')
_QUOTING = re.compile(r"""['"\\$*?\[]""")


@lru_cache(maxsize=16)  # one instance after the other, and several ask of the same one
def read_commands(text: str) -> Sequence[Command]:
    """Every simple command of a script, those inside substitutions too."""
    return _Reader(text).commands


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._current = Command()
        self.commands: List[Command] = [self._current]
        self._pending: List[Tuple[str, Command]] = []
        self._role = ""
        match = _TOKEN.match
        while self._at < len(text):
            token = match(text, self._at)
            if token is None:  # never: `other` takes any character
                break
            self._at = token.end()
            kind = token.lastgroup or ""
            if kind == "word":
                self._word(token.group())
            elif kind != "space":
                self._operator(kind, token)

    def _operator(self, kind: str, token: re.Match[str]) -> None:
        if kind in ("write", "read", "string"):
            self._role = kind
        elif kind in ("here", "single", "double", "bare"):
            end = token.group("single") or token.group("double") or token.group("bare")
            self._pending.append((end, self._current))
        elif token.group() == "(" and self._current.words and self._current.words[-1].text.endswith("="):
            # `names=(a b)`: the elements are words and start nothing, as in `declare names=(a b)`
            self._current.words.insert(0, Word("declare"))
        elif kind not in ("comment", "arithmetic", "other"):
            self._role = ""
            if self._current.words:
                self._current = Command(piped=kind == "pipe")
                self.commands.append(self._current)
            if kind == "newline":
                self._documents()

    def _word(self, raw: str) -> None:
        role, self._role = self._role, ""
        if role == "write":
            return
        word = self._quoted(raw) if _QUOTING.search(raw) else Word(raw)
        if role == "string":
            self._current.documents.append(word.text)
        elif word.text or word.kind == LITERAL:
            self._current.words.append(word)

    def _quoted(self, raw: str) -> Word:
        pieces: List[str] = []
        kind = LITERAL
        for single, double, escaped, plain in _PIECE.findall(raw):
            if plain:
                pieces.append(plain)
                if "$" in plain:
                    kind = OPEN
                elif kind == LITERAL and ("*" in plain or "?" in plain or "[" in plain):
                    kind = PATTERN
            elif double:
                if "$" in double or "`" in double:
                    kind = OPEN
                    self._substitutions(double)
                pieces.append(_ESCAPED.sub(lambda match: match.group(1), double))
            elif escaped != "\n":
                pieces.append(single or escaped)
        return Word("".join(pieces), kind)

    def _substitutions(self, text: str) -> None:
        for one, other in _SUBSTITUTION.findall(_SUM.sub("", text)):
            inner = read_commands(one or other)
            self.commands[-1:-1] = inner  # before the current command, which goes on growing

    def _documents(self) -> None:
        for end, command in self._pending:
            lines: List[str] = []
            while self._at < len(self._text):
                stop = self._text.find("\n", self._at)
                stop = len(self._text) if stop < 0 else stop
                line = self._text[self._at : stop]
                self._at = stop + 1
                if line.lstrip("\t") == end:
                    break
                lines.append(line)
            command.documents.append("\n".join(lines) + "\n")
        self._pending.clear()
