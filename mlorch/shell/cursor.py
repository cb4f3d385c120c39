"""A cursor over script text, in which private characters stand for expressions."""

from __future__ import annotations

from typing import List, Optional, Tuple

from mlorch.shell.findings import MARK, MAX_MARKS, Findings, Piece, Slot

MAX_DEPTH = 40


class Cursor:
    """A place in script text, and the word that is being read there."""

    def __init__(self, text: str, found: Findings, depth: int = 0, marks: bool = True) -> None:
        self.text = text
        self.pos = 0
        self.found = found
        self.depth = depth
        self.marks = marks
        self.piece = Piece()
        self.pending: List[Tuple[str, bool, bool]] = []
        """Here-documents whose bodies come after this line: delimiter, `<<-`, quoted."""
        self.level = 0
        """Arithmetic around the cursor."""

    def peek(self, ahead: int = 0) -> str:
        return self.text[self.pos + ahead : self.pos + ahead + 1]

    def at(self, text: str) -> bool:
        return self.text.startswith(text, self.pos)

    def mark(self, ahead: int = 0) -> Optional[int]:
        """The number of the expression at the cursor."""
        char = self.peek(ahead)
        if not char or not self.marks or not MARK <= ord(char) <= MARK + MAX_MARKS:
            return None
        return ord(char) - MARK

    def take_mark(self, kind: str, problem: Optional[Tuple[str, str]] = None) -> bool:
        """Note the expression at the cursor and move past it; False where there is none."""
        index = self.mark()
        if index is None:
            return False
        slot = Slot(kind)
        if problem is not None:
            slot.forbid(*problem)
        self.found.slots[index] = slot
        self.found.order.append(index)
        self.piece.slots.append(index)
        self.piece.outer.append(index)
        self.piece.literal = False
        self.piece.text += self.peek()
        self.pos += 1
        return True

    def blanks(self) -> None:
        while self.pos < len(self.text):
            if self.peek() in (" ", "\t"):
                self.pos += 1
            elif self.at("\\\n"):
                self.pos += 2
            else:
                return

    def enter(self) -> None:
        """One level deeper; past the limit the rest is not read, and expressions in it are refused."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.pos = len(self.text)
