"""Runs the tutorial: writes its files, executes its commands in order, with the exit codes and outputs it shows.

`MLORCH_UPDATE=1` rewrites the outputs on the page, for a person to look through.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
UPDATE = os.environ.get("MLORCH_UPDATE") == "1"
VARIES = re.compile(
    r" · saved \S+(?: \(\d+%\))?| \(saved [^)]*\)| saves \S+"
    r"|\b[0-9a-f]{6}\b|(?:about |at least |~)?\d[\d.]*(?:ms|m\d\ds|s)?\b|\d+%|just now|[─━·]+"
)
"""Run ids, times, counts, shares and the time saved (untold where it is too short); the rest is compared."""
BLOCK = re.compile(
    r"(?:<!-- (?P<key>file|exit): (?P<value>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)


class Block(NamedTuple):
    kind: str
    text: str
    file: str
    code: int


def blocks() -> Iterator[Block]:
    for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        key, value = found.group("key"), found.group("value")
        yield Block(
            found.group("kind"),
            found.group("text"),
            value if key == "file" else "",
            int(value) if key == "exit" else 0,
        )


class Reader:
    """Somebody who follows the page: one folder, one shell, which stays where it has changed to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cwd = folder
        binaries = folder / "bin"
        binaries.mkdir()
        (binaries / "mlorch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlorch "$@"\n')
        (binaries / "mlorch").chmod(0o755)
        self.env = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(folder),
            "VIRTUAL_ENV": str(Path(sys.executable).parent.parent),
        }

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def type(self, command: str) -> Tuple[int, str]:
        """Exit code and what was printed, on both streams."""
        script = f"{command}\ncode=$?; pwd > '{self.folder}/cwd'; exit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.cwd = Path((self.folder / "cwd").read_text().strip())
        return done.returncode, done.stdout


def essence(text: str) -> List[str]:
    """The lines of an output without what differs from run to run, progress left out."""
    lines = [line for line in text.splitlines() if not re.match(r"\[\d+/\d+\] |\S+ · \d+ steps? ·", line)]
    return [" ".join(VARIES.sub("", line).split()) for line in lines]


def shown(text: str) -> str:
    """What the page shows of an output: everything but the progress."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\[\d+/\d+\] |\S+ · \d+ steps? ·", line))


def test_the_tutorial_from_its_first_to_its_last_line(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    typed, outputs, said = 0, [], ""
    for block in blocks():
        if block.file:
            reader.write(block.file, block.text)
        elif block.kind == "sh":
            for command in block.text.splitlines():
                code, said = reader.type(command)
                assert code == block.code, f"$ {command}\n{said}"
                typed += 1
        elif block.kind == "text":
            outputs.append(said)
            if not UPDATE:
                assert essence(said) == essence(block.text)
    assert typed >= 20 and len(outputs) >= 10
    if UPDATE:
        rest = iter(outputs)
        page = re.sub(
            r"```text\n.*?```",
            lambda _: f"```text\n{shown(next(rest))}```",
            PAGE.read_text(),
            flags=re.DOTALL,
        )
        PAGE.write_text(page, encoding="utf-8")
    assert json.loads((tmp_path / "curve" / "best.json").read_text())["k"] in (5, 20)
    result = json.loads((tmp_path / "curve" / "result.json").read_text())
    assert result["totals"]["cached"] == 6
