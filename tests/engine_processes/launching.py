"""What the tests of real processes share: a project folder, attempts, and a launcher that hands back how
they ended."""

from __future__ import annotations

import os
import queue
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from mlorch.engine.environment import Surroundings, step_environment
from mlorch.engine.launch import JoblibLauncher
from mlorch.model import Attempt, Ended, FunctionCommand, Needs

Result = Tuple[Attempt, Ended]


class Bench:
    """A launcher on a project folder."""

    def __init__(self, root: Path, run: str, slots: int = 2) -> None:
        self.root = root
        self.run = run
        self.results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self.launcher = JoblibLauncher(run)
        self.launcher.start(slots, self._deliver)
        self._count = 0

    def _deliver(self, attempt: Attempt, ended: Ended) -> None:
        self.results.put((attempt, ended))

    def attempt(self, *argv: str, **fields: Any) -> Attempt:
        self._count += 1
        name = fields.pop("instance", f"s{self._count}")
        identity = {
            "MLORCH_RUN_ID": self.run,
            "MLORCH_STEP": name,
            "MLORCH_ATTEMPT": "1",
            "MLORCH_CONTEXT": "",
        }
        env = step_environment(
            surroundings=Surroundings({"PATH": os.environ["PATH"], "HOME": str(self.root)}, ""),
            declared=fields.pop("env", {}),
            pass_env=fields.pop("pass_env", ()),
            secrets=(),
            needs=fields.pop("needs", Needs()),
            gpus=(),
            identity=identity,
            loaded_file=fields.get("loaded_file", "") if argv else "",
        )
        return Attempt(
            id=f"{self.run}/{name}/1",
            run=self.run,
            instance=name,
            number=1,
            argv=argv,
            cwd=str(self.root),
            env=env,
            log=str(self.root / f"{name}.log"),
            python=fields.pop("python", sys.executable),
            **fields,
        )

    def call(self, name: str, arguments: Optional[Dict[str, Any]] = None, **fields: Any) -> Attempt:
        module, _, function = name.partition(":")
        return self.attempt(function=FunctionCommand(module, function, arguments or {}), **fields)

    def send(self, attempt: Attempt) -> Attempt:
        self.launcher.send(attempt)
        return attempt

    def result(self, timeout: float = 20.0) -> Result:
        return self.results.get(timeout=timeout)

    def do(self, attempt: Attempt) -> Ended:
        self.send(attempt)
        return self.result()[1]

    def sh(self, script: str, **fields: Any) -> Ended:
        return self.do(self.attempt("sh", "-c", script, **fields))

    def log(self, attempt: Attempt) -> str:
        return Path(attempt.log).read_text(errors="surrogateescape")

    def close(self) -> None:
        self.launcher.close()
        self.launcher.check()


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for a condition; what it gave, or its last falsity."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def named(run: str, but: Sequence[int] = ()) -> List[int]:
    """Living processes with the run's id in their environment."""
    wanted = f"MLORCH_RUN_ID={run}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) not in but:
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0") and alive(int(folder.name)):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
