"""A small real project, and runs of it by instance: in this process for speed, or by the real command."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Union

from mlorch import app
from mlorch.errors import MlorchError, SpecError
from mlorch.model import Event, Outcome, Plan, RunSummary

HEAD = "version: 1\nname: demo\n"
Content = Union[str, bytes]


class Ran:
    """One run: its outcomes by instance, and everything that it told."""

    def __init__(self, summary: RunSummary, events: List[Event]) -> None:
        self.summary = summary
        self.events = events
        self.code = summary.exit_code
        self.warnings = "\n".join(summary.warnings)
        names = [item.instance for item in summary.outcomes]
        assert len(names) == len(set(names)), f"an instance has two outcomes: {names}"
        assert sum(summary.totals().values()) == len(names)
        finished = [event.instance for event in events if event.kind in _LAST and event.instance]
        assert sorted(finished) == sorted(names), "each instance ends once, and its last event says how"

    @property
    def outcomes(self) -> Dict[str, str]:
        return {item.instance: item.outcome for item in self.summary.outcomes}

    @property
    def executed(self) -> Set[str]:
        return {event.instance for event in self.events if event.kind == "step.started"}

    def __getitem__(self, instance: str) -> Outcome:
        return next(item for item in self.summary.outcomes if item.instance == instance)

    def reasons(self, instance: str) -> Set[str]:
        return {reason.kind for reason in self[instance].reasons}


_LAST = ("step.finished", "step.cached", "step.skipped", "step.blocked", "step.cancelled")


class Project:
    """A folder with a pipeline in `mlorch.yaml`.

    A text is dedented; one that begins with `steps:` (or another key) gets a version and a name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)

    # ----------------------------------------------------------------------------------------------------- files

    def write(self, path: Union[str, bytes], content: Content) -> Path:
        full = Path(os.fsdecode(os.path.join(os.fsencode(str(self.root)), os.fsencode(path))))
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode("utf-8"))
        if str(path).endswith(".sh"):
            full.chmod(full.stat().st_mode | stat.S_IXUSR)
        return full

    def pipeline(self, text: str, name: str = "mlorch.yaml") -> None:
        self.write(name, HEAD + textwrap.dedent(text))

    def files(self, files: Dict[str, Content]) -> None:
        for path, content in files.items():
            self.write(path, content)

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def lines(self, path: str) -> List[str]:
        full = self.root / path
        return full.read_text(encoding="utf-8").splitlines() if full.exists() else []

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.root / path)

    def json(self, path: str) -> Any:
        return json.loads(self.read(path))

    def tree(self) -> Dict[str, bytes]:
        """Every file outside `.mlorch/`, links as their target."""
        return self._files(lambda parts: parts[0] != ".mlorch")

    def kept(self) -> List[bytes]:
        """The content of everything in `.mlorch/kept/`."""
        return sorted(self._files(lambda parts: parts[:2] == (".mlorch", "kept")).values())

    def everything(self) -> Dict[str, bytes]:
        return self._files(lambda _parts: True)

    def _files(self, wanted: Any) -> Dict[str, bytes]:
        found = {}
        for path in self.root.rglob("*"):
            relative = path.relative_to(self.root)
            if not wanted(relative.parts):
                continue
            if path.is_symlink():
                found[str(relative)] = os.fsencode(os.readlink(path))
            elif path.is_file():
                found[str(relative)] = path.read_bytes()
        return found

    def log(self, outcome: Outcome) -> str:
        return self.read(outcome.log)

    # ------------------------------------------------------------------------------------------------------ runs

    def request(self, *selectors: str, **options: Any) -> app.Request:
        options.setdefault("jobs", 2)
        pipeline = options.pop("pipeline", "mlorch.yaml")
        return app.Request(str(self.root / pipeline), str(self.root), selectors, **options)

    def run(self, *selectors: str, code: Optional[int] = 0, **options: Any) -> Ran:
        """Run it here. Asserts the exit code unless that is None."""
        events: List[Event] = []
        summary = app.run(self.request(*selectors, **options), [events.append])
        ran = Ran(summary, events)
        if code is not None:
            assert ran.code == code, self._explain(ran)
        return ran

    def plan(self, *selectors: str, **options: Any) -> Plan:
        return app.plan(self.request(*selectors, **options))

    def planned(self, *selectors: str, **options: Any) -> Dict[str, str]:
        return {item.instance.name: item.action for item in self.plan(*selectors, **options).decisions}

    def refused(self, *selectors: str, **options: Any) -> str:
        """What an error says that is raised before anything runs."""
        try:
            summary = app.run(self.request(*selectors, **options))
        except SpecError as error:
            return "\n".join(f"{item.code} {item.message} | {item.hint}" for item in error.problems)
        except MlorchError as error:
            return f"{error.message} | {error.hint}"
        raise AssertionError(f"it ran: {[(item.instance, item.outcome) for item in summary.outcomes]}")

    def _explain(self, ran: Ran) -> str:
        told = [f"exit code {ran.code}"]
        for item in ran.summary.outcomes:
            log = self.log(item) if item.log and self.exists(item.log) else ""
            told.append(f"{item.instance}: {item.outcome} {item.error} {item.hint}\n{log}")
        return "\n".join(told)

    # --------------------------------------------------------------------------------------------- the real command

    def command(self, *arguments: str) -> List[str]:
        return [sys.executable, "-m", "mlorch", *arguments]

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """The real command, in a session of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=str(self.root),
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            start_new_session=True,
        )

    def cli(self, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """The real command, to its end."""
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (arguments, process.returncode, out, err)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def copy(self, root: Path) -> Project:
        """The same project elsewhere, with other times."""
        shutil.copytree(str(self.root), str(root), symlinks=True, copy_function=shutil.copyfile)
        for path in self.root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                shutil.copymode(str(path), str(root / path.relative_to(self.root)))
        return Project(root)
