"""Commands that do more with their arguments than take them: `eval`, `sh -c`, `let`, `declare`, `read`, `[` …

And where values go: `n=${{ … }}` is harmless, and `(( n ))` runs what stands in `n` if that is no number.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Optional, Sequence, Set, Tuple

from mlorch.shell.findings import FORBIDDEN, MARK, MAX_MARKS, ONE, WORD, Command, Findings, Flow, Piece
from mlorch.shell.parser import DECLARING, PREFIXES, PROMPTS

SHELLS = frozenset(["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"])
EVALUATING = frozenset(["eval", "trap", "alias", "bind", "complete", "compgen", "fc"])
NAMING = frozenset(["read", "unset", "mapfile", "readarray", "getopts", "wait", "let"])
"""Builtins whose arguments are names of variables (or arithmetic), in which a subscript is evaluated."""
UNSAFE_COMMANDS = (
    EVALUATING | NAMING | DECLARING | frozenset(["printf", "test", "[", ".", "source", "builtin", "command"])
)
"""What a value may not be in the place of a command's name."""
_BINARY_TESTS = frozenset(
    [
        "=",
        "==",
        "!=",
        "<",
        ">",
        "-eq",
        "-ne",
        "-lt",
        "-le",
        "-gt",
        "-ge",
        "-nt",
        "-ot",
        "-ef",
        "-a",
        "-o",
        "]",
        ")",
        "!",
        "(",
    ]
)
_EXPANSION = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)")
_NAME_OF_COMMAND = (
    "is a part of a command's name, so that the shell's context can't be told",
    "make the name in one expression, or write it with its folder: ./bin/${{ … }}",
)
_OPERATOR = (
    "may be an operator of `[`, so that the shell's context can't be told",
    "write the operator into the script: [ -n ${{ … }} ], [ ${{ … }} = … ]",
)
_RUN = "would be run as shell text by `{}`"
_RUN_HINT = "pass it as an argument: sh -c '… \"$1\" …' sh ${{ … }}"


def apply_rules(found: Findings) -> List[str]:
    """Mark what the commands of a script allow; returns the scripts that stand in literal `sh -c '…'`."""
    scripts: List[str] = []
    for command in found.commands:
        scripts += _shells(found, command.pieces)
        _judge(found, command)
    for flow in found.flows:
        if flow.target in PROMPTS:
            _forbid(found, flow.slots, flow.target)
            found.evaluated.update(flow.names)
    _follow(found)
    return scripts


def _judge(found: Findings, command: Command) -> None:
    """What the command's name says of its arguments. Where it may expand to nothing, the next may be it."""
    pieces = command.pieces
    prefixed = False
    for number, piece in enumerate(pieces):
        _note_command_name(found, piece)
        name = piece.fixed
        if name in PREFIXES:
            prefixed = True
        elif not piece.vanishing and not (prefixed and name.startswith("-")):
            _judge_arguments(found, name, pieces[number + 1 :], command)
            return


def _note_command_name(found: Findings, piece: Piece) -> None:
    found.commanding.update(piece.names)
    if len(piece.outer) == 1 and not piece.names:
        mark = chr(MARK + piece.outer[0])
        before, _, after = piece.text.partition(mark)
        found.slots[piece.outer[0]].command = (before, after)
    elif piece.outer and "/" not in _EXPANSION.sub("", piece.text) and _may_be_unsafe(piece):
        for index in piece.outer:
            found.slots[index].forbid(*_NAME_OF_COMMAND)


def _may_be_unsafe(piece: Piece) -> bool:
    """Whether several values (or variables) together can be the name of a builtin that evaluates."""
    if piece.names:
        return True
    parts = re.split(f"[{chr(MARK)}-{chr(MARK + MAX_MARKS)}]+", piece.text)
    pattern = re.compile(".*".join(map(re.escape, parts)))
    return any(pattern.fullmatch(name) for name in UNSAFE_COMMANDS)


def _judge_arguments(found: Findings, name: str, rest: Sequence[Piece], command: Command) -> None:
    if name in EVALUATING:
        for piece in rest:
            _forbid(found, piece.slots, name)
            found.evaluated.update(piece.names)
    elif name in (".", "source"):
        for piece in rest:
            _forbid(found, [index for index in piece.slots if index not in piece.outer], name)
    elif name in DECLARING:
        _declare(found, name, rest)
    elif name in NAMING:
        _naming(found, name, rest, command)
    elif name == "printf":
        _printf(found, rest)
    elif name in ("test", "["):
        _test(found, rest)


def _forbid(found: Findings, slots: Iterable[int], name: str) -> None:
    for index in slots:
        found.slots[index].forbid(_RUN.format(name), _RUN_HINT)


def _numbers(found: Findings, piece: Piece, why: str) -> None:
    found.arithmetic.update(piece.names)
    for index in piece.outer:
        found.slots[index].only_numbers(why)


def _shells(found: Findings, pieces: Sequence[Piece]) -> List[str]:
    """`sh -c SCRIPT`, anywhere in a command (`env`, `timeout`, `xargs`, `find -exec` come before it)."""
    scripts: List[str] = []
    for number, piece in enumerate(pieces):
        name = piece.fixed.rsplit("/", 1)[-1]
        if name not in SHELLS:
            continue
        script = _command_string(pieces[number + 1 :])
        if script is not None:
            _forbid(found, script.slots, name + " -c")
            found.evaluated.update(script.names)
            if script.literal:
                scripts.append(script.text)
    return scripts


def _command_string(arguments: Sequence[Piece]) -> Optional[Piece]:
    """The script among a shell's arguments: the first word that is no option, if one of these has a `c`."""
    command = False
    value = False
    for piece in arguments:
        if value:
            value = False
        elif piece.text.startswith(("-", "+")) and len(piece.text) > 1:
            letters = "" if piece.text.startswith("--") else piece.text[1:]
            command = command or "c" in letters
            value = letters.endswith(("o", "O"))
        elif command or piece.literal:
            return piece if command else None
    return None


def _declare(found: Findings, name: str, rest: Sequence[Piece]) -> None:
    options = "".join(
        piece.text[1:] for piece in rest if piece.literal and piece.text[:1] in "-+" and piece.text
    )
    found.integers = found.integers or "i" in options
    why = f"`{name}` may evaluate it"
    for piece in rest:
        if piece.target:
            found.flows.append(Flow(piece.target, tuple(piece.outer), tuple(piece.names)))
        if not piece.target or name in ("declare", "typeset") or set(options) & set("inaA"):
            for index in piece.outer:
                found.slots[index].only_numbers(why)
        if not piece.target:
            found.arithmetic.update(piece.names)


def _naming(found: Findings, name: str, rest: Sequence[Piece], command: Command) -> None:
    why = f"`{name}` evaluates it"
    for piece in rest:
        _numbers(found, piece, why)
        if name == "let":
            for index in piece.slots:
                found.slots[index].single = True
            found.arithmetic.update(_identifiers(piece.text))
        for source in command.here_strings:
            found.flows.append(Flow(piece.text, tuple(source.outer), tuple(source.names)))
    if name in ("mapfile", "readarray"):
        for piece in rest:
            _forbid(found, [index for index in piece.slots if piece.text.startswith("-C")], name)


def _identifiers(text: str) -> Set[str]:
    return {
        word
        for word in "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
        if not word[0].isdigit()
    }


def _printf(found: Findings, rest: Sequence[Piece]) -> None:
    """`printf -v NAME` names a variable; so can a format that is a value (`-v…`, `%n`)."""
    if rest and rest[0].text.startswith("-v"):
        for piece in rest:
            _numbers(found, piece, "`printf -v` may evaluate it")
    for piece in rest[:1]:
        for index in piece.outer:
            found.slots[index].only_numbers(
                "the format of `printf` is no place for text",
                "give it as an argument: printf '%s\\n' ${{ … }}",
            )


def _test(found: Findings, rest: Sequence[Piece]) -> None:
    for number, piece in enumerate(rest):
        after = rest[number + 1] if number + 1 < len(rest) else None
        for index in piece.outer:
            slot = found.slots[index]
            slot.single = True
            if slot.kind == WORD:
                slot.kind = ONE
            if after is not None and after.text not in _BINARY_TESTS:
                slot.forbid(*_OPERATOR)
        if piece.text in ("-v", "-R") and after is not None:
            _numbers(found, after, "`[ -v` evaluates it")


def _follow(found: Findings) -> None:
    """From variables that are evaluated back to the values that they were given, through assignments."""
    changed = True
    while changed:
        before = _size(found)
        for flow in [*found.flows, *_calls(found)]:
            if found.integers or flow.target in found.arithmetic:
                found.arithmetic.update(flow.names)
            if flow.target in found.evaluated:
                found.evaluated.update(flow.names)
            if flow.target in found.commanding:
                found.commanding.update(flow.names)
        changed = _size(found) != before
    for flow in [*found.flows, *_calls(found)]:
        for index in flow.slots:
            slot = found.slots[index]
            slot.commanding = slot.commanding or flow.target in found.commanding
            if flow.target in found.evaluated:
                slot.forbid(f"becomes `{_shown(flow.target)}`, which is run as shell text", _RUN_HINT)
            elif slot.kind != FORBIDDEN and (found.integers or flow.target in found.arithmetic):
                slot.only_numbers(f"`{_shown(flow.target)}` is used in arithmetic")


def _size(found: Findings) -> int:
    return len(found.arithmetic) + len(found.evaluated) + len(found.commanding)


def _shown(name: str) -> str:
    return "$" + name if not name.isidentifier() else name


def _calls(found: Findings) -> List[Flow]:
    """Arguments of the script's own functions and of `set`: they become `$1`, `$2`, … `$@`."""
    positional = sorted(
        name
        for name in found.arithmetic | found.evaluated | found.commanding
        if name.isdigit() or name in "@*"
    )
    flows: List[Flow] = []
    for command in found.commands if positional else ():
        first = command.pieces[0]
        if first.text in found.functions or first.text == "set":
            slots: Tuple[int, ...] = tuple(index for piece in command.pieces[1:] for index in piece.outer)
            names = tuple(name for piece in command.pieces[1:] for name in piece.names)
            flows += [Flow(name, slots, names) for name in positional if name != "0"]
    return flows
