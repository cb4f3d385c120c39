"""Settings: flags, then `MLORCH_*`, then `mlorch.toml`, then defaults. They never enter a key.

[store]
path = "/var/cache/churn"     # objects, records and runs; relative to the root; default `.mlorch`
[paths]
allow = ["/mnt/data"]         # folders outside the root that a pipeline may name or reach by a symlink
[run]
jobs = 4                      # attempts at once; default: the cores
undeclared = "warn"           # files that Python steps read though they don't declare them: ignore, warn, error
[screen]
color = "auto"                # auto, always, never
progress = "auto"             # auto, tty, plain, quiet, jsonl
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from mlorch.errors import SpecError, did_you_mean, unless_blind
from mlorch.model import Place, Problem, Settings, SourceFile
from mlorch.values import dataclass

FILE = "mlorch.toml"
COLORS = ("auto", "always", "never")
PROGRESSES = ("auto", "tty", "plain", "quiet", "jsonl")
UNDECLARED = ("ignore", "warn", "error")
LARGEST_FILE = 1 << 20

BAD_TOML = "E601"
UNKNOWN_SETTING = "E602"
BAD_VALUE = "E603"


class SettingError(ValueError):
    """A value that does not fit its setting; the message says what was expected."""


def absolute_folder(text: Any, root: str) -> str:
    """A path as an absolute one, `~` expanded, relative to the root. Raises SettingError."""
    if not isinstance(text, str) or not text.strip() or "\x00" in text:
        raise SettingError("expected the path of a folder")
    return os.path.normpath(os.path.join(root, os.path.expanduser(text)))


def allowed_folders(value: Any, root: str) -> Tuple[str, ...]:
    """A list (in the environment: separated by `:`) of absolute paths. Raises SettingError."""
    del root
    items = [item for item in value.split(os.pathsep) if item] if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise SettingError("expected a list of absolute paths")
    folders = []
    for item in items:
        path = os.path.expanduser(item) if isinstance(item, str) else ""
        if not os.path.isabs(path) or "\x00" in path:
            raise SettingError(f"expected a list of absolute paths, got {item!r} in it")
        folders.append(os.path.normpath(path))
    return tuple(folders)


def positive_number(value: Any, root: str) -> int:
    del root
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1_000_000:
        raise SettingError("expected a whole number of at least 1")
    return value


def one_of(*choices: str) -> Callable[[Any, str], str]:
    def check(value: Any, root: str) -> str:
        del root
        if value not in choices:
            raise SettingError("expected one of {}".format(", ".join(choices)))
        return str(value)

    return check


@dataclass(frozen=True)
class Key:
    """One setting, declared once: its field in Settings, its place in the file, its variable, its check."""

    field: str
    section: str
    name: str
    variable: str
    check: Callable[[Any, str], Any]

    @property
    def dotted(self) -> str:
        return f"{self.section}.{self.name}"


KEYS = (
    Key("store", "store", "path", "MLORCH_STORE", absolute_folder),
    Key("allow", "paths", "allow", "MLORCH_ALLOW", allowed_folders),
    Key("jobs", "run", "jobs", "MLORCH_JOBS", positive_number),
    Key("undeclared", "run", "undeclared", "MLORCH_UNDECLARED", one_of(*UNDECLARED)),
    Key("color", "screen", "color", "MLORCH_COLOR", one_of(*COLORS)),
    Key("progress", "screen", "progress", "MLORCH_PROGRESS", one_of(*PROGRESSES)),
)


def read_settings(
    root: str, environ: Optional[Mapping[str, str]] = None, flags: Optional[Mapping[str, Any]] = None
) -> Settings:
    """The settings of a project.

    Args:
        root: absolute path of the project root.
        environ: where `MLORCH_*` are looked up; default `os.environ`.
        flags: field of Settings -> value given on the command line; None counts as not given.

    Raises:
        SpecError: all that is wrong in `mlorch.toml` and in the variables, at once.
    """
    environ = os.environ if environ is None else environ
    flags = flags or {}
    text = _read(os.path.join(root, FILE))
    document = _parse(text) if text is not None else {}
    problems = _unknown(document, text or "")
    values: Dict[str, Any] = {"store": os.path.join(root, ".mlorch")}
    origins: Dict[str, str] = {key.field: "default" for key in KEYS}
    for key in KEYS:
        for value, origin, place in _candidates(key, document, text or "", environ, flags):
            try:
                values[key.field] = key.check(value, root)
                origins[key.field] = origin
            except SettingError as error:
                message = f"{origin_name(key, origin)}: {error}, got {value!r}"
                problems.append(Problem(BAD_VALUE, message, place, hint="correct it or take it out"))
    if problems:
        raise SpecError(problems, (SourceFile(FILE, text or ""),))
    return Settings(root=root, origins=origins, **values)


def origin_name(key: Key, origin: str) -> str:
    """How a message names a setting: `store.path` of the file, `MLORCH_STORE` of the environment."""
    return key.variable if origin == key.variable else f"`{key.dotted}`"


def _candidates(
    key: Key, document: Mapping[str, Any], text: str, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> List[Tuple[Any, str, Place]]:
    """What the sources say, the strongest last."""
    found: List[Tuple[Any, str, Place]] = []
    section = document.get(key.section)
    if isinstance(section, dict) and key.name in section:
        found.append((section[key.name], FILE, _place(text, key.section, key.name)))
    if environ.get(key.variable):
        found.append((environ[key.variable], key.variable, Place("environment")))
    if flags.get(key.field) is not None:
        found.append((flags[key.field], "flag", Place("command line")))
    return found


def _read(path: str) -> Optional[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _invalid("is not a file", hint="make it a readable file")
            data = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        unless_blind(error)
        raise _invalid(f"can't be read: {error.strerror}", hint="make it a readable file") from error
    if len(data) > LARGEST_FILE:
        raise _invalid("is over 1 MiB", hint="settings are a few lines; see `docs/cli.md`")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _invalid("is not UTF-8 text", Place(FILE, line, 1), "save it as UTF-8") from error


def _parse(text: str) -> Dict[str, Any]:
    if not text.strip():
        return {}
    from mlorch.compat import tomllib

    try:
        return dict(tomllib.loads(text))
    except RecursionError as error:
        raise _invalid("is nested too deeply", hint="settings are flat; see `docs/cli.md`") from error
    except ValueError as error:  # of TOML, or of a number with thousands of digits
        found = re.search(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.S)
        message = found.group(1) if found else str(error)
        if found and found.group(2):
            place = Place(FILE, int(found.group(2)), int(found.group(3)))
        else:
            place = Place(FILE, text.count("\n") + 1, 1)
        message = message[:1].lower() + message[1:]
        raise _invalid(
            "is not TOML: " + message, place, "see https://toml.io for the syntax", text
        ) from error


def _invalid(what: str, place: Optional[Place] = None, hint: str = "", text: str = "") -> SpecError:
    problem = Problem(BAD_TOML, f"{FILE} {what}", place or Place(FILE), hint=hint)
    return SpecError([problem], (SourceFile(FILE, text),) if text else ())


def _unknown(document: Mapping[str, Any], text: str) -> List[Problem]:
    sections: Dict[str, List[str]] = {}
    for key in KEYS:
        sections.setdefault(key.section, []).append(key.name)
    problems = []
    for section, content in document.items():
        if section not in sections:
            hint = did_you_mean(section, list(sections)) or "known are {}".format(", ".join(sections))
            message = f"unknown section `{section}`"
            problems.append(Problem(UNKNOWN_SETTING, message, _place(text, section), len(section), hint))
            continue
        if not isinstance(content, dict):
            message = f"`{section}` is a section: expected `[{section}]` with its settings below"
            problems.append(Problem(BAD_VALUE, message, _place(text, section), len(section)))
            continue
        for name in content:
            if name not in sections[section]:
                known = ", ".join(sections[section])
                hint = did_you_mean(name, sections[section]) or f"known in [{section}]: {known}"
                message = f"unknown setting `{name}` in [{section}]"
                problems.append(
                    Problem(UNKNOWN_SETTING, message, _place(text, section, name), len(name), hint)
                )
    return problems


def _place(text: str, section: str, name: str = "") -> Place:
    """Where a section or a setting stands: tomllib tells no positions, and settings are few and flat."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*[\"']?([^\]\"']+?)[\"']?\s*\]+", line)
        if header:
            current = header.group(1)
            if current == section and not name:
                return Place(FILE, number, line.index(section) + 1)
            continue
        item = re.match(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*(?:\.\s*([A-Za-z0-9_-]+)\s*)?=", line)
        if item and (
            (name and current == section and item.group(1) == name)
            or (not current and item.group(1) == section and item.group(2) in (name or None, None))
        ):
            return Place(FILE, number, item.start(1) + 1)
    return Place(FILE)
