"""Bombs and arbitrary bytes in whatever a person or a repository writes: an answer or an error with a place, soon."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator

import bombs
import pytest
from hostile_texts import TEXTS, is_inert
from victim import Victim

ALL = bool(os.environ.get("MLORCH_TEST_ALL"))
PATIENCE = 90
LONGEST = 60_000
"""Characters that an error may have on screen, however long the file is."""
SLOW = frozenset("""
    a million keys,a million unknown keys,many needs,long chain,many outputs,long matrix,many steps,long plain key,anchors
    one long line,matrix of excludes,many unknown keys in steps,quotes,long merge,folded,unclosed quote,long cycle,laughs
    many duplicate keys,crossed ranges,excludes,blank lines,brackets,many expressions,comments,huge hexadecimal,spaces
    """.replace("\n    ", ",").split(","))  # fmt: skip
"""Those that take over half a second: all of them only with MLORCH_TEST_ALL."""
ALWAYS = frozenset(["laughs", "long cycle", "excludes", "crossed ranges", "brackets"])


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


def check(victim: Victim, folder: Path, *arguments: str, place: str = r"mlorch\.yaml:\d+:\d+") -> None:
    """Exit 0 or 3 with a place, within memory and patience; nothing on screen that a terminal would obey."""
    env = {"HOME": str(folder), "LANG": "C.UTF-8"}
    done = victim(*arguments, cwd=str(folder), env=env, patience=PATIENCE, seconds=PATIENCE)
    said = (arguments, done.code, done.bytes >> 20, done.told[:1500])
    assert done.code in (0, 3), said
    assert is_inert(done.told), said
    if done.code == 3:
        assert re.search(place, done.told), said
        assert len(done.told) < LONGEST, (len(done.told), said)
    assert not (folder / "pwned").exists(), said


@pytest.mark.parametrize("name", [name for name in bombs.TEXTS if ALL or name not in SLOW or name in ALWAYS])
def test_a_bomb_is_read_or_refused(victim: Victim, tmp_path: Path, name: str) -> None:
    text = bombs.TEXTS[name]()
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (tmp_path / "mlorch.yaml").write_bytes(data)
    for verb in ("validate", "plan", "graph") if ALL else ("validate",):
        check(victim, tmp_path, verb)


def test_a_million_keys_in_params(victim: Victim, tmp_path: Path) -> None:
    (tmp_path / "mlorch.yaml").write_text("version: 1\nname: a\nparams: p.json\nsteps: {a: {run: echo}}\n")
    (tmp_path / "p.json").write_text("{" + ",".join(f'"k{n}":{n}' for n in range(1_000_000)) + "}")
    check(victim, tmp_path, "validate", place=r"(p\.json|mlorch\.yaml):\d+:\d+")


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"very long"}))
def test_any_text_anywhere_in_a_pipeline(victim: Victim, tmp_path: Path, name: str) -> None:
    """As key and value of everything, quoted as YAML asks for it."""
    quoted = '"' + "".join(f"\\U{ord(letter):08x}" for letter in TEXTS[name]) + '"'
    text = f"""\
version: 1
name: {quoted}
description: {quoted}
params: {{{quoted}: {quoted}, a: {{{quoted}: [{quoted}]}}}}
env: {{{quoted}: {quoted}, A: {quoted}}}
secrets: [{quoted}]
python: {quoted}
steps:
  {quoted}: {{run: {quoted}}}
  a:
    run: {quoted}
    inputs: {{a: {quoted}, {quoted}: b}}
    outputs: {{a: {quoted}, b: {{path: {quoted}, exclude: [{quoted}]}}}}
    matrix: {{a: [{quoted}], {quoted}: [1], exclude: [{{a: {quoted}}}]}}
    tags: [{quoted}]
    needs: [{quoted}]
    if: {quoted}
    timeout: {quoted}
    effect: {quoted}
    checks: [{quoted}, {{assert: {quoted}, message: {quoted}}}]
    {quoted}: {quoted}
{quoted}: {quoted}
"""
    (tmp_path / "mlorch.yaml").write_text(text, encoding="ascii")
    check(victim, tmp_path, "validate")


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"very long", "empty"}))
def test_any_text_as_an_argument(victim: Victim, tmp_path: Path, name: str) -> None:
    """A wrong argument is exit 2 (3 where it names a pipeline that is not there), told without obeying it."""
    text = TEXTS[name].replace("\0", "")
    if any("\ud800" <= letter < "\udc80" for letter in text):
        pytest.skip("no argument can hold a lone surrogate")
    (tmp_path / "mlorch.yaml").write_text("version: 1\nname: a\nparams: {a: 1}\nsteps: {a: {run: echo}}\n")
    env = {"HOME": str(tmp_path), "LANG": "C.UTF-8"}
    lines = [
        ["plan", text],
        ["plan", "-p", text],
        ["plan", "-p", f"a={text}"],
        ["show", text],
        ["get", text],
        ["runs", "--since", text],
    ]
    for arguments in lines:
        done = victim(*arguments, cwd=str(tmp_path), env=env, patience=PATIENCE)
        assert done.code in (0, 2, 3), (arguments, done)
        assert is_inert(done.told), (arguments, done)


@pytest.mark.parametrize("name", ["nul", "utf-16", "latin-1", "surrogates", "brackets"])
def test_bombs_as_settings(victim: Victim, tmp_path: Path, name: str) -> None:
    (tmp_path / "mlorch.yaml").write_text("version: 1\nname: a\nsteps: {a: {run: echo}}\n")
    text = bombs.TEXTS[name]()
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for content in (data[:20_000], b"a = " + data[:20_000]):
        (tmp_path / "mlorch.toml").write_bytes(content)
        check(victim, tmp_path, "plan", place=r"mlorch\.toml:\d+:\d+")


def test_long_numbers_and_keys_as_settings(victim: Victim, tmp_path: Path) -> None:
    (tmp_path / "mlorch.yaml").write_text("version: 1\nname: a\nsteps: {a: {run: echo}}\n")
    for content in ("[run]\njobs = " + "9" * 10_000, "a.b." * 500 + "c=1"):
        (tmp_path / "mlorch.toml").write_text(content)
        check(victim, tmp_path, "plan", place=r"mlorch\.toml:\d+:\d+")
