"""What a command starts: the scripts, modules and texts of Python in it, and the project files that its
words name.

Everything here depends only on the words and on which files exist, and is small, so that the instances of
a matrix, whose words differ in values that name no file, share one answer.
"""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

from mlorch.plan.code.files import Files, covers
from mlorch.plan.code.globs import Globs
from mlorch.plan.code.query import CodeQuery
from mlorch.plan.code.shellwords import LITERAL, OPEN, PATTERN, Command, Word, read_commands
from mlorch.values import dataclass

PYTHON = re.compile(r"^(?:python|pypy)(?:[23](?:\.\d+)?)?$")
_SHELLS = frozenset(["bash", "sh", "zsh", "dash", "ksh"])
_INTERPRETERS = _SHELLS | frozenset(["Rscript", "julia", "node", "perl", "ruby"])
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)=(.*)$", re.DOTALL)
_OPTION_TO = re.compile(r"^-[A-Za-z]*c$")
_CLUSTER = re.compile(r"^-[bBdEhiIOPqsSuvVx?]*([mc])(.*)$", re.DOTALL)
_FUNCTION = re.compile(r"(?:^|[\s;])([\w.-]+)\s*\(\)|\bfunction\s+([\w.-]+)")
_CODE = (".py", ".pyw", ".ipynb")

_KEYWORDS = frozenset(["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"])
_BUILTIN_NAMES = """
for case esac in fi done } [ [[ ]] function select : . alias bg bind break builtin caller cd command
compgen complete continue coproc declare dirs disown echo enable eval exec exit export false fc fg
getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read readarray
readonly return set shift shopt source suspend test times trap true type typeset ulimit umask
unalias unset wait
"""
_BUILTINS = frozenset(_BUILTIN_NAMES.split())


@dataclass(frozen=True)
class Launch:
    """What one command starts and names; equal for equal code. Paths are root-relative."""

    files: Tuple[str, ...] = ()
    """Files to be read as code, scripts among them."""
    direct: Tuple[str, ...] = ()
    """Those that Python, or the system, is told to run."""
    words: Tuple[str, ...] = ()
    """Existing files that words name, those that the step created included."""
    modules: Tuple[Tuple[str, str, bool], ...] = ()
    """`-m` names, the folder that they are started in, and whether Python itself is told to run them."""
    sources: Tuple[Tuple[str, str], ...] = ()
    """Python given as text (`-c`, here-documents), and the folder that it is started in."""
    pythonpath: Tuple[str, ...] = ()
    programs: Tuple[str, ...] = ()
    python: str = ""
    """The first word that names a Python."""
    unseen: bool = False
    """It runs code that another step makes, which nobody can read before."""
    made: Tuple[Tuple[str, str], ...] = ()
    """Words that name another step's output which is no declared input, and that step."""
    unknown: Tuple[str, ...] = ()
    """What is started though its file can't be found."""


class Launches:
    """Reads commands into launches."""

    def __init__(
        self,
        files: Files,
        globs: Globs,
        producer_of: Callable[[str], Optional[str]],
        tracked: Callable[[str], bool],
    ):
        self.files = files
        self.globs = globs
        self.producer_of = producer_of
        self.tracked = tracked

    def __call__(self, query: CodeQuery) -> Launch:
        reading = _Reading(self, query)
        if query.argv is not None:
            reading.command(Command([Word(word) for word in query.argv]))
        elif query.text is not None:
            reading.script(query.text)
        return reading.launch()


class _Reading:
    """One command being read."""

    def __init__(self, parent: Launches, query: CodeQuery) -> None:
        self._files = parent.files
        self._globs = parent.globs
        self._producer_of = parent.producer_of
        self._tracked = parent.tracked
        self._query = query
        self._folder = ""
        self._found: Dict[str, List[str]] = {
            name: [] for name in ("files", "direct", "words", "programs", "unknown", "pythonpath")
        }
        self._found["pythonpath"].extend(query.pythonpath)
        self._modules: List[Tuple[str, str, bool]] = []
        self._sources: List[Tuple[str, str]] = []
        self._made: List[Tuple[str, str]] = []
        self._defined: FrozenSet[str] = frozenset()
        self._python = ""
        self._unseen = False
        self._depth = 0
        self._patterns = False
        """Inside a `case` a pattern can't be told from a program."""

    def launch(self) -> Launch:
        lists = {name: tuple(dict.fromkeys(values)) for name, values in self._found.items()}
        return Launch(
            modules=tuple(dict.fromkeys(self._modules)),
            sources=tuple(dict.fromkeys(self._sources)),
            made=tuple(dict.fromkeys(self._made)),
            python=self._python,
            unseen=self._unseen,
            **lists,
        )

    def script(self, text: str) -> None:
        if "()" in text or "function" in text:
            self._defined |= {one or other for one, other in _FUNCTION.findall(text)}
        self._patterns = self._patterns or "esac" in text
        for command in read_commands(text):
            self.command(command)

    def command(self, command: Command) -> None:
        words = command.words
        start = self._program(words)
        for word in words:
            if word.kind == PATTERN:
                for path in (
                    self._globs(word.text)
                    if not self._folder
                    else self._globs(self._folder + "/" + word.text)
                ):
                    self._path(path)
            if word.kind != OPEN:
                self._word(word.text)
        self._shells(words[start:])
        self._pythons(command, words[start:])

    # ----------------------------------------------------------------------------------------------- programs

    def _program(self, words: Sequence[Word]) -> int:
        """Note what is started; returns the index of the word behind assignments and keywords."""
        for index, word in enumerate(words):
            text = word.text
            if text in _KEYWORDS:
                continue
            assignment = _ASSIGNMENT.match(text)
            if assignment:
                self._assigned(assignment.group(1), assignment.group(2), word.kind)
                continue
            if text in ("cd", "pushd") and len(words) > index + 1 and words[index + 1].kind == LITERAL:
                self._folder = self._files.path(words[index + 1].text, self._folder) or ""
            elif text in ("export", "env", "declare"):
                for other in words[index + 1 :]:
                    assignment = _ASSIGNMENT.match(other.text)
                    if assignment:
                        self._assigned(assignment.group(1), assignment.group(2), other.kind)
            elif word.kind != LITERAL:
                if "$" in text and "/" in text and not PYTHON.match(os.path.basename(text)):
                    self._found["unknown"].append(text)
            elif text not in _BUILTINS and text not in self._defined and not text.startswith("-"):
                self._runs(text)
            return index
        return len(words)

    def _runs(self, text: str) -> None:
        if "/" in text:
            self._found["direct"].append(self._files.path(text, self._folder) or "")
        elif self._patterns:
            return
        self._found["programs"].append(text)

    def _assigned(self, name: str, value: str, kind: int) -> None:
        if name == "PYTHONPATH":
            parts = (
                value.split(":")
                if kind == LITERAL
                else [part for part in value.split(":") if "$" not in part]
            )
            self._found["pythonpath"].extend(os.path.join(self._folder, part) for part in parts)

    def _shells(self, words: Sequence[Word]) -> None:
        """`bash -c TEXT`, `eval TEXT`: the words of the text count too; `Rscript FILE` wants its file."""
        for index, word in enumerate(words):
            name = os.path.basename(word.text)
            if name == "eval" and index == 0:
                self._nested(" ".join(other.text for other in words[1:]))
            elif name in _SHELLS:
                for option, text in zip(words[index + 1 :], words[index + 2 :]):
                    if _OPTION_TO.match(option.text):
                        self._nested(text.text)
                        return
            if name in _INTERPRETERS and index == 0:
                self._wants_file(words[1:])

    def _nested(self, text: str) -> None:
        if self._depth < 8:
            self._depth += 1
            self.script(text)
            self._depth -= 1

    def _wants_file(self, words: Sequence[Word]) -> None:
        for word in words:
            if word.text.startswith("-"):
                if re.match(r"^-\w*[cesn]|^--e", word.text):
                    return  # the program stands in the command itself, or comes from its input
                continue
            self._expect(word)
            return

    def _expect(self, word: Word) -> None:
        """A file that is executed: where nobody knows it, its code is unknown."""
        path = self._files.path(word.text, self._folder)
        if word.kind == OPEN:
            self._found["unknown"].append(word.text)
        elif path is None:
            if word.text.startswith("/") and not os.path.exists(word.text):
                self._found["unknown"].append(word.text)
        elif not (
            self._files.exists(path) or self._mine(path) or self._input(path) or self._producer_of(path)
        ):
            self._found["unknown"].append(word.text)

    # ------------------------------------------------------------------------------------------------- Python

    def _pythons(self, command: Command, words: Sequence[Word]) -> None:
        direct = -1
        for index, word in enumerate(words):
            if direct < 0 and PYTHON.match(os.path.basename(word.text)):
                self._python = self._python or word.text
                direct = self._python_options(command, words, index + 1)
            elif word.text == "-m" and index > 0 and index != direct and len(words) > index + 1:
                self._modules.append((words[index + 1].text, self._folder, False))

    def _python_options(self, command: Command, words: Sequence[Word], at: int) -> int:
        """Read what stands behind `python`; returns the index of its `-m`, or of whatever it runs."""
        while at < len(words) and words[at].text.startswith("-") and words[at].text != "-":
            text = words[at].text
            cluster = _CLUSTER.match(text)
            if cluster and not text.startswith("--"):
                value = (
                    Word(cluster.group(2))
                    if cluster.group(2)
                    else words[at + 1]
                    if at + 1 < len(words)
                    else Word("")
                )
                if cluster.group(1) == "c":
                    self._sources.append((value.text, self._folder))
                elif value.kind == OPEN:
                    self._found["unknown"].append(value.text)
                elif value.text:
                    self._modules.append((value.text, self._folder, True))
                return at
            at += 2 if text in ("-X", "-W", "--check-hash-based-pycs") else 1
        if at < len(words) and words[at].text != "-":
            self._script_file(words[at])
        else:
            self._sources.extend((document, self._folder) for document in command.documents)
            piped = command.piped and not command.documents
            if piped and not any(path.endswith(_CODE) for path in self._found["files"]):
                self._found["unknown"].append("what is piped into Python")
        return at

    def _script_file(self, word: Word) -> None:
        path = self._files.path(word.text, self._folder)
        main = path + "/__main__.py" if path is not None else ""
        if main and word.kind != OPEN and self._files.exists(main):
            self._path(main)
            self._found["direct"].append(main)
        else:
            self._found["direct"].append(path or "")
            self._expect(word)

    # -------------------------------------------------------------------------------------------------- files

    def _word(self, text: str) -> None:
        if len(text) > 1 and text[0] == "-" and "=" not in text:
            return
        self._candidate(text)
        if "=" in text:
            self._candidate(text.partition("=")[2])

    def _candidate(self, text: str) -> None:
        for folder in ("", self._folder) if self._folder else ("",):
            path = self._files.path(text, folder)
            if path is not None:
                self._path(path)

    def _path(self, path: str) -> None:
        if self._mine(path):
            return
        if self._input(path):
            if path.endswith(_CODE):
                if self._producer_of(path) is None and self._files.exists(path):
                    self._found["files"].append(path)
                else:
                    self._unseen = True
            return
        producer = self._producer_of(path)
        if producer is not None:
            self._made.append((path, producer))
        elif self._files.exists(path):
            self._found["words"].append(path)
            if path not in self._query.created or self._tracked(path):
                self._found["files"].append(path)

    def _mine(self, path: str) -> bool:
        return covers(self._query.own_outputs, path)

    def _input(self, path: str) -> bool:
        return covers(self._query.inputs, path)
