"""Follows a page of the documentation as a reader would: writes its files, executes its commands in order, in one
folder and one shell, and compares what it shows with what comes.

What the blocks of a page mean:

    ```yaml title="mlorch.yaml"      a file, written into the current folder; a whole pipeline must be valid
    ```yaml                          a whole pipeline must be valid; of steps alone, in a pipeline around them
    ```console                       `$ command` and what it prints; each must exit with 0
    ```sh                            commands whose output is not shown; each must exit with 0
    ```text                          something to look at
    <!-- exit: 1 -->                 before a block: with what its last command ends; of a pipeline: `mlorch validate`
    <!-- not run: REASON -->         before a block: it is only to be read

`MLORCH_UPDATE=1` rewrites the outputs on the pages, for a person to look through.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple, Tuple

ROOT = Path(__file__).resolve().parents[1]
UPDATE = os.environ.get("MLORCH_UPDATE") == "1"
VARIES = re.compile(
    r" · saved \S+(?: \(\d+%\))?| \(saved [^)]*\)| saves \S+"
    r"|\b[0-9a-f]{6,64}\b|\d{4}-\d\d-\d\d[T ][\d:.]+Z?"
    r"|(?:about |at least |~)?\d[\d.]*(?:ms|m\d\ds|s)\b|just now|\d+[smhd] ago|[─━·]+"
)
"""Run ids and digests, times, and the time saved (untold where it is too short); everything else is compared."""
PROGRESS = re.compile(r"\[\d+/\d+\+?\] |\S+ · (?:at least )?\d+ steps? ·")
"""The lines that tell of a run while it goes on: pages leave them out."""
BLOCK = re.compile(
    r"^(?:<!-- (?P<key>exit|not run): (?P<value>[^\n]+?) -->\n)?"
    r"(?P<open>```(?P<kind>\w*)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n)(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
HOME = "/home/you"
"""What pages show in place of the folder in which they are followed."""


class Block(NamedTuple):
    kind: str
    text: str
    title: str
    code: int
    reason: str
    start: int
    end: int


class Step(NamedTuple):
    """A command of a console block, and the lines under it."""

    command: str
    output: str


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, those within lists (indented) aside. `start` and `end` bound the text."""
    for found in BLOCK.finditer(page):
        key, value = found.group("key"), found.group("value")
        yield Block(
            found.group("kind"),
            found.group("text"),
            found.group("title") or "",
            int(value) if key == "exit" else 0,
            value if key == "not run" else "",
            found.start("text"),
            found.end("text"),
        )


def steps(text: str) -> List[Step]:
    """The commands of a console block; a line that ends in a backslash goes on in the next."""
    found: List[List[str]] = []
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif found and not found[-1][1] and found[-1][0].endswith("\\\n"):
            found[-1][0] += line
        else:
            assert found, f"a console block begins with `$ `: {line!r}"
            found[-1][1] += line
    return [Step(command.rstrip("\n"), output) for command, output in found]


class Reader:
    """Somebody who follows a page: one folder, one shell, which stays where it has changed to and keeps exports."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.cwd = self.home
        self.state = folder / "shell"
        binaries = folder / "bin"
        binaries.mkdir()
        self.home.mkdir()
        for name, words in (("mlorch", "-m mlorch"), ("python", ""), ("python3", "")):
            (binaries / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (binaries / name).chmod(0o755)
        self.state.write_text(f"cd '{self.home}'\n")
        self.env = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": str(Path(sys.executable).parent.parent),
        }

    def write(self, name: str, text: str) -> Path:
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def type(self, command: str) -> Tuple[int, str]:
        """Exit code and what was printed, on both streams."""
        after = f"{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > '{self.state}'"
        done = subprocess.run(
            ["bash", "-c", f". '{self.state}'\n{command}\ncode=$?\n{after}\nexit $code"],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self.cwd = Path(self._where())
        return done.returncode, done.stdout.replace(str(self.home), HOME)

    def _where(self) -> str:
        where = ["bash", "-c", f". '{self.state}'; pwd"]
        return subprocess.run(where, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout.strip()


def essence(text: str) -> List[str]:
    """The lines of an output without what differs from run to run."""
    return [" ".join(VARIES.sub("", line).split()) for line in shown(text).splitlines()]


def shown(text: str) -> str:
    """What a page shows of an output: everything but the progress."""
    lines = [line for line in text.splitlines() if not PROGRESS.match(line)]
    return "".join(line.rstrip() + "\n" for line in lines)


def is_pipeline(text: str) -> bool:
    return re.search(r"^version: ", text, re.M) is not None and re.search(r"^steps:", text, re.M) is not None


def check_yaml(reader: Reader, block: Block) -> None:
    """A whole pipeline, or a part of one with what it lacks around it, must be valid."""
    text = block.text
    if not is_pipeline(text):
        if re.fullmatch(r"(#.*\n)*", text):
            text += "steps: {nothing: {run: 'true'}}\n"
        elif not re.search(r"^steps:", text, re.M):
            text = "steps:\n" + text
        text += "version: 1\nname: frame\n"
    path = reader.write(".frame.yaml", text)
    code, said = reader.type(f"mlorch validate {path.name}")
    path.unlink()
    assert code == 0, said


def follow(path: Path, reader: Reader) -> int:
    """Do what a page says; the number of commands. With `UPDATE` its outputs are written anew."""
    page = path.read_text(encoding="utf-8")
    typed, renewed = 0, []
    for block in blocks(page):
        if block.reason:
            continue
        if block.title:
            reader.write(block.title, block.text)
            if block.kind == "yaml" and is_pipeline(block.text):
                code, said = reader.type(f"mlorch validate {block.title}")
                assert code == block.code, said
        elif block.kind == "yaml":
            check_yaml(reader, block)
        elif block.kind in ("sh", "console"):
            count, text = do(reader, block)
            typed += count
            renewed.append((block.start, block.end, text))
    if UPDATE:
        for start, end, text in reversed(renewed):
            page = page[:start] + text + page[end:]
        path.write_text(page, encoding="utf-8")
    return typed


def do(reader: Reader, block: Block) -> Tuple[int, str]:
    """Type the commands of a block, and compare. Their number, and the block as it would be written today."""
    wanted = (
        [Step(command, "") for command in block.text.splitlines()]
        if block.kind == "sh"
        else steps(block.text)
    )
    text = ""
    for index, step in enumerate(wanted):
        code, said = reader.type(step.command)
        assert code == (block.code if index == len(wanted) - 1 else 0), f"$ {step.command}\n{code}\n{said}"
        same = block.kind == "sh" or essence(said) == essence(step.output)
        assert same or UPDATE, f"$ {step.command}\n{said}"
        text += f"$ {step.command}\n{step.output if same else shown(said)}"
    return len(wanted), text if block.kind == "console" else block.text
