"""A secret's canary is nowhere: every byte under the root and of every stream is searched, after every kind of end."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Dict, Iterator, List
from urllib.parse import quote

import pytest
from victim import Victim

SECRET = "s3cr/t+C4n\"ry'é&<%"
PLAIN = "canaryCANARY0123456789"
KEY = (
    "-----BEGIN KEY-----\nMIIcanary/abc+defghijklmnop==\nqrstuvwxyzCANARY0987654321abcd\n-----END KEY-----\n"
)

LEAKS = """\
import base64, json, os, sys, urllib.parse
def texts():
    for name in ("SECRET", "PLAIN", "KEY"):
        value = os.environ[name]
        yield value
        yield repr(value)
        for before in ("", "u", "user:"):
            yield base64.b64encode((before + value + "tail").encode()).decode()
            yield base64.urlsafe_b64encode((before + value + "tail").encode()).decode()
        yield urllib.parse.quote(value, safe="")
        yield urllib.parse.quote_plus(value)
        yield json.dumps({"token": value})
        yield json.dumps(value, ensure_ascii=False)
        yield value.encode().hex()
def split(text):
    data = text.encode("utf-8", "surrogateescape")
    for start in range(0, len(data), 3):
        os.write(1, data[start:start + 3])
        os.write(2, b"")
    os.write(1, b"\\n")
def leak():
    for text in texts():
        split(text)
        sys.stderr.write("err " + text + "\\n")
        sys.stderr.flush()
"""

PIPELINE = """\
version: 1
name: leaky
secrets: [SECRET, PLAIN, KEY]
steps:
  succeeds:
    run: python -c 'import leaks; leaks.leak()' && echo "$PLAIN" "$SECRET" && echo made > ${{ outputs.o }}
    outputs: {o: out/ok}
    code: [leaks.py]
  fails:
    run: python -c 'import leaks, os; leaks.leak(); raise RuntimeError(os.environ["SECRET"] + os.environ["PLAIN"])'
    code: [leaks.py]
  retries:
    run: python -c 'import leaks; leaks.leak()'; echo "$PLAIN"; exit 3
    retry: {max_attempts: 2, delay: 0s}
    code: [leaks.py]
  times_out:
    run: python -c 'import leaks; leaks.leak()'; printf %s "$PLAIN"; sleep 60
    timeout: {after: 3s, grace: 1s}
    code: [leaks.py]
  in_metrics:
    run: printf '{"a":"%s"}' "$PLAIN" > ${{ outputs.metrics }}
    outputs: {metrics: out/metrics.json}
  in_file_name:
    run: touch ${{ outputs.d }}"/x-$PLAIN-y"
    outputs: {d: out/folder/}
  in_exception:
    call: leaky:main
  in_a_shell_error:
    run: set -x; "$PLAIN/no such command"
"""


def forms() -> List[bytes]:
    found = []
    for value in (SECRET, PLAIN, KEY, KEY.splitlines()[1], KEY.splitlines()[2]):
        data = value.encode()
        found += [data, quote(data, safe="").encode(), json.dumps(value)[1:-1].encode(), data.hex().encode()]
        found.append(json.dumps(value, ensure_ascii=False)[1:-1].encode())
    for value in (SECRET, PLAIN, KEY):
        data = value.encode()
        found += [base64.b64encode(data)[:-4], base64.urlsafe_b64encode(data)[:-4]]
        found += [base64.b64encode(b"u" + data)[4:-4], base64.b64encode(b"user:" + data)[8:-4]]
    return found


def leaked(where: str, data: bytes) -> List[str]:
    return [f"{where}: {form!r} at {data.index(form)}" for form in forms() if form in data]


def everything(root: Path) -> Iterator[str]:
    """Complaints about each file's content and name below the project, the sources aside."""
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            yield from leaked(f"name in {folder}", os.fsencode(name))
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield from leaked(path, file.read())


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


@pytest.mark.parametrize("streams", ["plain", "tty", "jsonl"])
def test_no_canary_anywhere(victim: Victim, tmp_path: Path, streams: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "leaks.py").write_text(LEAKS)
    raises = "import leaks, os\ndef main():\n    leaks.leak()\n    raise ValueError(os.environ['PLAIN'] + os.environ['SECRET'])\n"
    (root / "leaky.py").write_text(raises)
    (root / "mlorch.yaml").write_text(PIPELINE)
    env: Dict[str, str] = {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "SECRET": SECRET,
        "PLAIN": PLAIN,
        "KEY": KEY,
    }
    events = str(tmp_path / "events.jsonl")
    flags = ["--progress", streams] if streams != "tty" else []
    options = {"memory": 8 << 30, "seconds": 300, "patience": 120, "tty": streams == "tty"}
    done = victim("run", "-k", "--events", events, *flags, cwd=str(root), env=env, **options)
    assert done.code == 1, done
    wrong = leaked("run", done.told.encode("utf-8", "surrogateescape"))
    wrong += leaked("events", Path(events).read_bytes())
    assert b"step.retried" in Path(events).read_bytes()
    looks = [
        ["logs"],
        ["logs", "--attempt", "0"],
        ["show", "-v"],
        ["show", "--json"],
        ["why", "fails"],
        ["plan", "--json"],
    ]
    looks += [
        ["graph", "--state", "last", "--format", "svg"],
        ["runs", "--json"],
        ["run", "succeeds", "--json"],
        ["doctor"],
    ]
    for arguments in looks if streams == "plain" else looks[:2]:
        done = victim(*arguments, cwd=str(root), env=env, memory=8 << 30, patience=120)
        assert done.code in (0, 1, 5), (arguments, done)
        wrong += leaked(" ".join(arguments), done.told.encode("utf-8", "surrogateescape"))
    assert "***" in victim("logs", cwd=str(root), env=env).out, "the steps did print"
    wrong += list(everything(root))
    assert not wrong, "\n".join(wrong[:40])
