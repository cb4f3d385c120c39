"""Errors as text for people and as documents for programs."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import Any, Dict, Optional, Tuple

from mlorch.cli.common import Options
from mlorch.errors import MlorchError, SpecError
from mlorch.model import Problem


def error_document(error: MlorchError) -> Dict[str, Any]:
    """`mlorch.error/1`."""
    from mlorch.report.frames import to_json

    return {
        "schema": "mlorch.error/1",
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
        "problems": to_json(problems_of(error)),
    }


def problems_of(error: MlorchError) -> Tuple[Problem, ...]:
    return error.problems if isinstance(error, SpecError) else ()


def error_text(error: MlorchError, options: Options) -> str:
    """A sentence with its remedy; for invalid files a frame for each problem."""
    from mlorch.cli.screens import style_for
    from mlorch.report.frames import render

    style = style_for(sys.stderr, options)
    if isinstance(error, SpecError):
        return render(error.problems, error.sources, style=style)
    text = style.paint("error", "bold", "red") + ": " + style.own(error.message) + "\n"
    return text + (f"  {style.own(error.hint)}\n" if error.hint else "")


def write_traceback(error: BaseException) -> Optional[str]:
    """The traceback in a private temporary file; its path, or None where it can't be written."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        descriptor, path = tempfile.mkstemp(prefix="mlorch-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return path
