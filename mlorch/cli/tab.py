"""A press of Tab: what typer's scripts for bash, zsh and fish hand over, before typer looks at it.

bash takes words apart at `@`, `:` and `=` and completes the last piece alone (an `@` is a part of it, as if a host followed).
Here they are put together again, so that `train@0` is one word, and the answers are shortened to what bash will put in place
of that piece.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from typing import Any, List, Mapping, MutableMapping

VARIABLE = "_MLORCH_COMPLETE"
BREAKS = "@:="


def asked(environ: Mapping[str, str]) -> bool:
    """Whether a shell asks for completions (or for its script)."""
    return VARIABLE in environ


class Tab:
    """While it is entered, what is printed are completions.

    Args:
        environ: what typer reads too; words are put together in it.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._standing = _join_words(environ) if "COMP_WORDS" in environ else ""
        self.words = _typed(environ)
        """The words before the one that is to be completed, without `mlorch`."""
        self._said = io.StringIO()
        self._redirection = redirect_stdout(self._said)
        self._hides = "rich" not in sys.modules
        """Typer would load it to take markup out of help texts, which have none: 60 ms at each press of Tab."""

    def __enter__(self) -> None:
        self._redirection.__enter__()
        if self._hides:
            sys.modules["rich"] = None  # type: ignore[assignment]

    def __exit__(self, *how: Any) -> None:
        self._redirection.__exit__(*how)
        if self._hides:
            del sys.modules["rich"]
        for line in self._said.getvalue().splitlines(keepends=True):
            sys.stdout.write(line[len(self._standing) :] if line.startswith(self._standing) else line)


def _typed(environ: Mapping[str, str]) -> List[str]:
    if "COMP_WORDS" in environ:
        count = environ.get("COMP_CWORD", "")
        return environ["COMP_WORDS"].split()[1 : int(count)] if count.isdigit() else []
    text = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = text.split()[1:]
    return words if text.endswith(" ") else words[:-1]


def _join_words(environ: MutableMapping[str, str]) -> str:
    """Put together what bash took apart; returns how the word begins of which bash completes only the rest."""
    count = environ.get("COMP_CWORD", "")
    if not count.isdigit():
        return ""
    words = environ["COMP_WORDS"].split()[: int(count) + 1]
    joined = words[:1]
    pieces = 1
    for word in words[1:]:
        if len(joined) > 1 and (not word.strip(BREAKS) or joined[-1][-1] in BREAKS):
            joined[-1] += word
            pieces += 1
        else:
            joined.append(word)
            pieces = 1
    if len(words) <= int(count):
        joined.append("")  # nothing was typed of it yet
        pieces = 1
    environ["COMP_WORDS"], environ["COMP_CWORD"] = " ".join(joined), str(len(joined) - 1)
    whole = joined[-1]
    return whole[: max(whole.rfind("@"), whole.rfind(":") + 1, whole.rfind("=") + 1, 0)] if pieces > 1 else ""
