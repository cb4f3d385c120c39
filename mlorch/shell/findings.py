"""What reading a script finds: where each expression stands, the words, and which variables matter."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, List, Set, Tuple

from mlorch.values import dataclass

MARK = 0xF0000
"""The n-th expression of a script is read as the private character MARK + n."""
MAX_MARKS = 0xFFFD

WORD = "word"
"""Outside quotes: a list may become several words."""
JOINED = "joined"
"""Outside quotes, where the shell makes one word of it: assignments, `case`, `[[ ]]`."""
ONE = "one"
"""Outside quotes, where only a single value makes sense: redirection targets, `[ ]`."""
DOUBLE = "double"
"""Inside double quotes."""
ARITHMETIC = "arithmetic"
COMMENT = "comment"
FORBIDDEN = "forbidden"


@dataclass
class Slot:
    """Where one expression stands."""

    kind: str
    numbers: str = ""
    """Not empty where only numbers are allowed: why."""
    message: str = ""
    hint: str = ""
    single: bool = False
    """No list here."""
    commanding: bool = False
    """Its value reaches the place of a command's name through a variable."""
    command: Tuple[str, ...] = ()
    """In the place of a command's name: (text before, text after) it in the same word."""

    def forbid(self, message: str, hint: str) -> None:
        if self.kind != COMMENT and not self.message:
            self.kind, self.message, self.hint = FORBIDDEN, message, hint

    def only_numbers(self, why: str, hint: str = "") -> None:
        if not self.numbers:
            self.numbers = why
            self.hint = self.hint or hint


@dataclass
class Piece:
    """One word as it is read."""

    text: str = ""
    """Quotes removed; expansions as they stand."""
    literal: bool = True
    """Nothing is expanded in it."""
    quoted: bool = False
    slots: List[int] = field(default_factory=list)
    """Expressions anywhere in it."""
    outer: List[int] = field(default_factory=list)
    """Those whose value becomes part of the word: not inside `$(…)`."""
    names: List[str] = field(default_factory=list)
    """Variables whose value becomes part of the word."""
    target: str = ""
    """Of an assignment: the variable. `text` is then the value only."""

    @property
    def plain(self) -> str:
        """The word where it is literal and unquoted, as reserved words must be."""
        return self.text if self.literal and not self.quoted else ""

    @property
    def fixed(self) -> str:
        return self.text if self.literal else ""

    @property
    def vanishing(self) -> bool:
        """Whether it may expand to no word at all (a list is looked at when its value is known)."""
        return not self.literal and not self.quoted and not self.outer

    def absorb(self, inner: Piece) -> None:
        self.slots += inner.slots
        self.outer += inner.outer
        self.names += inner.names
        self.literal = self.literal and inner.literal


@dataclass
class Command:
    """A simple command: its words without assignments before it and without redirections."""

    pieces: List[Piece]
    here_strings: List[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class Flow:
    """The values of expressions and variables that become the value of a variable."""

    target: str
    slots: Tuple[int, ...]
    names: Tuple[str, ...]


@dataclass(frozen=True)
class Word:
    """One word of a script, quotes removed, expansions (`$x`, `$(…)`) as they stand.

    `redirect`: something is written to it (`> word`). `command`: the name of a command. Of an assignment
    it is the value.
    """

    text: str
    redirect: bool = False
    command: bool = False


@dataclass
class Findings:
    """Shared by all readers of one script."""

    slots: Dict[int, Slot] = field(default_factory=dict)
    order: List[int] = field(default_factory=list)
    words: List[Word] = field(default_factory=list)
    commands: List[Command] = field(default_factory=list)
    flows: List[Flow] = field(default_factory=list)
    functions: Set[str] = field(default_factory=set)
    arithmetic: Set[str] = field(default_factory=set)
    """Variables whose value the shell evaluates as arithmetic, which can run commands."""
    evaluated: Set[str] = field(default_factory=set)
    """Variables whose value the shell runs as commands."""
    commanding: Set[str] = field(default_factory=set)
    """Variables whose value is the name of a command."""
    integers: bool = False
    """Some variable has the integer attribute: any assignment may evaluate."""
