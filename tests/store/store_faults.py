"""A process that forks short-lived runs of the store's work, so that hundreds of faults take seconds.

Each line on stdin is a request `{"root", "first", "turns", "fault", "kill_after", "wait"}` (`wait`: the
first turn is done before the time to the kill begins), each on stdout its answer
`{"code", "out", "errors"}`.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3  # noqa: F401 (imported here, so that the forked need not)
import sys
import tempfile
import time
from typing import Any, Dict

from store_helpers import PIPELINE, Project, in_place, publication, record, staged

from mlorch.errors import MlorchError
from mlorch.model import Artifact
from mlorch.store import faults


def turn(project: Project, number: int) -> None:
    """One step with a file, a folder and an in-place output, as the engine would drive it."""
    outputs = [staged("out/file", name="a"), staged("out/folder", folder=True, name="b"), in_place("plain")]
    workspace = project.store.workspace
    workspace.stage(outputs, workspace.publications(PIPELINE))
    text = f"version {number} " * 50
    project.write(outputs[0].staging, text)
    for name in ("one", "two/three", "two/four"):
        project.write(outputs[1].staging + "/" + name, text + name)
    project.write("plain", text)
    made = {}
    for output in outputs:
        content = project.store.ingest(output.staging, move=output.staged)
        made[output.path] = Artifact(output.path, content)
    project.store.commit([record(number, made)])
    for artifact in made.values():
        workspace.place(artifact, publication(artifact))
    workspace.settle(outputs)


def work(root: str, first: int, turns: int) -> None:
    project = Project(root)
    lease = project.store.register("run", ["out/", "plain"], [])
    project.store.workspace.recover()
    for number in range(first, first + turns):
        turn(project, number)
        print(number, flush=True)
    lease.release()
    project.store.forget_caches()


def child(request: Dict[str, Any], out: int, errors: int) -> None:
    os.dup2(out, 1)
    os.dup2(errors, 2)
    faults.arm(request["fault"])
    try:
        work(request["root"], request["first"], request["turns"])
        os._exit(0)
    except MlorchError as error:
        os.write(2, f"fault: {error} | {error.hint}\n".encode())
        os._exit(error.exit_code)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)


def answer(request: Dict[str, Any]) -> Dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if pid == 0:
            child(request, out.fileno(), errors.fileno())
        while request["wait"] and not os.fstat(out.fileno()).st_size:
            time.sleep(0.001)
        if request["kill_after"] is not None:
            time.sleep(request["kill_after"])
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        out.seek(0)
        errors.seek(0)
        return {"code": code, "out": out.read().decode(), "errors": errors.read().decode()}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
