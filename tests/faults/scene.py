"""The project that faults strike: small, with every way of making an output, and what must be true of it afterwards.

Each round sets the param `x` to a new number, so that everything runs anew over what an earlier round published. Its
steps count their executions in an O_APPEND file and hold a lock of their own, so that two of them at once are seen.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from lab import Child, Ended, Lab, Setup, processes_of, wait_until

PIPELINE = """\
version: 1
name: scene
python: {python}
params: {{x: 0}}
pass_env: [NAP]
steps:
  load:
    run: |
      {begin}
      {{ cat ${{{{ inputs.s }}}}; echo load ${{{{ params.x }}}}; }} > ${{{{ outputs.o }}}}
      ${{NAP:-true}}
    inputs: {{s: source.txt}}
    outputs: {{o: out/load.txt}}
  parts:
    run: |
      {begin}
      mkdir -p ${{{{ outputs.d }}}}/deep
      echo one ${{{{ params.x }}}} > ${{{{ outputs.d }}}}/one
      ${{NAP:-true}}
      cat ${{{{ inputs.l }}}} > ${{{{ outputs.d }}}}/deep/two
    inputs: {{l: "${{{{ steps.load.outputs.o }}}}"}}
    outputs: {{d: out/parts/}}
  plain:
    run: |
      {begin}
      echo half > out/plain.txt
      ${{NAP:-true}}
      {{ cat ${{{{ inputs.l }}}}; echo plain ${{{{ params.x }}}}; }} > out/plain.txt
    inputs: {{l: "${{{{ steps.load.outputs.o }}}}"}}
    outputs: {{p: out/plain.txt}}
  each:
    run: |
      {begin}
      ${{NAP:-true}}
      {{ echo each ${{{{ matrix.n }}}} ${{{{ params.x }}}}; cat ${{{{ inputs.d }}}}/one; }} > ${{{{ outputs.o }}}}
    matrix: {{n: [1, 2]}}
    inputs: {{d: "${{{{ steps.parts.outputs.d }}}}"}}
    outputs: {{o: "out/each/${{{{ matrix.n }}}}.txt"}}
"""
CALLED = """\
  called:
    call: work:table
    inputs: {l: "${{ steps.load.outputs.o }}"}
    outputs: {o: out/called.txt}
"""
BEGIN = (
    'exec 9>> "lock-$MLORCH_STEP"; flock -n 9 || [ $? -ne 1 ] || echo "$MLORCH_STEP" >> doubled; '
    'echo "$MLORCH_STEP ${{ params.x }}" >> counts'
)
WORK = '''\
import fcntl, os, shlex, subprocess

def table(l, o, x):
    """Counts itself as the shell steps do."""
    own = os.open("lock-called", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(os.open("doubled", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"called\\n")
    os.write(os.open("counts", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"called %d\\n" % x)
    if os.environ.get("NAP"):
        subprocess.run(shlex.split(os.environ["NAP"]), check=True)
    o.write_text(l.read_text() + "called %d\\n" % x)
'''
SOURCE = "a source\n"
STEPS = ("load", "parts", "plain", "each@1", "each@2")
STAGED = (
    "out/load.txt",
    "out/parts/one",
    "out/parts/deep/two",
    "out/each/1.txt",
    "out/each/2.txt",
    "out/called.txt",
)
LEFT = ("s-", "format-")


def expected(x: int, called: bool) -> Dict[str, str]:
    """What stands under `out/` after a run."""
    load = f"{SOURCE}load {x}\n"
    files = {
        "out/load.txt": load,
        "out/parts/one": f"one {x}\n",
        "out/parts/deep/two": load,
        "out/plain.txt": f"{load}plain {x}\n",
        "out/each/1.txt": f"each 1 {x}\none {x}\n",
        "out/each/2.txt": f"each 2 {x}\none {x}\n",
    }
    if called:
        files["out/called.txt"] = f"{load}called {x}\n"
    return files


class Scene:
    """One project, struck again and again.

    Args:
        folder: where the project and what the commands print are made.
        called: whether it has a step that is a function, in a zygote.
        root: the project, where it is not to be in that folder.
        user: whose rights mlorch has; 0 for our own.
    """

    def __init__(self, folder: str, called: bool = False, root: str = "", user: int = 0) -> None:
        self.root = os.path.realpath(root or os.path.join(folder, "project"))
        self.called = called
        self.steps = (*STEPS, "called") if called else STEPS
        self.x = 0
        self.lost = False
        """Whether objects may lie in quarantine: a fault made one look unreadable."""
        self.durable = True
        """Whether what the steps count survives: not where a power cut may take it."""
        notes = os.path.join(folder, "notes")
        os.makedirs(notes, exist_ok=True)
        self.lab = Lab(self.root, notes, user)
        self.make()
        if user:
            for path in (
                notes,
                self.root,
                *(os.path.join(self.root, name) for name in os.listdir(self.root)),
            ):
                os.chown(path, user, user)

    def make(self) -> None:
        os.makedirs(self.root, exist_ok=True)
        text = PIPELINE.format(python=sys.executable, begin=BEGIN)
        self.write("mlorch.yaml", text + (CALLED if self.called else ""))
        self.write("mlorch.toml", "")
        self.write("source.txt", SOURCE)
        if self.called:
            self.write("work.py", WORK)

    def write(self, path: str, content: str) -> None:
        with open(os.path.join(self.root, path), "w", encoding="utf-8") as file:
            file.write(content)

    def read(self, path: str) -> Optional[str]:
        try:
            with open(os.path.join(self.root, path), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def outputs(self) -> Dict[str, str]:
        found = {}
        for folder, _, names in os.walk(os.path.join(self.root, "out")):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.root)
                found[path] = self.read(path) or ""
        return found

    # ---------------------------------------------------------------------------------------------------- running

    def arguments(self, *more: str) -> Tuple[str, ...]:
        return ("run", "--json", "-j", "2", "-p", f"x={self.x}", *more)

    def begin(self) -> None:
        """A new round: counters start anew."""
        self.x += 1
        for name in ("counts", "doubled"):
            if os.path.exists(os.path.join(self.root, name)):
                os.unlink(os.path.join(self.root, name))

    def start(self, setup: Optional[Setup] = None, *more: str) -> Child:
        return self.lab.start(*self.arguments(*more), setup=setup)

    def strike(self, setup: Setup, *more: str) -> Ended:
        """A new round's first run, under a fault."""
        self.begin()
        return self.start(setup, *more).wait()

    # ----------------------------------------------------------------------------------------------------- oracle

    def check(self, told: str, struck: Optional[Ended] = None) -> None:
        """The oracle, after a fault: nothing runs, nothing is torn, and one more run puts all in order.

        Args:
            told: the fault, for the message.
            struck: the run that it struck, if there was one and it ended by itself.
        """
        try:
            wait_until(lambda: not processes_of(self.root), "the end of all its processes", 20.0)
        except AssertionError as error:
            raise AssertionError(f"{told}: orphans {processes_of(self.root)}\n{struck}") from error
        if self.durable:
            self.check_whole(told)
        again = self.lab.run(*self.arguments())
        assert again.code == 0, f"{told}: the next run failed: {again}\n--- struck run\n{struck}"
        if struck is not None and struck.code == 0:
            cached = again.document()["totals"]["cached"]
            assert cached == len(self.steps), f"{told}: a reported success was lost: {again}\n{struck}"
        self.check_settled(told)

    def check_whole(self, told: str) -> None:
        """What was written through `${{ outputs }}` is a complete version: this round's or an earlier one's."""
        wanted = [expected(x, self.called) for x in range(1, self.x + 1)]
        found = self.outputs()
        for path in STAGED:
            if path in found:
                assert any(found[path] == item.get(path) for item in wanted), (
                    f"{told}: {path} holds {found[path]!r}"
                )
        parts = [found.get("out/parts/one", ""), found.get("out/parts/deep/two", "")]
        versions = {text.strip().split(" ")[-1] for text in parts}
        assert len(versions) == 1, f"{told}: a folder of two versions: {parts}"

    def check_settled(self, told: str) -> None:
        """All in order, and a further run changes nothing."""
        found = self.outputs()
        assert found == expected(self.x, self.called), f"{told}: {found}"
        assert self.read("doubled") is None, f"{told}: at the same time twice: {self.read('doubled')}"
        counts = self.counts()
        if self.durable:
            assert set(counts) == {f"{step} {self.x}" for step in self.steps}, f"{told}: {counts}"
        self.check_store(told)
        marks = self.marks()
        third = self.lab.run(*self.arguments())
        assert third.code == 0, f"{told}: the third run failed: {third}"
        totals = third.document()["totals"]
        assert totals["cached"] == len(self.steps), f"{told}: the third run executed: {third}"
        assert self.counts() == counts, f"{told}: the third run executed"
        assert self.marks() == marks, f"{told}: the third run changed {set(self.marks()) ^ set(marks)}"
        assert not processes_of(self.root), f"{told}: orphans {processes_of(self.root)}"

    def check_store(self, told: str) -> None:
        verified = self.lab.run("verify", "--json")
        area = os.path.join(self.root, ".mlorch")
        quarantined = {"blake3:" + name.split("-")[0] for name in _list(os.path.join(area, "quarantine"))}
        missing = {item["digest"] for item in verified.document()["damages"] if item["kind"] == "missing"}
        sound = verified.code == 0 or (missing and len(missing) == len(verified.document()["damages"]))
        assert sound and missing <= quarantined, f"{told}: verify: {verified}"
        left = self.leftovers(area)
        assert not left, f"{told}: left over: {left}"
        assert self.lost or not quarantined, f"{told}: sound objects were put aside: {quarantined}"
        records = {
            os.path.relpath(os.path.join(folder, name), os.path.join(area, "records"))
            for folder, _, names in os.walk(os.path.join(area, "records"))
            for name in names
        }
        with open(os.path.join(area, "index.sqlite"), "rb"):
            db = sqlite3.connect(f"file:{area}/index.sqlite?mode=ro", uri=True)
        try:
            rows = {os.fsdecode(path) for (path,) in db.execute("select path from records")}
            objects = {
                bytes(digest).hex() for (digest,) in db.execute("select digest from objects where referred")
            }
        finally:
            db.close()
        differ = f"index {rows - records}, records {records - rows}"
        assert rows == records, f"{told}: the index and the records differ: {differ}"
        standing = {
            os.path.basename(folder) + name
            for folder, _, names in os.walk(os.path.join(area, "objects"))
            for name in names
        }
        promised = objects - standing - {digest[7:] for digest in quarantined}
        assert not promised, f"{told}: the index promises {promised}"

    def leftovers(self, area: str) -> List[str]:
        """What a run must not leave: temporaries, registrations, notes, journals."""
        found = []
        for folder, folders, names in os.walk(os.path.join(area, "tmp")):
            inside = os.path.relpath(folder, area)
            found += [f"{inside}/{name}" for name in names if name != "elsewhere"]
            found += [f"{inside}/{name}" for name in folders if name not in ("staging", "aside")]
        for name in ("pending", os.path.join("locks", "runs")):
            found += [f"{name}/{item}" for item in _list(os.path.join(area, name))]
        found += [name for name in _list(area) if name.endswith(("-journal", "-wal", "-shm"))]
        return found

    def counts(self) -> Dict[str, int]:
        found: Dict[str, int] = {}
        for line in (self.read("counts") or "").splitlines():
            found[line] = found.get(line, 0) + 1
        return found

    def marks(self) -> Dict[str, Tuple[int, ...]]:
        """Inode, size and mtime of everything outside `.mlorch/`."""
        found: Dict[str, Tuple[int, ...]] = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".mlorch"]
            for name in (*folders, *names):
                path = os.path.join(folder, name)
                seen = os.lstat(path)
                size = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_size
                found[path] = (seen.st_ino, size, seen.st_mtime_ns)
        return found

    def prune(self, most: int = 40) -> None:
        """Begin a new store after a while: each round adds to it, and each `verify` reads all of it."""
        if self.x % most == 0:
            for name in (".mlorch", "out"):
                shutil.rmtree(os.path.join(self.root, name), ignore_errors=True)
            self.x += 1
            self.lost = False
            self.settle()

    def settle(self) -> None:
        """An undisturbed round."""
        self.begin()
        ended = self.lab.run(*self.arguments())
        assert ended.code == 0, ended


def error_of(ended: Ended) -> Dict[str, Any]:
    """The error document of a command under `--json`."""
    document: Dict[str, Any] = json.loads(ended.out)
    return document


def _list(path: str) -> Sequence[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return ()
