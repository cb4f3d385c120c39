"""`call` attempts: functions in processes that a zygote forks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict

import pytest
from launching import Bench, alive, named, until

from mlorch.model import Ended, Needs


def write(bench: Bench, name: str, text: str) -> Path:
    path = bench.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def call(bench: Bench, body: str, arguments: Any = None, **fields: Any) -> Ended:
    """One call of `def f(**given)` with this body."""
    write(bench, "steps.py", "def f(**given):\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    return bench.do(bench.call("steps:f", arguments, **fields))


def test_arguments_arrive_with_their_types_and_paths_are_paths(bench: Bench) -> None:
    arguments: Dict[str, Any] = {
        "n": 3,
        "x": 0.5,
        "nothing": None,
        "text": os.fsdecode(b"\xff'$(x)\n"),
        "path": {"$path": "data/a b"},
        "paths": [{"$path": "p/1"}, {"$path": "p/2"}],
        "deep": {"a": [{"$path": "q"}], "b": True},
        "nan": float("nan"),
    }
    ended = call(bench, "with open('seen', 'w') as f: f.write(ascii(sorted(given.items())))", arguments)
    assert (ended.cause, ended.exit_code, ended.error) == ("exit", 0, "")
    seen = (bench.root / "seen").read_text()
    assert seen == (
        "[('deep', {'a': [PosixPath('q')], 'b': True}), ('n', 3), ('nan', nan), ('nothing', None), "
        "('path', PosixPath('data/a b')), ('paths', [PosixPath('p/1'), PosixPath('p/2')]), "
        "('text', \"\\udcff'$(x)\\n\"), ('x', 0.5)]"
    )


def test_the_environment_and_the_folder_are_the_attempts(bench: Bench) -> None:
    attempt = bench.call("steps:f", env={"ODD": os.fsdecode(b"\xff=")})
    write(
        bench,
        "steps.py",
        "import os\ndef f():\n    open('env', 'w').write(ascii(dict(os.environ)))\n    print(os.getcwd())\n",
    )
    bench.do(attempt)
    shown = eval((bench.root / "env").read_text())
    assert shown == dict(attempt.env)
    second = bench.call("steps:f", env={"ODD": os.fsdecode(b"\xff=")})  # the same zygote
    bench.do(second)
    assert eval((bench.root / "env").read_text()) == dict(second.env)
    assert bench.log(second) == f"{bench.root}\n"


def test_output_goes_to_the_log_while_it_runs(bench: Bench) -> None:
    write(
        bench,
        "steps.py",
        "import os, sys, time\ndef f():\n    print('one')\n    print('two', file=sys.stderr)\n    os.system('echo three')\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n    print('four')\n",
    )
    attempt = bench.send(bench.call("steps:f"))
    assert until(lambda: Path(attempt.log).exists() and bench.log(attempt) == "one\ntwo\nthree\n")
    (bench.root / "go").touch()
    assert bench.result()[1].exit_code == 0
    assert bench.log(attempt) == "one\ntwo\nthree\nfour\n"


def test_an_exception_shows_its_traceback_from_the_users_code_on(bench: Bench) -> None:
    write(bench, "helper.py", "def g():\n    raise ValueError('no rows\\nat all')\n")
    attempt = bench.call("steps:f")
    write(bench, "steps.py", "import helper\ndef f():\n    helper.g()\n")
    ended = bench.do(attempt)
    assert (ended.cause, ended.exit_code, ended.error) == ("exit", 1, "ValueError: no rows")
    lines = bench.log(attempt).splitlines()
    assert lines[0] == "Traceback (most recent call last):" and "steps.py" in lines[1]
    assert lines[-2:] == ["ValueError: no rows", "at all"] and "mlorch" not in bench.log(attempt)


@pytest.mark.parametrize(
    ("body", "cause", "code", "error"),
    [
        ("import sys; sys.exit()", "exit", 0, ""),
        ("import sys; sys.exit(3)", "exit", 3, "SystemExit: 3"),
        ("import sys; sys.exit('no data')", "exit", 1, "no data"),
        ("import os; os._exit(0)", "exit", 1, "the process ended before its function returned (os._exit?)"),
        ("import os; os._exit(9)", "exit", 9, ""),
        ("import os; os.kill(os.getpid(), 9)", "signal", 137, ""),
        ("import os; os.abort()", "signal", 134, ""),
        (
            "return 5",
            "exit",
            1,
            "`steps:f` returned a value of type int; expected a mapping of metrics, or nothing",
        ),
        (
            "return {'a': [1]}",
            "exit",
            1,
            "`steps:f` returned a value of type list as metric `a`; expected a number",
        ),
        ("return {1: 1}", "exit", 1, "`steps:f` returned a metric named 1; expected a string"),
        ("raise KeyboardInterrupt", "exit", 1, "KeyboardInterrupt"),
        ("import nowhere", "exit", 1, "ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_ways_to_end(bench: Bench, body: str, cause: str, code: int, error: str) -> None:
    ended = call(bench, body)
    assert (ended.cause, ended.exit_code) == (cause, code)
    assert ended.error.startswith(error) and bool(ended.error) == bool(error)


def test_a_module_that_does_not_load_and_a_function_that_is_not_there(bench: Bench) -> None:
    write(bench, "broken.py", "def f(:\n")
    ended = bench.do(bench.call("broken:f"))
    assert ended.exit_code == 1 and ended.error.startswith("SyntaxError: invalid syntax")
    write(bench, "empty.py", "")
    assert bench.do(bench.call("empty:f")).error.startswith("AttributeError: ")
    assert bench.do(bench.call("nowhere:f")).error == "ModuleNotFoundError: No module named 'nowhere'"


# ---------------------------------------------------------------------------------------------------- metrics


def test_returned_metrics_are_plain_and_written_where_declared(bench: Bench) -> None:
    body = (
        "class Scalar:\n    shape = ()\n    def item(self): return 0.25\n"
        "return {'auc': 0.5, 'n': 3, 'ok': True, 'best': 'x', 'loss': float('nan'), 'deep': {'a': Scalar()}}"
    )
    target = bench.root / "metrics.json"
    ended = call(bench, body, metrics_file=str(target))
    wanted = {"auc": 0.5, "n": 3, "ok": True, "best": "x", "loss": {"$float": "nan"}, "deep": {"a": 0.25}}
    assert ended.metrics == wanted and json.loads(target.read_text()) == wanted
    assert ended.metrics is not None and isinstance(ended.metrics["ok"], bool)


def test_metrics_both_written_and_returned_are_an_error(bench: Bench) -> None:
    target = bench.root / "metrics.json"
    ended = call(bench, "open('metrics.json', 'w').write('{}')\nreturn {'a': 1}", metrics_file=str(target))
    assert ended.exit_code == 1 and "do one of the two" in ended.error
    target.unlink()
    ended = call(bench, "open('metrics.json', 'w').write('{}')", metrics_file=str(target))
    assert ended.exit_code == 0 and ended.metrics is None


def test_large_metrics_come_through(bench: Bench) -> None:
    ended = call(bench, "return {'m%d' % i: 'x' * 100 for i in range(20000)}")
    assert ended.metrics is not None and len(ended.metrics) == 20000


# ---------------------------------------------------------------------------------------- never the old code


def test_an_edit_of_the_same_size_within_a_second_is_seen(bench: Bench) -> None:
    write(bench, "lib/__init__.py", "")
    write(bench, "steps.py", "import lib.value\ndef f():\n    return {'v': lib.value.V}\n")
    seen = []
    for value in range(6):
        write(bench, "lib/value.py", f"V = {value}\n")
        ended = bench.do(bench.call("steps:f"))
        assert ended.metrics is not None, ended
        seen.append(ended.metrics["v"])
    assert seen == list(range(6))


KEPT = "import os, helper\ndef f():\n    print(helper.VALUE, __file__ in type(__spec__.loader).kept)\n"


def _kept(bench: Bench) -> Path:
    """A module and its helper, compiled already in the process that forks their steps."""
    write(bench, "steps.py", KEPT)
    helper = write(bench, "helper.py", "VALUE = 1\n")
    for _ in range(3):
        time.sleep(0.06)  # what was written just now is not kept
        attempt = bench.call("steps:f")
        assert bench.do(attempt).exit_code == 0
    assert bench.log(attempt) == "1 True\n"
    return helper


def _in_place(helper: Path) -> None:
    before = helper.stat()
    with helper.open("r+") as file:
        file.write("VALUE = 2\n")
    os.utime(helper, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(helper: Path) -> None:
    before, other = helper.stat(), helper.with_name("other")
    other.write_text("VALUE = 2\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, helper)


def _package(helper: Path) -> None:
    folder = helper.with_name("helper")
    folder.mkdir()
    (folder / "__init__.py").write_text("VALUE = 2\n")


@pytest.mark.parametrize("edit", [_in_place, _replaced, _package])
def test_code_that_was_compiled_before_is_not_used_for_another_file(bench: Bench, edit: Any) -> None:
    edit(_kept(bench))
    attempt = bench.call("steps:f")
    assert bench.do(attempt).exit_code == 0
    assert bench.log(attempt) == "2 True\n"


def test_the_module_itself_is_looked_for_anew(bench: Bench) -> None:
    helper = _kept(bench)
    steps = helper.with_name("steps.py")
    write(bench, "steps/__init__.py", "def f():\n    print('a package')\n")
    attempt = bench.call("steps:f")
    assert bench.do(attempt).exit_code == 0
    assert bench.log(attempt) == "a package\n"
    (bench.root / "steps/__init__.py").unlink()
    attempt = bench.call("steps:f")
    assert bench.do(attempt).exit_code == 0, bench.log(attempt)
    assert bench.log(attempt).startswith("1 ")
    steps.unlink()
    shutil.rmtree(bench.root / "steps")
    assert bench.do(bench.call("steps:f")).error == "ModuleNotFoundError: No module named 'steps'"
    steps.write_text("def f(:\n")
    assert "SyntaxError" in bench.do(bench.call("steps:f")).error


def test_a_module_that_a_function_writes_is_found(bench: Bench) -> None:
    _kept(bench)
    write(bench, "steps.py", "import steps_made\ndef f():\n    print(steps_made.VALUE)\n")
    assert "steps_made" in bench.do(bench.call("steps:f")).error
    body = (
        "import time\ntime.sleep(0.05)\nopen('new.py', 'w').write('VALUE = 7')\nimport new\nprint(new.VALUE)"
    )
    for _ in range(3):
        (bench.root / "new.py").unlink(missing_ok=True)
        write(bench, "steps.py", "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
        time.sleep(0.06)
        attempt = bench.call("steps:f")
        assert bench.do(attempt).exit_code == 0, bench.log(attempt)
        assert bench.log(attempt) == "7\n"


def test_stale_bytecode_of_another_python_run_is_not_believed(bench: Bench) -> None:
    write(bench, "steps.py", "import value\ndef f():\n    return {'v': value.V}\n")
    source = write(bench, "value.py", "V = 1\n")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    compiled = f"import py_compile; py_compile.compile({str(source)!r})"
    assert bench.do(bench.attempt(sys.executable, "-c", compiled)).exit_code == 0
    source.write_text("V = 2\n")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    pyc = next((bench.root / "__pycache__").glob("value.*.pyc"))
    os.utime(pyc, (1_000_000_001, 1_000_000_001))
    ended = bench.do(bench.call("steps:f"))
    assert ended.metrics == {"v": 2}


def test_a_run_step_sees_an_edit_within_a_second_too(bench: Bench) -> None:
    write(bench, "main.py", "import value\nprint(value.V)\n")
    for number in range(4):
        write(bench, "value.py", f"V = {number}\n")
        attempt = bench.attempt(sys.executable, "main.py", loaded_file=str(bench.root / f"loaded{number}"))
        ended = bench.do(attempt)
        assert bench.log(attempt) == f"{number}\n"
        assert ended.modules == (str(bench.root / "main.py"), str(bench.root / "value.py"))


def test_nothing_of_an_attempt_stays_for_the_next(bench: Bench) -> None:
    write(
        bench,
        "steps.py",
        "import json, os, random\nCOUNT = []\ndef f():\n    COUNT.append(1)\n    json.mark = getattr(json, 'mark', 0) + 1\n"
        "    return {'n': len(COUNT), 'mark': json.mark, 'pid': os.getpid(), 'random': random.random()}\n",
    )
    found = [bench.do(bench.call("steps:f")).metrics or {} for _ in range(4)]
    assert {item["n"] for item in found} == {1} == {item["mark"] for item in found}
    assert len({item["pid"] for item in found}) == 4 == len({item["random"] for item in found})


def test_installed_packages_are_imported_once(bench: Bench) -> None:
    write(
        bench,
        "steps.py",
        "import yaml\ndef f():\n    import decimal\n    return {'yaml': id(yaml), 'decimal': id(decimal)}\n",
    )
    for _ in range(6):
        bench.do(bench.call("steps:f"))
    one = bench.do(bench.call("steps:f")).metrics
    two = [bench.do(bench.call("steps:f")).metrics for _ in range(6)]
    assert one in two  # both come from one of two zygotes, which hold the packages already


def test_a_package_that_starts_threads_is_never_forked_with_them(bench: Bench) -> None:
    site = bench.root / "venv" / "site-packages"
    write(
        bench,
        "venv/site-packages/threaded.py",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    )
    write(
        bench,
        "steps.py",
        "import threaded, threading\ndef f():\n    return {'threads': threading.active_count()}\n",
    )
    for _ in range(4):
        ended = bench.do(bench.call("steps:f", env={"PYTHONPATH": str(site)}))
        assert ended.metrics == {"threads": 2}, ended  # its own thread, alive: not a fork's dead copy


@pytest.mark.parametrize("package", ["code", "inner"])
def test_a_package_of_the_project_with_the_name_of_another_module_is_the_projects(
    bench: Bench, package: str
) -> None:
    """`code` is a standard module; `inner` is one that an installed package imports."""
    site = {"PYTHONPATH": str(bench.root / "venv" / "site-packages")}
    write(bench, "venv/site-packages/outer.py", "import inner\n")
    write(bench, "venv/site-packages/inner.py", "")
    write(bench, f"{package}/__init__.py", "")
    used = "import outer" if package == "inner" else "pass"
    for name in ("one", "two"):
        write(bench, f"{package}/{name}.py", f"def f():\n    {used}\n    return {{'it': '{name}'}}\n")
    for _ in range(3):  # there are two zygotes: some call is the second one of its zygote
        for name in ("one", "two"):
            ended = bench.do(bench.call(f"{package}.{name}:f", env=site))
            assert ended.metrics == {"it": name}, ended.error or ended


def test_a_package_that_crashes_when_imported_fails_its_step_alone(bench: Bench) -> None:
    site = bench.root / "venv" / "site-packages"
    write(bench, "venv/site-packages/crashing.py", "import os\nos.abort()\n")
    write(bench, "steps.py", "import crashing\ndef f():\n    pass\n")
    ended = bench.do(bench.call("steps:f", env={"PYTHONPATH": str(site)}))
    assert (ended.cause, ended.exit_code) == ("signal", 134)
    assert call(bench, "return {'a': 1}").metrics == {"a": 1}


def test_pyarrow_starts_no_thread_that_would_forbid_to_fork(bench: Bench) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install -e .[examples]")
    write(
        bench,
        "steps.py",
        "import os, sys\nMINE = 'pyarrow' not in sys.modules\nimport pyarrow\n"
        "def f():\n    print(MINE, len(os.listdir('/proc/self/task')), 'JE_ARROW_MALLOC_CONF' in os.environ,\n"
        "          pyarrow.array([1, 2]).to_pylist())\n",
    )
    for _ in range(2):
        attempt = bench.call("steps:f")
        assert bench.do(attempt).exit_code == 0
        assert bench.log(attempt) == "False 1 False [1, 2]\n"
    own = bench.call("steps:f", env={"JE_ARROW_MALLOC_CONF": "background_thread:true"})
    assert bench.do(own).exit_code == 0
    assert bench.log(own).startswith("True ") and " True [1, 2]" in bench.log(own), "what a user sets stands"


def test_an_installed_package_that_is_replaced_is_loaded_anew(bench: Bench) -> None:
    site = bench.root / "venv" / "site-packages"
    write(bench, "steps.py", "import shifting\ndef f():\n    return {'v': shifting.V}\n")
    for value in (1, 22, 333):
        (site / "shifting.py").unlink() if value > 1 else None
        write(bench, "venv/site-packages/shifting.py", f"V = {value}\n")
        for _ in range(2):
            assert bench.do(bench.call("steps:f", env={"PYTHONPATH": str(site)})).metrics == {"v": value}


# --------------------------------------------------------------------------------------------------- modules


def test_it_reports_the_project_modules_that_were_loaded(bench: Bench) -> None:
    write(bench, "lib/__init__.py", "")
    write(bench, "lib/late.py", "")
    write(bench, "lib/never.py", "")
    ended = call(bench, "import importlib\nimportlib.import_module('lib.late')\nimport yaml")
    wanted = {str(bench.root / name) for name in ("steps.py", "lib/__init__.py", "lib/late.py")}
    assert set(ended.modules or ()) == wanted


def test_pythons_that_a_function_starts_report_too(bench: Bench) -> None:
    write(bench, "other.py", "")
    ended = call(
        bench,
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-c', 'import other'])",
        loaded_file=str(bench.root / "loaded"),
    )
    assert set(ended.modules or ()) == {str(bench.root / "steps.py"), str(bench.root / "other.py")}


def test_multiprocessing_works_inside(bench: Bench) -> None:
    write(
        bench,
        "steps.py",
        "import multiprocessing\ndef square(n):\n    return n * n\n"
        "def f(how):\n    with multiprocessing.get_context(how).Pool(2) as pool:\n"
        "        return {'s': sum(pool.map(square, range(5)))}\n",
    )
    for how in ("fork", "spawn"):
        ended = bench.do(bench.call("steps:f", {"how": how}))
        assert ended.metrics == {"s": 30}, (how, ended)


def test_exit_handlers_and_threads_finish(bench: Bench) -> None:
    body = (
        "import atexit, threading, time\natexit.register(lambda: open('bye', 'w').close())\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), open('late', 'w').close())).start()"
    )
    assert call(bench, body).exit_code == 0
    assert (bench.root / "bye").exists() and (bench.root / "late").exists()


# ----------------------------------------------------------------------------------------- ended from outside


def test_a_timeout_with_grace(bench: Bench) -> None:
    body = (
        "import signal, sys, time\ndef save(*_):\n    print('saved')\n    sys.exit(4)\n"
        "signal.signal(signal.SIGTERM, save)\ntime.sleep(60)"
    )
    ended = call(bench, body, timeout=0.8, grace=10.0)
    assert (ended.cause, ended.exit_code) == ("timeout", 4) and ended.seconds < 5


def test_who_ignores_term_is_killed_after_the_grace(bench: Bench) -> None:
    body = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('up', 'w').close()\ntime.sleep(60)"
    ended = call(bench, body, timeout=0.5, grace=0.3)
    assert (ended.cause, ended.exit_code) == ("timeout", 137) and ended.seconds < 5
    assert call(bench, "return {'a': 1}").metrics == {"a": 1}


def test_cancel_while_a_package_is_being_imported(bench: Bench) -> None:
    site = bench.root / "venv" / "site-packages"
    write(bench, "venv/site-packages/endless.py", "import time\nopen('up', 'w').close()\ntime.sleep(60)\n")
    write(bench, "steps.py", "import endless\ndef f():\n    pass\n")
    bench.send(bench.call("steps:f", env={"PYTHONPATH": str(site)}))
    assert until((bench.root / "up").exists)
    bench.launcher.cancel(0.2)
    assert bench.result()[1].cause == "cancelled"


def test_what_left_its_session_is_ended_and_told(bench: Bench) -> None:
    body = (
        "import os, subprocess\np = subprocess.Popen(['sleep', '60'], start_new_session=True, env={})\n"
        "open('pid', 'w').write(str(p.pid))\nos._exit"
    )
    ended = call(bench, body)
    pid = int((bench.root / "pid").read_text())
    assert ended.lingering == (pid,) and not alive(pid)  # though it has no environment at all


def test_the_kill_of_a_zygote_fails_its_step_alone(bench: Bench) -> None:
    write(
        bench,
        "steps.py",
        "import os, subprocess, time\ndef f(n):\n"
        "    subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    open('up%d' % n, 'w').write(str(os.getppid()))\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n    return {'n': n}\n",
    )
    first = bench.send(bench.call("steps:f", {"n": 1}))
    second = bench.send(bench.call("steps:f", {"n": 2}))
    assert until(
        lambda: all((bench.root / f"up{n}").exists() and (bench.root / f"up{n}").read_text() for n in (1, 2))
    )
    os.kill(int((bench.root / "up1").read_text()), signal.SIGKILL)
    attempt, ended = bench.result()
    assert (attempt.id, ended.cause) == (first.id, "zygote") and "steps:f" in ended.error
    assert until(lambda: len(named(bench.run)) == 3)  # the other zygote, its step and its sleep
    (bench.root / "go").touch()
    attempt, ended = bench.result()
    assert (attempt.id, ended.cause, ended.metrics) == (second.id, "exit", {"n": 2})
    assert bench.do(bench.call("steps:f", {"n": 3})).metrics == {"n": 3}


def test_the_kill_of_an_idle_zygote_is_not_noticed(bench: Bench) -> None:
    assert call(bench, "return {'a': 1}").metrics == {"a": 1}
    for pid in named(bench.run):
        os.kill(pid, signal.SIGKILL)
    for _ in range(3):
        assert call(bench, "return {'a': 2}").metrics == {"a": 2}


def test_no_python_or_an_old_one_is_a_failed_start(bench: Bench) -> None:
    ended = call(bench, "pass", python="/no/such/python")
    assert ended.cause == "spawn" and "/no/such/python" in ended.error
    (bench.root / "python2").write_text("#!/bin/sh\necho 'SyntaxError: of old' >&2\nexit 1\n")
    (bench.root / "python2").chmod(0o755)
    attempt = bench.call("steps:f", python=str(bench.root / "python2"))
    ended = bench.do(attempt)
    assert ended.cause == "spawn" and "Python 3.8 or later" in ended.error and "of old" in bench.log(attempt)


def test_locks_are_inherited_by_functions(bench: Bench) -> None:
    lock = os.open(bench.root / "lock", os.O_CREAT | os.O_RDWR)
    try:
        ended = call(
            bench,
            f"import os\nreturn {{'same': os.readlink('/proc/self/fd/{lock}').endswith('lock')}}",
            lock_fds=(lock,),
        )
        assert ended.metrics == {"same": True}
    finally:
        os.close(lock)


def test_a_warm_zygote_is_quick(bench: Bench) -> None:
    write(bench, "steps.py", "def f():\n    pass\n")
    for _ in range(6):
        bench.do(bench.call("steps:f", needs=Needs()))
    begin = time.monotonic()
    fresh = bench.do(bench.attempt(sys.executable, "-c", "import json, socket, ctypes"))
    fresh_seconds = time.monotonic() - begin
    best = min(bench.do(bench.call("steps:f")).seconds for _ in range(30))
    assert fresh.exit_code == 0 and best < fresh_seconds
