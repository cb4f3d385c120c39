"""A repository that somebody may clone or unpack: everything in it that could act on who only looks, does.

Whatever gets executed or imported makes a file in `alarm`; whatever is written or removed out of the project changes
`outside`, a folder beside it that stands for the user's own files.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict

from hostile_texts import FILE_NAMES

ESCAPES = "\\e]0;owned\\a\\e[2J\\e[31m\\u202Ered\\x9b31m [bold]x[/bold] ::error::forged"

PIPELINE = """\
version: 1
name: evil
description: "shown ESCAPES"
owner: "o ESCAPES"
params: {text: "value ESCAPES", "key ESCAPES": 1, n: 1}
env: {SHOWN: "ESCAPES"}
steps:
  first:
    run: cat ${{ inputs.all }} > ${{ outputs.made }} && echo ran >> ALARM/steps && printf 'log \\033]0;owned\\007 \\033[2J\\n'
    inputs: {all: "data/*"}
    outputs: {made: "out/first ESCAPES.txt"}
  second:
    run: |
      echo ran >> ALARM/steps
      printf '{"m":1,"text":"\\\\u001b]0;owned\\\\u0007"}' > ${{ outputs.metrics }}
      cp ${{ inputs.made }} ${{ outputs.copy }}
    inputs: {made: "${{ steps.first.outputs.made }}"}
    matrix: {axis: ["a ESCAPES", b]}
    outputs: {copy: "out/${{ step.instance }}/copy", metrics: "out/${{ step.instance }}/metrics.json"}
    params: [text, n]
    checks: [{assert: "${{ metrics.m > 0 }}", message: "check ESCAPES"}]
  third:
    call: evil_module:main
    inputs: {found: "${{ steps.second.outputs.copy }}"}
    outputs: {folder: "out/folder/"}
"""

MODULE = """\
import os
def alarm(): open("ALARM/module", "a").write(__name__)
alarm()
def main(folder):
    folder.mkdir(exist_ok=True)
    (folder / "member").write_text("x")
"""

SHADOWS = [
    "sitecustomize",
    "usercustomize",
    "yaml",
    "json",
    "typer",
    "rich",
    "jsonschema",
    "blake3",
    "joblib",
]
SHADOWS += ["mlorch", "sqlite3", "conftest", "setup"]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def lay_out(root: Path, alarm: Path) -> None:
    """The sources, before anybody ran anything."""
    alarm.mkdir(parents=True, exist_ok=True)

    def filled(text: str) -> str:
        return text.replace("ALARM", str(alarm)).replace("ESCAPES", ESCAPES)

    write(root / "mlorch.yaml", filled(PIPELINE))
    write(root / "evil_module.py", filled(MODULE))
    for name in SHADOWS:
        write(root / f"{name}.py", filled("open('ALARM/shadow-' + __name__, 'a').close()\n"))
    write(root / "mlorch.toml", '[screen]\ncolor = "auto"\n')
    write(
        root / "pyproject.toml",
        filled('[tool.mlorch]\nplugins = ["evil_module"]\n[tool.pytest.ini_options]\n'),
    )
    write(root / ".env", filled("MLORCH_STORE=ALARM/store\nPATH=.\nPYTHONPATH=.\nLD_PRELOAD=./evil.so\n"))
    for number, name in enumerate(FILE_NAMES):
        path = os.path.join(os.fsencode(str(root / "data")), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(f"{number}\n")
    lay_out_git(root, alarm)


def lay_out_git(root: Path, alarm: Path) -> None:
    """A repository whose own configuration names commands. Nobody clones these; an archive brings them."""
    script = root / ".git" / "evil.sh"
    config = f"""
[core]
\tfsmonitor = {script} fsmonitor
\thooksPath = {root}/.git/evil-hooks
\tpager = {script} pager
\tsshCommand = {script} ssh
\teditor = {script} editor
[diff]
\texternal = {script} diff
[filter "evil"]
\tclean = {script} clean
\tsmudge = {script} smudge
\tprocess = {script} process
\trequired = true
[filter "e=l"]
\tclean = {script} clean
[alias]
\tstatus = !{script} alias
\trev-parse = !{script} alias
[credential]
\thelper = !{script} credential
[gpg]
\tprogram = {script}
[extensions]
\tpartialClone = away
[remote "away"]
\turl = "ext::{script} remote"
\tpromisor = true
\tpartialclonefilter = blob:none
[protocol "ext"]
\tallow = always
"""
    git = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    write(root / "tracked.txt", "one\n")
    write(root / "tracked too.txt", "one\n")
    subprocess.run([*git, "add", "tracked.txt", "tracked too.txt", "mlorch.yaml"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    inner = root / "inner"
    inner.mkdir()
    deep = ["git", "-C", str(inner), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*deep, "init", "-q"], check=True)
    write(inner / "file.txt", "one\n")
    subprocess.run([*deep, "add", "file.txt"], check=True)
    subprocess.run([*deep, "commit", "-q", "-m", "x"], check=True)
    subprocess.run([*git, "add", "inner"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([*git, "commit", "-q", "-m", "y"], check=True)
    write(root / ".gitattributes", 'tracked.txt filter=evil\n"tracked too.txt" filter=e=l\n* diff=evil\n')
    write(inner / ".git" / "info" / "attributes", "* filter=evil\n")
    write(script, f'#!/bin/sh\necho "$@" >> "{alarm}/git"\ncat\n')
    script.chmod(0o755)
    hooks = root / ".git" / "evil-hooks"
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        write(hooks / name, f'#!/bin/sh\necho hook >> "{alarm}/git"\n')
        (hooks / name).chmod(0o755)
    for folder in (root, inner):
        with open(folder / ".git" / "config", "a", encoding="utf-8") as file:
            file.write(config)
    # other content of the same size, so that git must look into the files
    for path in (root / "tracked.txt", root / "tracked too.txt", inner / "file.txt"):
        path.write_text("two\n")


# ------------------------------------------------------------------------------------------ a prepared store


def records(store: Path) -> Any:
    return sorted(store.glob("records/*/*/*.json"))


def edit(path: Path, change: Callable[[Dict[str, Any]], Any]) -> None:
    os.chmod(path, 0o644)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(change(document) or document))


def name_other_outputs(store: Path, outside: Path) -> None:
    targets = [
        "../outside/victim",
        str(outside / "victim"),
        ".git/config",
        ".mlorch/format",
        "evil_module.py",
        ".",
    ]
    for number, path in enumerate(records(store)):

        def change(document: Dict[str, Any], number: int = number) -> None:
            for output in document.get("outputs", {}).values():
                output["path"] = targets[number % len(targets)]
            document["log"] = str(outside / "victim.1.log")

        edit(path, change)


def swap_objects(store: Path, outside: Path) -> None:
    del outside
    for path in sorted(store.glob("objects/*/*")):
        os.chmod(path, 0o644)
        path.write_bytes(b"other content\n")


def link_objects(store: Path, outside: Path) -> None:
    for number, path in enumerate(sorted(store.glob("objects/*/*"))):
        path.unlink()
        if number % 3 == 0:
            os.symlink(outside / "victim", path)
        elif number % 3 == 1:
            os.mkfifo(path)
        else:
            os.symlink("/dev/zero", path)


def link_records(store: Path, outside: Path) -> None:
    for number, path in enumerate(records(store)):
        path.unlink()
        if number % 2:
            os.mkfifo(path)
        else:
            os.symlink(outside / "record.json", path)


def link_logs(store: Path, outside: Path) -> None:
    for number, path in enumerate(sorted(store.glob("runs/*/*.log"))):
        path.unlink()
        if number % 2:
            os.mkfifo(path)
        else:
            os.symlink(outside / "victim", path)


def link_events(store: Path, outside: Path) -> None:
    for run in store.glob("runs/*"):
        (run / "events.jsonl").unlink()
        os.symlink(outside / "victim", run / "events.jsonl")


def pipe_events(store: Path, outside: Path) -> None:
    del outside
    for run in store.glob("runs/*"):
        (run / "events.jsonl").unlink()
        os.mkfifo(run / "events.jsonl")


def forge_events(store: Path, outside: Path) -> None:
    """Values of other kinds than expected, texts that move the cursor, logs and outputs that lie elsewhere."""
    wild = [
        "\x1b]0;owned\x07\x1b[2J",
        "::error::forged\n",
        10**400,
        -1,
        None,
        [],
        {},
        [["x"]],
        {"a": {"b": []}},
        True,
        "nan",
    ]
    for path in store.glob("runs/*/events.jsonl"):
        lines = path.read_text().splitlines()
        made = [lines[0]]
        for number, line in enumerate(lines[1:]):
            document = json.loads(line)
            made.append(json.dumps({**document, "step": wild[0], "instance": wild[0]}))
            for at, key in enumerate(sorted(document.get("data", {}))):
                changed = {**document, "instance": f"i{number}-{at}"}
                changed["data"] = {**document["data"], key: wild[(number + at) % len(wild)]}
                made.append(json.dumps(changed))
                changed["data"] = {
                    **document["data"],
                    "log": str(outside / "victim.1.log"),
                    key: {wild[0]: wild[1]},
                }
                made.append(json.dumps(changed))
        path.write_text("\n".join(made) + "\n")
    for run in list(store.glob("runs/*")):
        shutil.copytree(run, run.parent / "\x1b[2Jrun\n::error::x")


def set_traps(store: Path, outside: Path) -> None:
    """Triggers and views, rows that name other files, values of other types; none of it in our schema."""
    del outside
    db = sqlite3.connect(str(store / "index.sqlite"))
    forever = "with recursive c(x) as (select 1 union all select x+1 from c) select "
    db.execute("create trigger t1 after insert on records begin delete from runs; delete from files; end")
    db.execute("create trigger t2 after insert on files begin update files set digest=zeroblob(32); end")
    db.execute("drop table runs")
    db.execute(f"create view runs as {forever} x as id, x as size, x as mtime, '{{}}' as info from c")
    db.execute("drop table folders")
    columns = "x as name, x as signature, x as taken, '' as content, '' as detail"
    db.execute(f"create view folders as {forever} {columns} from c")
    db.commit()
    db.close()


def fill_index(store: Path, outside: Path) -> None:
    """Our own schema, but what stands in it is not what we would write."""
    db = sqlite3.connect(str(store / "index.sqlite"))
    away = os.path.relpath(outside / "record.json", store / "records")
    db.execute(
        "update records set path=cast(? || '?' || substr(id, 1) as blob)", (away.replace(".json", ""),)
    )
    row = (os.fsencode(away), b"x", b"", b"", b"mlorch.yaml", b"first", b"first", 1e12, 1.0)
    db.execute("insert into records values (?,?,?,?,?,?,?,?,?)", row)
    db.execute("insert into records values (5, 'x', null, '', ?, x'ff', 1.5, '', x'')", (b"mlorch.yaml",))
    db.execute("insert or replace into files values ('data/x', 'a', null, 1, 1, 1, 7)")
    db.execute("insert or replace into folders values (x'ff', 1, 'a', '[[[', x'00')")
    db.execute("update runs set info='not json', size=size")
    db.execute("insert or replace into objects values ('x', 'y', 'z')")
    db.commit()
    db.close()


def index_is(kind: str) -> Callable[[Path, Path], None]:
    def attack(store: Path, outside: Path) -> None:
        index = store / "index.sqlite"
        index.unlink()
        if kind == "pipe":
            os.mkfifo(index)
        elif kind == "link":
            os.symlink(outside / "victim", index)
        else:
            index.mkdir()

    attack.__name__ = f"index_is_{kind}"
    return attack


def link_folders(store: Path, outside: Path) -> None:
    """Folders of the store that lead to the user's own."""
    for name in ("kept", "pending", "quarantine", "locks", "cache", "publications", "created", "effects"):
        shutil.rmtree(store / name, ignore_errors=True)
        os.symlink(outside / "folder", store / name)


def link_tmp(store: Path, outside: Path) -> None:
    """What looks like the leftovers of a dead process is the user's."""
    shutil.rmtree(store / "tmp")
    os.symlink(outside / "folder", store / "tmp")


def link_staging(store: Path, outside: Path) -> None:
    shutil.rmtree(store / "tmp" / "staging", ignore_errors=True)
    os.symlink(outside / "folder", store / "tmp" / "staging")


def name_elsewhere(store: Path, outside: Path) -> None:
    (store / "tmp" / "elsewhere").write_bytes(os.fsencode(str(outside / "folder")) + b"\0\n")


def forge_journal(store: Path, outside: Path) -> None:
    """An unfinished stage whose content, to be put back into the project, is a file of the user's."""
    from mlorch.store.aside import _id

    aside = store / "tmp" / "aside"
    aside.mkdir(parents=True, exist_ok=True)
    for path in ("stolen.txt", "../outside/victim", "out/first"):
        document = {
            "schema": "mlorch.aside/1",
            "path": path,
            "content": str(outside / "secret"),
            "present": True,
            "owner": ["x", "y"],
        }
        (aside / f"{_id(path)}.json").write_text(json.dumps(document))


def forge_ledgers(store: Path, outside: Path) -> None:
    for folder in ("publications", "created", "effects", "kept/by-digest"):
        (store / folder).mkdir(parents=True, exist_ok=True)
    for path in store.glob("publications/*.jsonl"):
        lines = path.read_text().splitlines()
        made = list(lines)
        for line in lines[1:]:
            document = json.loads(line)
            for target in (
                "../outside/victim",
                str(outside / "victim"),
                ".git/config",
                "\x1b[2J",
                "a\0b",
                "",
            ):
                made.append(json.dumps({"publication": {**document.get("publication", {}), "path": target}}))
            made.append(json.dumps({"retired": [1]}))
            made.append(json.dumps({"retired": {}}))
            made.append(json.dumps({"publication": 7}))
        path.write_text("\n".join(made) + "\n")
    (store / "pending").mkdir(exist_ok=True)
    (store / "pending" / "deadbeef").write_text("../../outside/record.json\n")


def pipes_everywhere(store: Path, outside: Path) -> None:
    """A FIFO (where reading waits for ever) in place of each small file."""
    del outside
    for path in [
        *store.glob("*"),
        *store.glob("publications/*"),
        *store.glob("cache/*/*"),
        *store.glob("locks/*"),
        *store.glob("created/*"),
    ]:
        if path.is_file():
            path.unlink()
            os.mkfifo(path)
    (store / "pending").mkdir(exist_ok=True)
    os.mkfifo(store / "pending" / "feed")
    (store / "tmp" / "s-feed").mkdir(parents=True)
    os.mkfifo(store / "tmp" / "s-feed" / "lock")


def pipes_in_the_project(store: Path, outside: Path) -> None:
    del outside
    root = store.parent
    for name in ("mlorch.toml", "data/fifo", ".git/index", "pyproject.toml", ".venv/pyvenv.cfg"):
        path = root / name
        if path.exists():
            path.unlink()
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)


def prepared_cache(store: Path, outside: Path) -> None:
    """Remembered pipelines under the right names whose steps are others."""
    del outside
    for path in store.glob("cache/pipelines/*.json"):
        path.write_bytes(path.read_bytes().replace(b"echo ran", b"echo bad"))
    (store / "cache" / "pipelines").mkdir(parents=True, exist_ok=True)
    os.symlink("/dev/zero", store / "cache" / "pipelines" / ("0" * 64 + ".json"))


def store_is_a_link(store: Path, outside: Path) -> None:
    shutil.rmtree(store)
    os.symlink(outside / "folder", store)


ATTACKS = [
    name_other_outputs, swap_objects, link_objects, link_records, link_logs, link_events, pipe_events, forge_events,
    set_traps, fill_index, index_is("pipe"), index_is("link"), index_is("folder"), link_folders, link_tmp,
    link_staging, name_elsewhere, forge_journal, forge_ledgers, pipes_everywhere, pipes_in_the_project,
    prepared_cache, store_is_a_link,
]  # fmt: skip


def lay_out_outside(outside: Path) -> None:
    """The user's own files, old enough to be taken for leftovers."""
    folder = outside / "folder"
    for name in ("s-work", "staging/thesis", "x-1", "runs", "objects/ab", "pipelines"):
        write(folder / name / "dear.txt", "dear\n")
    write(outside / "victim", "TOPSECRET line\n")
    write(outside / "victim.1.log", "TOPSECRET line\n")
    write(outside / "secret", "TOPSECRET line\n")
    write(outside / "record.json", '{"schema": "mlorch.record/1", "id": "TOPSECRET"}')
    for path in [*outside.rglob("*"), outside]:
        os.utime(path, (1_600_000_000, 1_600_000_000))


def tree(folder: Path) -> Dict[str, Any]:
    """Everything below: kind, content and mtime."""
    found: Dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path)] = (seen.st_mode, content, seen.st_mtime_ns)
    return found
