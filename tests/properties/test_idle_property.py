"""The idle path answers exactly as the long path does, over random edits: remembered answers are asked after each, and whatever
they say is compared with what a whole look says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlorch.cli import idle
from mlorch.cli.build import dispatch

sys.path.insert(0, os.path.dirname(__file__))
from project import Author

SCENARIOS = max(1, int(os.environ.get("MLORCH_SCENARIOS", "50")) // 25)
EDITS = int(os.environ.get("MLORCH_EDITS", "10")) // 2
MARGIN = 0.06
"""Seconds after which a file is no longer too fresh to be believed."""
NEW_EACH_TIME = ("run", "seconds")


def said(
    answer: Callable[[Sequence[str]], Optional[int]], arguments: Sequence[str]
) -> Tuple[Optional[int], Any]:
    """Exit code and document."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = answer(arguments)
    text = out.getvalue()
    document: Dict[str, Any] = json.loads(text) if text else {}
    if document.get("schema") == "mlorch.run/1":
        document = {name: value for name, value in document.items() if name not in NEW_EACH_TIME}
    return code, document


def compare(arguments: Sequence[str], told: str) -> bool:
    """Ask both ways, the idle one first; whether it had an answer."""
    quick = said(idle.answer, arguments)
    if quick[0] is None:
        assert quick[1] == {}, told
    whole = said(dispatch, arguments)
    if quick[0] is not None:
        assert quick == whole, told
    return quick[0] is not None


@settings(
    max_examples=SCENARIOS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(0, 2**31))
def test_the_idle_path_says_what_the_long_path_says(number: int) -> None:
    author = Author(number)
    root = tempfile.mkdtemp(prefix="idle")
    plan = ("plan", os.path.join(root, "p.yaml"), "-C", root, "--json")
    run = ("run", os.path.join(root, "p.yaml"), "-C", root, "--json", "-k")
    answered = steady = 0
    try:
        project = author.project()
        told = "first"
        for edit in range(EDITS + 1):
            project.write(root)
            where = f"seed {number} edit {edit}: {told}"
            compare(plan, where)
            compare(run, where)
            time.sleep(MARGIN)
            code, document = said(dispatch, run)
            said(dispatch, plan)
            # A failure that the run goes on after (`continue_on_error`) is executed again each time.
            if code == 0 and all(step["outcome"] in ("cached", "skipped") for step in document["steps"]):
                steady += 1
                answered += compare(plan, where) + compare(run, where)
            project, told = author.edit(project, root)
        assert answered or not steady, f"seed {number}: nothing was ever remembered"
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
