"""Starting processes without the interpreter's lock: what they get, and what is refused."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Dict, Sequence, Tuple

import pytest

from mlorch.engine.spawn import Spawner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere os.posix_spawn serves")
SH = "/bin/sh"


@pytest.fixture(scope="module")
def spawner() -> Spawner:
    made = Spawner([signal.SIGPIPE, signal.SIGINT])
    assert made.available
    return made


def run(
    spawner: Spawner, script: str, env: Dict[str, str], closed: Sequence[int] = ()
) -> Tuple[int, int, bytes]:
    """(process id, exit status, what it wrote)."""
    reader, writer = os.pipe()
    pid = spawner.spawn(SH, ["sh", "-c", script], env, [(writer, 1), (writer, 2)], closed)
    os.close(writer)
    with open(reader, "rb") as file:
        said = file.read()
    return pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if sys.version_info >= (3, 9) else 0, said


def test_it_gets_its_words_its_environment_and_nothing_else(spawner: Spawner) -> None:
    env = {"A": "1 2", "ODD": "a\nb\udcff=\U0001f40d", "EMPTY": ""}
    _, _, said = run(spawner, "env -0", env)
    found = dict(line.split(b"=", 1) for line in said.split(b"\0") if line)
    assert {name: found[os.fsencode(name)] for name in env} == {
        name: os.fsencode(value) for name, value in env.items()
    }
    assert set(found) <= {b"A", b"ODD", b"EMPTY", b"PWD", b"_", b"SHLVL", b"OLDPWD"}


def test_it_has_a_session_of_its_own_and_default_signals(spawner: Spawner) -> None:
    pid, _, said = run(
        spawner, "cat /proc/self/stat; grep -E 'Sig(Blk|Ign)' /proc/self/status", {"PATH": "/bin:/usr/bin"}
    )
    fields = said.rpartition(b")")[2].split()
    assert int(fields[3]) == pid, "the session"
    masks = {
        line.split(b":")[0]: int(line.split(b":")[1], 16)
        for line in said.splitlines()
        if line.startswith(b"Sig")
    }
    assert masks[b"SigBlk"] == 0
    assert not masks[b"SigIgn"] & (1 << (signal.SIGPIPE - 1)), "Python ignores it"


def test_it_gets_no_other_descriptor(spawner: Spawner) -> None:
    inheritable = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inheritable, True)
    try:
        script = f"test -e /proc/self/fd/{inheritable} && echo there"
        assert run(spawner, script, {})[2] == b"there\n"
        assert run(spawner, script, {}, closed=[inheritable])[2] == b""
    finally:
        os.close(inheritable)


@pytest.mark.parametrize(("program", "code"), [("/nowhere/x", errno.ENOENT), ("/", errno.EACCES)])
def test_what_can_not_be_executed_is_an_error(spawner: Spawner, program: str, code: int) -> None:
    with pytest.raises(OSError) as caught:
        spawner.spawn(program, ["x"], {}, [], [])
    assert (caught.value.errno, caught.value.filename) == (code, program)


@pytest.mark.parametrize(
    ("argv", "env"),
    [(["sh", "a\0b"], {}), (["sh"], {"A": "a\0b"}), (["sh"], {"A=B": "1"}), (["sh"], {"": "1"})],
)
def test_what_c_would_cut_short_is_refused(
    spawner: Spawner, argv: Sequence[str], env: Dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"null byte|variable name"):
        spawner.spawn(SH, argv, env, [], [])


def test_other_threads_go_on_until_exec() -> None:
    """The lock is free while the C library waits for exec: a Python thread counts on meanwhile. The system call is held up by
    strace, where there is one."""
    script = """
import os, sys, threading, time
from mlorch.engine.spawn import Spawner
counted = []
threading.Thread(target=lambda: [counted.append(time.sleep(0.01)) for _ in range(300)], daemon=True).start()
before = len(counted)
pid = Spawner([]).spawn("/bin/true", ["true"], {}, [], [])
print(len(counted) - before)
os.waitpid(pid, 0)
"""
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        "trace=execve",
        "-e",
        "inject=execve:delay_enter=1000000:when=1",
    ]
    try:
        done = subprocess.run([*command, sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    if done.returncode:
        pytest.skip("strace can't trace here")
    assert int(done.stdout) > 5
