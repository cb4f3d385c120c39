"""Runs one function step in the process that the zygote forked for it: environment, call, result."""

from __future__ import annotations

import atexit
import ctypes
import itertools
import json
import math
import os
import pathlib
import signal
import sys
import traceback
import types
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

_HERE = os.path.dirname(os.path.abspath(__file__))
_MODULES = os.path.join(_HERE, "modules")
sys.path.insert(0, _MODULES)
import mlorch_imports  # type: ignore[import-not-found]  # noqa: E402
import mlorch_reads  # type: ignore[import-not-found]  # noqa: E402
import mlorch_ready  # type: ignore[import-not-found]  # noqa: E402

sys.path.remove(_MODULES)
_prctl = getattr(ctypes.CDLL(None), "prctl", None)
SET_PDEATHSIG = 1
KILL = int(signal.SIGKILL)
LONGEST_ERROR = 500


def become(parent: int, log: int) -> None:
    """A session of its own that ends with the zygote, and the log as stdout and stderr."""
    os.setsid()
    if _prctl is not None:
        _prctl(SET_PDEATHSIG, KILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


class Caller:
    """Runs the attempts of one zygote.

    As much as possible is made ready before the fork: each page that a child writes to must be copied for it.
    """

    def __init__(self) -> None:
        self._found = dict(os.environ)
        self._changed: Dict[str, str] = {}
        self._root = ""
        self._project = mlorch_imports.Project("/")
        self._report: Optional[mlorch_imports.Report] = None
        self._reads: Optional[mlorch_reads.Reads] = None
        self._ready = mlorch_ready.Ready()
        # Without a file of its own `__main__` is not run again by processes that `multiprocessing` spawns.
        self._main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)

    def prepare(self, request: Dict[str, Any]) -> None:
        """In the zygote, before the fork: what a fresh interpreter would have found, environment, folder and `sys`."""
        root = request["root"]
        if root != self._root:
            self._root = root
            self._project = mlorch_imports.install(root, self._note)
            sys.path.insert(0, root)
        self._report = mlorch_imports.Report(request["loaded_file"]) if request["loaded_file"] else None
        self._reads = None
        if self._report is not None and request["declared"] is not None:
            self._reads = mlorch_reads.Reads(
                self._project, request["declared"], request["started"], self._report.add
            )
        os.chdir(root)
        self._ready.prepare(self._project, root, request["module"])
        sys.argv = [f"{request['module']}:{request['function']}"]
        self._environment(request)

    def learn(self, modules: Sequence[str]) -> None:
        """In the zygote, after an attempt: which of the project's modules it has imported."""
        self._ready.learn(modules)

    def run(self, request: Dict[str, Any], result: int) -> int:
        """In the child: call the function and write what came of it to `result`; returns the exit code."""
        numbers = sys.modules.get("numpy.random")
        if numbers is not None:  # else all forks would draw the same numbers
            numbers.seed()
        if self._reads is not None:
            self._reads.install()
        code, document = _guarded(request)
        _finish()
        names = _imported()
        told = (
            json.dumps(document)[1:-1]
            if document.get("metrics") is not None or "error" in document
            else '"metrics": null'
        )
        data = f'{{{told}, "modules": {_text(self._project.files(names))}}}\n{_text(names)}'.encode("ascii")
        while data:
            data = data[os.write(result, data) :]
        return code

    def _environment(self, request: Dict[str, Any]) -> None:
        """Change only what differs from this process's own: what packages set when they were imported stays."""
        wanted: Dict[str, str] = dict(request["env"])
        if request["loaded_file"]:  # Pythons that the function starts report their modules too
            inherited = wanted.get("PYTHONPATH")
            wanted["PYTHONPATH"] = os.pathsep.join([_MODULES, inherited] if inherited else [_MODULES])
            wanted["MLORCH_LOADED"] = request["loaded_file"]
        changes = {name: text for name, text in wanted.items() if self._found.get(name) != text}
        for name in self._changed:
            if name not in changes:
                if name in self._found:
                    os.environ[name] = self._found[name]
                else:
                    os.environ.pop(name, None)
        for name, text in changes.items():
            os.environ[name] = text
        self._changed = changes

    def _note(self, path: str) -> None:
        if self._report is not None:  # without one, `sys.modules` says enough
            self._report.note(path)


def _guarded(request: Dict[str, Any]) -> Tuple[int, Dict[str, Any]]:
    try:
        returned = _function(request["module"], request["function"])(
            **{name: revive(value) for name, value in request["arguments"].items()}
        )
        metrics = _metrics(returned, request)
    except SystemExit as stop:
        return _stopped(stop)
    except BaseException as error:
        _show(error)
        return 1, {"error": sentence(error)}
    return 0, {"metrics": metrics}


def by_hand(text: str) -> int:
    """Call a function as an attempt did, for a person who looks at how it fails; what it returns is printed."""
    request = json.loads(text)
    sys.argv = [f"{request['module']}:{request['function']}"]
    if request["metrics_file"] and os.path.lexists(request["metrics_file"]):
        os.unlink(request["metrics_file"])
    code, document = _guarded(request)
    if document.get("metrics"):
        print(json.dumps(document["metrics"], indent=2))
    return code


def _function(module: str, name: str) -> Callable[..., Any]:
    __import__(module)  # a statement's way of importing leaves the machinery out of tracebacks
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"`{module}:{name}` is not a function")
    return found  # type: ignore[no-any-return]


def revive(value: Any) -> Any:
    """{"$path": "a/b"} as a Path, in lists and mappings too."""
    if isinstance(value, dict):
        if len(value) == 1 and "$path" in value:
            return pathlib.Path(value["$path"])
        return {name: revive(item) for name, item in value.items()}
    if isinstance(value, list):
        return [revive(item) for item in value]
    return value


# ---------------------------------------------------------------------------------------------------- metrics


class ResultError(Exception):
    """A function returned what is not metrics."""


def _metrics(returned: Any, request: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    if returned is None:
        return None
    who = "`{}:{}`".format(request["module"], request["function"])
    if not hasattr(returned, "keys"):
        raise ResultError(f"{who} returned {_kind(returned)}; expected a mapping of metrics, or nothing")
    metrics = {_name(key, who): plain(returned[key], str(key), who) for key in returned.keys()}  # noqa: SIM118
    path = request["metrics_file"]
    if path:
        if os.path.lexists(path):
            raise ResultError(
                f"{who} wrote the file of its metrics and returned a mapping; do one of the two"
            )
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(metrics, indent=2) + "\n")
    return metrics


def plain(value: Any, name: str, who: str) -> Any:
    """A number, string, boolean or mapping of these as JSON has it; scalars of numpy and its like by
    their `item()`."""
    if isinstance(value, (bool, str)):
        return value if isinstance(value, bool) else str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        if math.isfinite(number):
            return number
        return {"$float": "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"}
    if isinstance(value, dict):
        return {_name(key, who): plain(item, f"{name}.{key}", who) for key, item in value.items()}
    if hasattr(value, "item") and tuple(getattr(value, "shape", ())) == ():
        scalar = value.item()
        if isinstance(scalar, (bool, int, float, str)):
            return plain(scalar, name, who)
    raise ResultError(
        f"{who} returned {_kind(value)} as metric `{name}`; expected a number, a string or a boolean"
    )


def _name(key: Any, who: str) -> str:
    if not isinstance(key, str):
        raise ResultError(f"{who} returned a metric named {key!r}; expected a string")
    return str(key)


def _kind(value: Any) -> str:
    return f"a value of type {type(value).__name__}"


# ---------------------------------------------------------------------------------------------------- the end


def _stopped(stop: SystemExit) -> Tuple[int, Dict[str, Any]]:
    if stop.code is None or stop.code == 0:
        return 0, {"metrics": None}
    if isinstance(stop.code, int):
        return (stop.code & 0xFF) or 1, {"error": f"SystemExit: {stop.code}"}
    print(stop.code, file=sys.stderr)
    return 1, {"error": _short(str(stop.code))}


def _show(error: BaseException) -> None:
    """The traceback, from the user's first line on."""
    trace = error.__traceback__
    while trace is not None and os.path.dirname(os.path.abspath(trace.tb_frame.f_code.co_filename)) == _HERE:
        trace = trace.tb_next
    if isinstance(error, ResultError):
        print(f"error: {error}", file=sys.stderr)
        return
    traceback.print_exception(type(error), error, trace)


def sentence(error: BaseException) -> str:
    """`ValueError: what it says`, one line."""
    if isinstance(error, ResultError):
        return str(error)
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__main__")
        else kind.__module__ + "." + kind.__qualname__
    )
    try:
        text = str(error)
    except Exception:
        text = ""
    return _short(f"{name}: {text}" if text else name)


def _short(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:LONGEST_ERROR] if lines else ""


def _finish() -> None:
    """What the interpreter does when it ends: other threads, exit handlers, buffers. `threading` is not imported for it: then
    each fork would renew its locks, whether the function uses it or not."""
    for act in (
        getattr(sys.modules.get("threading"), "_shutdown", None),
        getattr(atexit, "_run_exitfuncs", None),
    ):
        try:
            if act is not None:
                act()
        except BaseException:
            traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue


def mark() -> None:
    """In the zygote, before a fork: this module as the last of those that are loaded."""
    if next(reversed(sys.modules)) != __name__:
        sys.modules[__name__] = sys.modules.pop(__name__)


def _imported() -> List[str]:
    """Modules that this attempt loaded and the zygote had not, in order: they stand after the mark. Looking at all would copy
    the page of each."""
    names = list(itertools.takewhile(lambda name: name != __name__, reversed(sys.modules)))
    return names[::-1]


def _text(names: Sequence[str]) -> str:
    """A list of strings as JSON; the encoder itself would be looked at for longer than it takes."""
    return "[" + ", ".join(map(json.encoder.encode_basestring_ascii, names)) + "]"
