"""`run` attempts: how they end, what they inherit, what is ended with them."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Tuple

import pytest
from launching import Bench, alive, named, until


def test_a_success_and_a_failure_tell_their_exit_codes(bench: Bench) -> None:
    good = bench.sh("exit 0")
    assert (good.cause, good.exit_code, good.lingering, good.error) == ("exit", 0, (), "")
    bad = bench.sh("exit 7")
    assert (bad.cause, bad.exit_code) == ("exit", 7)
    assert abs(bad.started - time.time()) < 5 and 0 < bad.seconds < 5


def test_a_signal_is_told_apart_from_an_exit(bench: Bench) -> None:
    ended = bench.sh("kill -9 $$")
    assert (ended.cause, ended.exit_code) == ("signal", 137)


def test_stdout_and_stderr_go_to_the_log_in_order_and_stdin_is_empty(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "echo one; echo two >&2; echo three; cat; echo four >&2")
    Path(attempt.log).write_text("before\n")
    assert bench.do(attempt).exit_code == 0
    assert bench.log(attempt) == "before\none\ntwo\nthree\nfour\n"


def test_the_environment_is_exactly_the_attempts(bench: Bench) -> None:
    attempt = bench.attempt("env", "-0", env={"ODD": "a b\n$(x)'\""})
    bench.do(attempt)
    shown = dict(item.split("=", 1) for item in bench.log(attempt).split("\0")[:-1])
    assert shown == dict(attempt.env)


def test_bytes_that_are_not_utf8_reach_argv_and_environment(bench: Bench) -> None:
    word = os.fsdecode(b"\xff\xfe name")
    attempt = bench.attempt("sh", "-c", 'printf "%s|%s" "$1" "$ODD"', "sh", word, env={"ODD": word})
    bench.do(attempt)
    assert Path(attempt.log).read_bytes() == b"\xff\xfe name|\xff\xfe name"


def test_only_locks_and_standard_streams_are_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stranger = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(stranger, True)
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    bench = Bench(tmp_path, "inherited")
    try:
        attempt = bench.attempt("sh", "-c", "ls -l /proc/self/fd", lock_fds=(lock,))
        bench.do(attempt)
        rows = [line.split(" -> ") for line in bench.log(attempt).splitlines() if " -> " in line]
        shown = {int(left.split()[-1]): target for left, target in rows}
        listing = {number for number, target in shown.items() if target.startswith("/proc/")}
        assert set(shown) - listing == {0, 1, 2, lock}
        assert shown[0] == "/dev/null" and shown[lock].endswith("/lock")
    finally:
        bench.close()
        os.close(stranger)
        os.close(lock)


def test_signals_that_mlorch_ignores_are_not_ignored_in_a_step(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status")
    bench.do(attempt)
    masks = [int(line.split()[1], 16) for line in bench.log(attempt).splitlines()]
    real_time = 1 << 31  # 32 and up are the C library's own
    assert [mask % real_time for mask in masks] == [0, 0]


def test_each_attempt_is_a_session_of_its_own(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "ps -o sid=,pgid=,pid= -p $$")
    bench.do(attempt)
    assert len(set(bench.log(attempt).split())) == 1


def test_it_works_from_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    root = tmp_path / "root"
    elsewhere.mkdir()
    root.mkdir()
    monkeypatch.chdir(elsewhere)
    bench = Bench(root, "cwd", slots=1)
    try:
        attempt = bench.attempt("pwd")
        assert bench.do(attempt).exit_code == 0
        assert bench.log(attempt) == f"{root}\n"
        assert bench.sh("exit 3").exit_code == 3
        assert bench.do(bench.attempt("no-such-command")).cause == "spawn"
    finally:
        bench.close()


# -------------------------------------------------------------------------------------- what can't be started


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("no-such-command-at-all",), 127, "`no-such-command-at-all` was not found in PATH"),
        (("./nothing.sh",), 127, "`./nothing.sh` was not found"),
        (("./plain.txt",), 126, "`./plain.txt` could not be started: it is not executable"),
        (("./headless",), 126, "neither a program nor begins with `#!`"),
        (("./lost",), 126, "names an interpreter in its first line that does not exist"),
        (("true", "x" * 3_000_000), 126, "arguments and environment are too long"),
        (("true", "a\0b"), 126, "null"),
        (("true", "\ud800"), 126, "could not be started"),
        (("",), 127, "empty"),
    ],
)
def test_what_cannot_be_started_says_why(bench: Bench, argv: Tuple[str, ...], code: int, words: str) -> None:
    (bench.root / "plain.txt").write_text("text")
    for name, text in (("headless", "echo x"), ("lost", "#!/no/such/interpreter\n")):
        (bench.root / name).write_text(text)
        (bench.root / name).chmod(0o755)
    attempt = bench.attempt(*argv)
    ended = bench.do(attempt)
    assert (ended.cause, ended.exit_code) == ("spawn", code)
    assert words in ended.error and ended.error in bench.log(attempt)
    assert bench.sh("exit 0").exit_code == 0  # the agent goes on


def test_a_log_that_cannot_be_written_is_a_failed_start(bench: Bench) -> None:
    attempt = bench.attempt("true")
    object.__setattr__(attempt, "log", str(bench.root / "no" / "folder" / "x.log"))
    ended = bench.do(attempt)
    assert ended.cause == "spawn" and "x.log" in ended.error


def test_the_steps_own_path_decides_what_a_command_is(bench: Bench) -> None:
    tool = bench.root / "bin" / "own-tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    attempt = bench.attempt("own-tool", env={"PATH": f"{tool.parent}:/usr/bin:/bin"})
    assert bench.do(attempt).exit_code == 0 and bench.log(attempt) == "found\n"


# ------------------------------------------------------------------------------------- timeouts, cancellation


def test_a_timeout_ends_the_whole_group_with_grace(bench: Bench) -> None:
    script = "trap 'echo saved; exit 4' TERM; touch ready; while :; do sleep 0.05; done"
    attempt = bench.attempt("sh", "-c", script, timeout=0.3, grace=10.0)
    ended = bench.do(attempt)
    assert (ended.cause, ended.exit_code) == ("timeout", 4)
    assert 0.3 <= ended.seconds < 5 and bench.log(attempt).endswith("saved\n")


def test_the_grace_holds_for_children_whose_shell_goes_at_once(bench: Bench) -> None:
    (bench.root / "child.py").write_text(
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.4)\n    open('saved', 'w').close()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nopen('up', 'w').close()\ntime.sleep(60)\n"
    )
    attempt = bench.send(bench.attempt("sh", "-c", f'"{sys.executable}" child.py; exit 0', grace=10.0))
    assert until((bench.root / "up").exists)
    bench.launcher.cancel(10.0, attempt.id)
    ended = bench.result()[1]
    assert ended.cause == "cancelled" and (bench.root / "saved").exists()


def test_who_ignores_term_is_killed_after_the_grace(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "trap '' TERM; sleep 60 & sleep 60; sleep 60", timeout=0.2, grace=0.3)
    ended = bench.do(attempt)
    assert ended.cause == "timeout" and 0.5 <= ended.seconds < 5


def test_a_stopped_process_times_out_too(bench: Bench) -> None:
    assert bench.sh("kill -STOP $$", timeout=0.2, grace=5.0).seconds < 4


def test_cancel_ends_all_or_one(bench: Bench) -> None:
    first = bench.send(bench.attempt("sleep", "60"))
    second = bench.send(bench.attempt("sleep", "60"))
    queued = bench.send(bench.attempt("sh", "-c", "touch ran"))
    assert until(lambda: len(named(bench.run)) == 2)
    bench.launcher.cancel(10.0, queued.id)
    bench.launcher.cancel(10.0, first.id)
    causes = {}
    for _ in range(2):
        attempt, ended = bench.result()
        causes[attempt.id] = ended.cause
    assert causes == {first.id: "cancelled", queued.id: "cancelled"}
    assert not (bench.root / "ran").exists()
    bench.launcher.cancel(None)
    attempt, ended = bench.result()
    assert (attempt.id, ended.cause, ended.exit_code) == (second.id, "cancelled", 137)


def test_a_second_cancel_without_grace_kills_at_once(bench: Bench) -> None:
    bench.send(bench.attempt("sh", "-c", "trap '' TERM; touch up; while :; do sleep 0.05; done"))
    assert until((bench.root / "up").exists)
    bench.launcher.cancel(30.0)
    time.sleep(0.1)
    bench.launcher.cancel(None)
    assert bench.result(5.0)[1].cause == "cancelled"


def test_attempts_after_a_cancellation_run(bench: Bench) -> None:
    bench.launcher.cancel(10.0)
    assert bench.sh("exit 0").cause == "exit"


# -------------------------------------------------------------------------------------- what it leaves behind


def test_what_stays_in_the_group_ends_with_its_leader(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "sleep 60 & echo $!")
    ended = bench.do(attempt)
    assert ended.exit_code == 0 and ended.lingering == ()
    assert until(lambda: not alive(int(bench.log(attempt))))


def test_what_left_the_group_is_found_ended_and_told(bench: Bench) -> None:
    other = bench.send(bench.attempt("sh", "-c", "setsid sleep 1 & sleep 1"))
    script = "setsid sh -c 'echo $$ > pid; sleep 60; :' & while ! [ -s pid ]; do sleep 0.01; done"
    attempt = bench.send(bench.attempt("sh", "-c", script))
    ended_attempt, ended = bench.result()
    assert ended_attempt.id == attempt.id and ended.exit_code == 0
    pid = int((bench.root / "pid").read_text())
    assert pid in ended.lingering and len(ended.lingering) == 2 and not alive(pid)
    ended_attempt, ended = bench.result()  # the other one's was not touched while it ran
    assert ended_attempt.id == other.id and (ended.cause, ended.exit_code) == ("exit", 0)


def test_ended_orphans_are_buried(bench: Bench) -> None:
    for _ in range(3):
        bench.sh("setsid true & setsid true & wait")
    bench.sh("(setsid sleep 0.05 &) ; sleep 0.2")
    bench.sh("true")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    zombies = [pid for pid in children if not alive(int(pid))]
    assert zombies == []


def test_closing_ends_what_still_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, "closing-run", slots=1)
    bench.send(bench.attempt("sh", "-c", "trap '' TERM; setsid sleep 60 & sleep 60"))
    bench.send(bench.attempt("true"))
    assert until(lambda: len(named("closing-run")) >= 3)
    bench.close()
    assert named("closing-run") == []
    assert {bench.result()[1].cause for _ in range(2)} == {"cancelled"}


# ------------------------------------------------------------------------------------------------------ rates


def test_a_huge_output_does_not_grow_mlorch(bench: Bench) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attempt = bench.attempt("sh", "-c", "head -c 200000000 /dev/zero | tr '\\0' x")
    assert bench.do(attempt).exit_code == 0
    assert Path(attempt.log).stat().st_size == 200_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    Path(attempt.log).unlink()


def test_memory_and_time_are_accounted(bench: Bench) -> None:
    # The kernel counts the spawning process in, so the step needs more than this one ever had.
    wanted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (150 << 20)
    script = f"x = bytearray({wanted})\nfor i in range(0, len(x), 4096): x[i] = 1\n"
    ended = bench.do(bench.attempt(sys.executable, "-c", script))
    assert ended.peak_rss > wanted and ended.cpu_seconds > 0


def test_many_attempts_at_two_slots_lose_none(bench: Bench) -> None:
    count = 300
    for number in range(count):
        bench.send(bench.attempt("sh", "-c", f"exit {number % 5}"))
    codes = sorted(bench.result()[1].exit_code or 0 for _ in range(count))
    assert codes == sorted(number % 5 for number in range(count))


def test_a_bug_in_deliver_is_kept_and_the_agent_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = Bench(tmp_path, "bug", slots=1)
    broken = bench.attempt("true", instance="broken")
    original = bench.results
    bench.results = None  # type: ignore[assignment]  # what `deliver` then raises is the bug
    bench.send(broken)
    assert until(lambda: bench.launcher.failure)
    bench.results = original
    assert bench.sh("exit 0").exit_code == 0
    with pytest.raises(AttributeError):
        bench.close()


def test_the_signals_of_a_terminal_do_not_reach_steps(bench: Bench) -> None:
    attempt = bench.send(bench.attempt("sh", "-c", "touch up; sleep 0.5; exit 5"))
    assert until((bench.root / "up").exists)
    assert os.getpgid(0) not in {os.getpgid(pid) for pid in named(bench.run)}
    assert signal.getsignal(signal.SIGINT) is not None
    assert bench.result()[1].exit_code == 5
    assert attempt.number == 1
