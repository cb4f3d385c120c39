"""Reading commands: lists, assignments, redirections, `for`, `case`, `[[ ]]`, functions. Never raises."""

from __future__ import annotations

import re
from typing import List, Tuple

from mlorch.shell.findings import COMMENT, FORBIDDEN, JOINED, ONE, WORD, Command, Flow, Piece, Word
from mlorch.shell.lexer import HERE_DOCUMENT, Lexer, untold

RESERVED = frozenset(
    [
        "if",
        "then",
        "elif",
        "else",
        "fi",
        "while",
        "until",
        "do",
        "done",
        "!",
        "{",
        "}",
        "time",
        "coproc",
        "esac",
    ]
)
DECLARING = frozenset(["declare", "typeset", "local", "export", "readonly"])
PROMPTS = frozenset(["PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND"])
"""Variables whose value the shell expands, commands in it too."""
PREFIXES = frozenset(["command", "builtin", "exec"])
_REDIRECTION = re.compile(r"&>>|&>|>>|>\||>&|<>|<<<|<<-|<<|<&|>|<")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[|\+?=)")
_ARITHMETIC_TESTS = frozenset(["-eq", "-ne", "-lt", "-le", "-gt", "-ge"])
_NUMBERS_IN_TEST = "`[[ ]]` evaluates both sides of `{}` as arithmetic"


class Parser(Lexer):
    """Reads a whole script; all that it finds goes into `found`."""

    def commands(self, closer: str = "") -> None:
        """Commands up to and past `closer` (`)` or `;;`, empty for the end of the text)."""
        while self.pos < len(self.text):
            self.blanks()
            char = self.peek()
            if char == "\n":
                self.newline()
            elif char == "#":
                self._comment()
            elif char == ")":
                self.pos += 1
                if closer == ")":
                    return
            elif closer == ";;" and self._clause_ends():
                return
            elif char == "(":
                self._open()
            elif (char and char in ";|") or (char == "&" and self.peek(1) != ">"):
                self.pos += 1
            elif char:
                self._command()

    def _clause_ends(self) -> bool:
        match = re.compile(r";;&|;;|;&").match(self.text, self.pos)
        if match:
            self.pos = match.end()
            return True
        return bool(re.compile(r"esac(?![^\s;&|()<>])").match(self.text, self.pos))

    def _open(self) -> None:
        if self.at("((") and self.is_arithmetic(self.pos):
            self.pos += 2
            self.arithmetic("))")
        else:
            self.pos += 1
            self.substitution()

    def _comment(self) -> None:
        while self.pos < len(self.text) and self.peek() != "\n":
            if not self.take_mark(COMMENT):
                self.pos += 1

    # -------------------------------------------------------------------------------------- simple commands

    def _command(self) -> None:
        """One simple command, or the beginning of a compound one."""
        command = Command([])
        while True:
            self.blanks()
            char = self.peek()
            if not char or char in "\n;|)" or (char == "&" and self.peek(1) != ">"):
                break
            if char == "#":
                self._comment()
                break
            if char == "(":
                if not self._after_name(command):
                    break
            elif self._redirection(command):
                continue
            else:
                start = self.pos
                piece = self.assignable_word() if self._may_assign(command) else self.word()
                if self.pos == start:
                    self.pos += 1
                    continue
                if self.peek() in ("<", ">") and re.match(r"[0-9]+$|\{\w+\}$", piece.plain):
                    continue
                if not command.pieces and self._compound(piece):
                    return
                if not command.pieces and (piece.target or piece.plain in RESERVED):
                    self._assigned(piece)
                    continue
                command.pieces.append(piece)
        self._finish(command)

    def _finish(self, command: Command) -> None:
        for number, piece in enumerate(command.pieces):
            self._emit(piece, command=number == 0)
        if command.pieces:
            self.found.commands.append(command)

    def _emit(self, piece: Piece, redirect: bool = False, command: bool = False) -> None:
        self.found.words.append(Word(piece.text, redirect, command))

    def _assigned(self, piece: Piece) -> None:
        if piece.target:
            self._emit(piece)
            slots = piece.slots if piece.target in PROMPTS else piece.outer
            self.found.flows.append(Flow(piece.target, tuple(slots), tuple(piece.names)))

    def _after_name(self, command: Command) -> bool:
        """A `(` inside a command: of a function's definition, else odd. False where it begins a subshell."""
        if not command.pieces:
            return False
        match = re.compile(r"\([ \t]*\)").match(self.text, self.pos)
        if match and len(command.pieces) == 1:
            self._function(command.pieces.pop())
            self.pos = match.end()
            return False
        self.pos += 1
        self.substitution()
        return True

    def _function(self, piece: Piece) -> None:
        self.found.functions.add(piece.text)
        for index in piece.slots:
            self.found.slots[index].forbid(*untold("the name of a function"))

    def _compound(self, piece: Piece) -> bool:
        """Whether the word begins a compound command, which is then read (or its head)."""
        word = piece.plain
        if word in ("for", "select"):
            self._for()
        elif word == "case":
            self._case()
        elif word == "[[":
            self._conditional()
        elif word == "function":
            self.blanks()
            self._function(self.word())
            match = re.compile(r"[ \t]*\([ \t]*\)").match(self.text, self.pos)
            self.pos = match.end() if match else self.pos
        else:
            return False
        return True

    def _may_assign(self, command: Command) -> bool:
        for piece in command.pieces:
            if piece.fixed not in PREFIXES and not piece.fixed.startswith("-"):
                return piece.fixed in DECLARING
        return True

    def assignable_word(self) -> Piece:
        """A word that may be an assignment: the value is then one word, or an array."""
        match = _ASSIGNED.match(self.text, self.pos)
        if match is None:
            return self.word()
        start = self.pos
        outside, self.piece = self.piece, Piece()
        self.pos = match.end()
        if match.group(2) == "[":
            self.arithmetic("]")
            equals = re.compile(r"\+?=").match(self.text, self.pos)
            if equals is None:
                rest = self.word()
                self.piece.absorb(rest)
                self.piece.text = self.text[start : self.pos]
                found, self.piece = self.piece, outside
                return found
            self.pos = equals.end()
        if self.peek() == "(":
            self._array()
            value = Piece()
        else:
            value = self.word(JOINED)
        self.piece.absorb(value)
        found, self.piece = self.piece, outside
        found.target, found.text = match.group(1), value.text
        return found

    def _array(self) -> None:
        self.pos += 1
        while self.pos < len(self.text):
            self.blanks()
            char = self.peek()
            if char == ")":
                self.pos += 1
                return
            if char == "\n":
                self.newline()
            elif char == "#":
                self._comment()
            else:
                start = self.pos
                if char == "[":
                    self.pos += 1
                    self.arithmetic("]")
                element = self.word()
                self.piece.absorb(element)
                self._emit(element)
                if self.pos == start:
                    self.pos += 1

    # ----------------------------------------------------------------------------------------- redirections

    def _redirection(self, command: Command) -> bool:
        match = _REDIRECTION.match(self.text, self.pos)
        if match is None or (match.group() in "<>" and self.text.startswith("(", match.end())):
            return False
        operator = match.group()
        self.pos = match.end()
        self.blanks()
        if operator in ("<<", "<<-"):
            start = self.pos
            delimiter = self.word(FORBIDDEN, HERE_DOCUMENT)
            quoted = delimiter.quoted or "\\" in self.text[start : self.pos]
            self.pending.append((delimiter.text, operator == "<<-", quoted))
        elif operator == "<<<":
            piece = self.word(JOINED)
            command.here_strings.append(piece)
            self._emit(piece)
        else:
            self._emit(self.word(ONE), redirect=operator not in ("<", "<&"))
        return True

    # ------------------------------------------------------------------------------------ compound commands

    def _lines(self) -> None:
        """Past blanks, newlines and comments."""
        while self.pos < len(self.text):
            self.blanks()
            if self.peek() == "\n":
                self.newline()
            elif self.peek() == "#":
                self._comment()
            else:
                return

    def _for(self) -> None:
        self.blanks()
        if self.at("(("):
            self.pos += 2
            self.arithmetic("))")
            return
        name = self.word(FORBIDDEN, untold("the variable of a loop"))
        self._lines()
        if not re.compile(r"in(?=[\s;]|$)").match(self.text, self.pos):
            self.found.flows.append(Flow(name.text, (), ("@",)))
            return
        self.pos += 2
        slots: List[int] = []
        names: List[str] = []
        while self.pos < len(self.text):
            self.blanks()
            if self.peek() in ("", "\n", ";", "&", "|", ")"):
                break
            if self.peek() == "#":
                self._comment()
                break
            start = self.pos
            piece = self.word(WORD)
            self.pos += self.pos == start
            self._emit(piece)
            slots += piece.outer
            names += piece.names
        self.found.flows.append(Flow(name.text, tuple(slots), tuple(names)))

    def _case(self) -> None:
        self.blanks()
        self._emit(self.word(JOINED))
        self._lines()
        if not re.compile(r"in(?=\s|$)").match(self.text, self.pos):
            return
        self.pos += 2
        while self.pos < len(self.text):
            self._lines()
            if re.compile(r"esac(?![^\s;&|()<>])").match(self.text, self.pos):
                self.pos += 4
                return
            if self.peek() == "(":
                self.pos += 1
            if not self._patterns():
                return
            self.enter()
            self.commands(";;")
            self.depth -= 1

    def _patterns(self) -> bool:
        """`a | b)`; False on odd syntax."""
        while self.pos < len(self.text):
            self.blanks()
            self.word(JOINED)
            self.blanks()
            if self.peek() == "|":
                self.pos += 1
            elif self.peek() == ")":
                self.pos += 1
                return True
            else:
                return False
        return False

    def _conditional(self) -> None:
        """`[[ … ]]`."""
        items: List[Piece] = []
        while self.pos < len(self.text):
            self._lines()
            char = self.peek()
            if char and char in "()<>|&;" and not (char in "<>" and self.peek(1) == "("):
                self.pos += 1
                items.append(Piece(char))
                continue
            piece = self._regex() if items and items[-1].plain == "=~" else self.word(JOINED)
            if piece.plain == "]]" or not char:
                break
            self._emit(piece)
            items.append(piece)
        self._judge_conditional(items)

    def _regex(self) -> Piece:
        """The right side of `=~`: brackets and bars belong to it."""
        outside, self.piece = self.piece, Piece()
        level = 0
        while self.pos < len(self.text):
            char = self.peek()
            if char in " \t\n" and not level:
                break
            level += (char == "(") - (char == ")")
            self.atom(JOINED)
        found, self.piece = self.piece, outside
        return found

    def _judge_conditional(self, items: List[Piece]) -> None:
        for number, item in enumerate(items):
            sides: Tuple[Piece, ...] = ()
            if item.plain in _ARITHMETIC_TESTS:
                sides = (*items[max(0, number - 1) : number], *items[number + 1 : number + 2])
            elif item.plain in ("-v", "-R"):
                sides = tuple(items[number + 1 : number + 2])
            for piece in sides:
                self.found.arithmetic.update(piece.names)
                for index in piece.outer:
                    self.found.slots[index].only_numbers(_NUMBERS_IN_TEST.format(item.plain))
