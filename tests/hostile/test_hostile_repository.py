"""A cloned repository with a prepared store: looking at it executes, imports and changes nothing, and shows no escape."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import evil
import pytest
from hostile_texts import is_inert
from victim import Victim

LOOKS: List[List[str]] = [
    ["validate"],
    ["plan", "--json"],
    ["graph", "--state", "last"],
    ["why", "first"],
    ["runs", "-v"],
    ["show", "-v"],
    ["logs"],
    ["compare", "last", "second"],
    ["artifacts"],
    ["verify"],
    ["doctor"],
    ["gc"],
]
MORE_LOOKS: List[List[str]] = [
    ["validate", "--format", "github"],
    ["plan"],
    ["plan", "-p", "n=2"],
    *(["graph", "--format", kind] for kind in ("ascii", "mermaid", "dot", "svg", "json")),
    ["why", "second", "--json"],
    ["runs", "--json"],
    ["show", "--timings"],
    ["show", "--json"],
    ["logs", "first"],
    ["logs", "last", "first", "-n", "1"],
    ["logs", "--path"],
    ["compare"],
    ["artifacts", "--json"],
]
ALL = bool(os.environ.get("MLORCH_TEST_ALL"))
PATIENCE = 30
"""Seconds after which a command counts as hanging."""
COMPLETIONS = ["mlorch run ", "mlorch run +", "mlorch show ", "mlorch run -p ", "mlorch get ", "mlorch logs "]


class Place:
    """The repository, the user's own files beside it, and where alarms go off."""

    def __init__(self, top: Path) -> None:
        self.root, self.alarm, self.outside = top / "repository", top / "alarm", top / "outside"
        self.env = {
            "HOME": str(top / "home"),
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }

    @property
    def alarms(self) -> List[str]:
        return sorted(os.listdir(self.alarm))


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, victim: Victim) -> Path:
    """The repository after an honest run, to be copied. Its own steps were let run, so alarms start anew."""
    top = tmp_path_factory.mktemp("template")
    place = Place(top / "a")
    place.root.mkdir(parents=True)
    evil.lay_out(place.root, place.alarm)
    evil.lay_out_outside(place.outside)
    done = victim("run", cwd=str(place.root), env=place.env, memory=8 << 30)
    assert done.code == 0, done
    return top


@pytest.fixture
def place(template: Path) -> Iterator[Place]:
    """The same repository again, at the same path: keys and files agree, what stands out is what a test changed."""
    shutil.copytree(template / "a", template / "saved", symlinks=True)
    here = Place(template / "a")
    shutil.rmtree(here.alarm)
    here.alarm.mkdir()
    yield here
    shutil.rmtree(template / "a")
    os.rename(template / "saved", template / "a")


def look(victim: Victim, place: Place, arguments: List[str], completing: str = "") -> List[str]:
    env: Dict[str, str] = dict(place.env)
    if completing:
        env.update(
            {
                "_MLORCH_COMPLETE": "complete_bash",
                "COMP_WORDS": completing,
                "COMP_CWORD": str(completing.count(" ")),
            }
        )
    done = victim(*arguments, cwd=str(place.root), env=env, watch=True, patience=PATIENCE)
    shown = done.told
    wrong = [f"noted {event} {what}" for event, what in bad_notes(done.notes, place)]
    if done.code not in (0, 1, 2, 3, 7, 8):
        wrong.append(f"exit {done.code}: {shown[-1000:]}{traceback_in(shown)}")
    if "TOPSECRET" in shown:
        wrong.append("showed the content of a file out of the project")
    if "\x1b" in shown or not (is_inert(shown) or {"--json", "json", "svg"} & set(arguments)):
        wrong.append(f"not inert: {shown[:2000]!r}")
    return [f"{' '.join(arguments) or completing}: {item}" for item in wrong]


def traceback_in(told: str) -> str:
    found = re.search(r"traceback is in ([^)]+)\)", told)
    return Path(found.group(1)).read_text() if found else ""


def bad_notes(notes: List[List[str]], place: Place) -> List[Tuple[str, str]]:
    """What the watch noted that a look may not do."""
    bad = []
    area = str(place.root / ".mlorch")
    for event, what in notes:
        inside = what == area or what.startswith(area + "/")
        if event == "read":
            wrong = what.startswith((str(place.outside), str(place.alarm))) or what.endswith("/dev/zero")
        elif event in ("write", "sqlite3.connect"):
            # `doctor` tries locks and links with files that have no name
            wrong = not (
                inside
                or what in ("/dev/null", str(place.root), ":memory:")
                or what.startswith(place.env["HOME"])
            )
            wrong = wrong and not (event == "sqlite3.connect" and what.startswith("file:" + area))
        else:
            wrong = not (inside or what.startswith(place.env["HOME"] + "/.cache/mlorch"))
        if wrong:
            bad.append((event, what))
    return bad


def sources(place: Place) -> Dict[str, object]:
    """What stands in the project beside its store and its pipeline's outputs."""
    top = str(place.root)
    found = {name[len(top) + 1 :]: seen for name, seen in evil.tree(place.root).items()}
    return {name: seen for name, seen in found.items() if name.split("/")[0] not in (".mlorch", "out")}


@pytest.mark.parametrize(
    "attack", [None, *evil.ATTACKS], ids=lambda attack: getattr(attack, "__name__", "none")
)
def test_a_hostile_repository(victim: Victim, place: Place, attack: object) -> None:
    """Looking does nothing; `run` executes the pipeline's own steps and nothing else, and leaves the user's files be."""
    if attack is not None:
        attack(place.root / ".mlorch", place.outside)  # type: ignore[operator]
    outside, before = evil.tree(place.outside), sources(place)
    thorough = ALL or attack in (None, evil.forge_events)
    wrong = [item for arguments in LOOKS for item in look(victim, place, arguments)]
    if thorough:
        wrong += [item for arguments in MORE_LOOKS for item in look(victim, place, arguments)]
    wrong += [
        item for words in COMPLETIONS[: None if thorough else 1] for item in look(victim, place, [], words)
    ]
    assert not wrong, "\n".join(wrong)
    assert place.alarms == []
    assert evil.tree(place.outside) == outside
    assert sources(place) == before

    done = victim("run", cwd=str(place.root), env=place.env, memory=8 << 30, patience=60)
    assert done.code in (0, 3, 8), done
    assert "TOPSECRET" not in done.told and is_inert(done.told), done
    assert set(place.alarms) <= {"module", "steps"}
    assert evil.tree(place.outside) == outside
    assert sources(place) == before


def test_on_a_terminal(victim: Victim, place: Place) -> None:
    evil.forge_events(place.root / ".mlorch", place.outside)
    for arguments in [*LOOKS, *MORE_LOOKS]:
        done = victim(*arguments, cwd=str(place.root), env=place.env, tty=True, patience=PATIENCE)
        shown = done.told.replace("\r\n", "\n")
        assert done.code in (0, 1, 2, 3, 7), (arguments, shown)
        own_line_ends = {"svg", "--json", "json"} & set(arguments)
        assert own_line_ends or is_inert(shown, colours=True), (arguments, shown)


STRACE = shutil.which("strace")
TRACED = "execve,execveat,connect,bind,openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,symlink"
TRACED += ",symlinkat,link,linkat,chmod,fchmodat,truncate,mknod,mknodat,utimensat"


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_what_the_system_saw(tmp_path: Path, place: Place) -> None:
    """The same told by the system itself: no program, no connection, no change out of `.mlorch/`."""
    trace = tmp_path / "trace"
    command = [
        str(STRACE),
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-s",
        "4096",
        "-e",
        "trace=" + TRACED,
        "-o",
        str(trace),
    ]
    with Victim(command) as victim:
        for arguments in LOOKS:
            done = victim(*arguments, cwd=str(place.root), env=place.env, patience=PATIENCE)
            assert done.code in (0, 1, 5), (arguments, done)
    lines = [line.split(" ", 1)[1].strip() for line in trace.read_text(errors="replace").splitlines()]
    # Python 3.8's own `import uuid` asks `uname -p`
    programs = [line for line in lines if line.startswith("execve(") and '["uname", "-p"]' not in line]
    assert len(programs) == 1, "more than the interpreter itself"
    allowed = (f'"{place.root}/.mlorch', f'"{place.env["HOME"]}', '"/dev/null"', '".mlorch', "/nscd/socket")
    looks = ("execve", "open", "<", "+", "---")
    changes = [
        line for line in lines if not line.startswith(looks) or re.search(r"O_(WRONLY|RDWR|CREAT)", line)
    ]
    bad = [line for line in changes if not any(name in line for name in allowed) and "O_TMPFILE" not in line]
    assert len(lines) > 100 and bad == []
