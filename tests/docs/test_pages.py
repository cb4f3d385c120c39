"""Every fenced block of the README and of docs/ is executed, validated, or known for what it is.

How pages are written for this stands in `tests/follow.py`; `MLORCH_UPDATE=1` writes their screens anew.
"""

from __future__ import annotations

import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import List

import pytest
from follow import ROOT, UPDATE, Reader, blocks, essence, follow

ELSEWHERE = {
    "docs/errors.md": "tests/spec/test_spec_docs.py",
    "docs/python.md": "tests/acceptance/test_accept_api.py",
    "docs/tutorial.md": "tests/pipelines/test_tutorial.py",
}
"""Pages whose blocks another test executes, with what their text says of them."""
EXECUTED = ("console", "sh", "yaml")
NOT_RUN = 3
"""How many blocks are only to be read; each says why."""
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "```" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_what_a_page_says_is_what_comes(page: str, tmp_path: Path) -> None:
    found = list(blocks((ROOT / page).read_text(encoding="utf-8")))
    reader = Reader(tmp_path)
    prepare(page, reader)
    commands = follow(ROOT / page, reader)
    drawn(reader)
    assert commands >= sum(block.kind in ("console", "sh") and not block.reason for block in found)


def prepare(page: str, reader: Reader) -> None:
    """What a page takes to be there."""
    if page == "README.md":
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "pipelines", reader.home / "pipelines", ignore=left_out)
        shutil.copy(ROOT / "mlorch.toml", reader.home)
    elif page == "docs/language.md":
        (reader.home / ".venv").symlink_to(sys.prefix)
    elif page == "docs/guides/notebook.md" and find_spec("nbconvert") is None:
        pytest.skip("nbconvert is not installed here: it comes with the extra `docs`")


def drawn(reader: Reader) -> None:
    """The pictures that a page's commands draw say what those say that it shows; how long steps took makes them wider."""
    for path in sorted(reader.home.glob("*.svg")):
        shown = ROOT / "docs" / "pictures" / path.name
        if UPDATE and not (shown.exists() and labels(path) == labels(shown)):
            shutil.copy(path, shown)
        assert labels(path) == labels(shown), path.name


def labels(picture: Path) -> List[str]:
    return essence("\n".join(re.findall(r">([^<>\n]+)</text>", picture.read_text(encoding="utf-8"))))


def test_no_block_is_overlooked() -> None:
    """A fence that the reader of pages does not see would never be executed; one of an unknown kind neither."""
    only_read = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found = list(blocks(text))
        assert 2 * len(found) == len(re.findall(r"^ *```", text, re.M)), page
        for block in found:
            if block.reason:
                only_read.append(f"{page}: {block.reason}")
            elif page not in ELSEWHERE:
                assert block.kind in (*EXECUTED, "text") or block.title, (page, block.text)
    assert len(only_read) == NOT_RUN, only_read


def test_tests_elsewhere_read_their_pages() -> None:
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8"), (page, test)
