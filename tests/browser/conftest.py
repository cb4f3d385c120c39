"""One Chromium for all tests of a worker; without it they are skipped, and say so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable, Iterator

import chromium
import pytest

from mlorch.report.page.document import render
from mlorch.report.page.model import Page

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / ".venv" / "axe" / "axe_playwright_python" / "axe.min.js"
"""Where `tools/browser.sh` puts it."""


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Chromium]:
    program = chromium.find()
    if program is None:
        pytest.skip("there is no Chromium here: `sh tools/browser.sh` installs it (on Debian, as root)")
    if not Path(sys.prefix).samefile(ROOT / ".venv"):
        pytest.skip("the page is the same whichever Python wrote it: tested with that of .venv only")
    found = chromium.Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not there: `sh tools/browser.sh` fetches it")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Page], Path]:
    """A page as a file."""

    def to_file(page: Page) -> Path:
        path = tmp_path / "report.html"
        path.write_text(render(page), encoding="utf-8")
        return path

    return to_file
