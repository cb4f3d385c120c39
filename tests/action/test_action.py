"""The GitHub action, executed by `act` on this machine: a push, and a pull request that finds what the push made.

Real: the action, its scripts, bash, mlorch, git, and an HTTP server that answers as GitHub's API for comments does.
Local stand-ins, because they need GitHub's servers: the folders in `third_party/`, which say so themselves.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

ROOT = Path(__file__).resolve().parents[2]
THIRD_PARTY = Path(__file__).resolve().parent / "third_party"
ACT = Path(sys.executable).parent / "act"
pytestmark = pytest.mark.skipif(
    not ACT.exists(), reason="act is not installed here: it comes with the extra `lint`"
)

PIPELINE = """\
version: 1
name: demo
params: {n: 3}
steps:
  load: {run: "seq 1 ${{ params.n }} > ${{ outputs.o }}", outputs: {o: n.txt}}
  score:
    run: "echo '{\\"auc\\": 0.'${{ params.n }}'}' > ${{ outputs.metrics }}"
    inputs: {n: "${{ steps.load.outputs.o }}"}
    outputs: {metrics: m.json}
    goal: {auc: max}
"""
WORKFLOW = """\
on: [push, pull_request]
permissions: {contents: read, pull-requests: write}
jobs:
  run:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: mlorch/mlorch@v0
        with:
          install: ""
          args: -p note=$(id>hacked)
          fail-if: metrics.auc < baseline.metrics.auc - 0.05
"""


class GitHub(http.server.BaseHTTPRequestHandler):
    """Lists, adds and changes the comments of one pull request."""

    comments: List[Dict[str, Any]]
    tokens: List[str]

    def answer(self, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> str:
        self.tokens.append(self.headers["Authorization"])
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        assert self.path == "/repos/team/demo/issues/7/comments?per_page=100"
        self.answer(self.comments)

    def do_POST(self) -> None:
        assert self.path == "/repos/team/demo/issues/7/comments"
        self.comments.append({"id": len(self.comments) + 1, "body": self.body()})
        self.answer({})

    def do_PATCH(self) -> None:
        number = int(self.path.rsplit("/", 1)[1])
        self.comments[number - 1]["body"] = self.body()
        self.answer({})

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def github() -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Handler", (GitHub,), {"comments": [{"id": 1, "body": "somebody's"}], "tokens": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Runner:
    """A repository, and `act` over it. The action is what a checkout of ours would hold."""

    def __init__(self, folder: Path, api: str) -> None:
        self.repo, self.cache, self.artifacts = folder / "repo", folder / "cache", folder / "artifacts"
        self.action, self.api = folder / "action", api
        for path in (self.repo / ".github" / "workflows", self.cache, self.artifacts, self.action / "tools"):
            path.mkdir(parents=True)
        shutil.copy(ROOT / "action.yml", self.action)
        shutil.copytree(ROOT / "tools" / "action", self.action / "tools" / "action")
        (self.repo / ".github" / "workflows" / "mlorch.yml").write_text(WORKFLOW)
        (self.repo / ".gitignore").write_text(".mlorch/\nn.txt\nm.json\n")
        (self.repo / "mlorch.yaml").write_text(PIPELINE.replace("{n: 3}", "{n: 3, note: x}"))
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", "https://github.com/team/demo.git")
        self.commit = self.save()

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.repo, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    def save(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", "a change")
        return self.git("rev-parse", "HEAD")

    def act(self, event: str, code: int = 0) -> str:
        payload = self.action.parent / "event.json"
        base = {"sha": self.commit, "ref": "main"}
        payload.write_text(
            json.dumps({"pull_request": {"number": 7, "base": base, "head": {"ref": "topic"}}})
        )
        shutil.rmtree(self.repo / ".mlorch", ignore_errors=True)
        replaced = {
            "mlorch/mlorch@v0": self.action,
            "actions/cache@v4": THIRD_PARTY / "cache",
            "actions/upload-artifact@v4": THIRD_PARTY / "upload-artifact",
        }
        given = {"LOCAL_CACHE": self.cache, "LOCAL_ARTIFACTS": self.artifacts, "GITHUB_API_URL": self.api}
        command = [
            str(ACT),
            event,
            "-P",
            "ubuntu-latest=-self-hosted",
            "--no-cache-server",
            "-e",
            str(payload),
        ]
        command += ["-s", "GITHUB_TOKEN=hush"]
        command += [
            word for key, path in replaced.items() for word in ("--local-repository", f"{key}={path}")
        ]
        command += [word for key, value in given.items() for word in ("--env", f"{key}={value}")]
        env = {
            "PATH": f"{ACT.parent}:{os.environ['PATH']}",
            "HOME": str(self.action.parent),
            "XDG_CACHE_HOME": str(self.action.parent / "xdg"),
        }
        done = subprocess.run(
            command,
            cwd=self.repo,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout
        return done.stdout


def test_two_executions_the_second_all_cached_and_a_comment(
    tmp_path: Path, github: http.server.ThreadingHTTPServer
) -> None:
    runner = Runner(tmp_path, f"http://127.0.0.1:{github.server_address[1]}")
    first = runner.act("push")
    assert "nothing to restore" in first and "demo finished" in first
    assert len(list(runner.cache.iterdir())) == 1

    second = runner.act("pull_request")
    assert "restored from" in second and "demo is up to date: 2 cached" in second, second
    assert [path.name[:14] for path in sorted(runner.artifacts.iterdir())] == ["mlorch-report-"] * 2
    comments, tokens = github.RequestHandlerClass.comments, github.RequestHandlerClass.tokens  # type: ignore[attr-defined]
    assert comments[0]["body"] == "somebody's" and len(comments) == 2
    assert "| metric | score.auc | 0.3000 | 0.3000 |" in comments[1]["body"]
    assert set(tokens) == {"Bearer hush"}

    (runner.repo / "mlorch.yaml").write_text(PIPELINE.replace("{n: 3}", "{n: 2, note: x}"))
    runner.save()
    third = runner.act("pull_request", code=1)
    assert len(comments) == 2, "the same comment, written anew"
    assert "-0.1000 worse" in comments[1]["body"] and "**It fails:**" in comments[1]["body"], third
    assert not (runner.repo / "hacked").exists()
