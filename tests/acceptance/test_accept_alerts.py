"""Alerts: real runs that fail and recover, an HTTP server and a mail server on the loopback."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import jsonschema
import pytest
from aiosmtpd.controller import Controller
from kit import Project

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from hostile_texts import TEXTS

from mlorch import app
from mlorch.model import Channel, Place
from mlorch.notify import Alert, Failed, Standing, deliver, standing_of
from mlorch.notify.alerts import Alerts
from mlorch.notify.shapes import SHAPES
from mlorch.ports import RunInfo

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "alert.schema.json").read_text())
SECRET = "T0P-s3cret-path"


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps what it gets; answers with the next of `codes`, then 200."""

    got: List[Tuple[str, Dict[str, Any]]]
    codes: List[int]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append((self.path, body))
        code = self.codes.pop(0) if self.codes else 200
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Web:
    def __init__(self) -> None:
        self.handler = type("Handler", (Hook,), {"got": [], "codes": []})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/{SECRET}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def got(self) -> List[Dict[str, Any]]:
        return [body for _, body in self.handler.got]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    server = Web()
    monkeypatch.setenv("HOOK", server.address)
    yield server
    server.close()


class Mails:
    def __init__(self) -> None:
        self.got: List[Any] = []

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        del server, session
        self.got.append(envelope)
        return "250 OK"


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mails]:
    handler = Mails()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("MLORCH_SMTP", f"smtp://127.0.0.1:{port}?from=mlorch@example.org")
    yield handler
    controller.stop()


FAILING = """
owner: ml-team@example.org
pass_env: [FAIL]
steps:
  a: {run: 'echo "ValueError: no such column"; test -z "${FAIL:-}"'}
  b: {run: "true", needs: [a], owner: others@example.org}
notify: [%s]
"""


def test_a_failure_says_what_why_and_what_to_do(
    project: Project, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://ci.example.org")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/demo")
    project.pipeline(FAILING % "{webhook: HOOK}")
    project.run(code=1, keep_going=True)
    (got,) = web.got
    jsonschema.validate(got, SCHEMA)
    assert (got["kind"], got["title"], got["failures"]) == ("failure", "demo failed: a", 1)
    assert got["failed"][0]["said"] == ["ValueError: no such column"]
    assert got["failed"][0]["reproduce"] == "mlorch run a --force-step a"
    assert got["blocked"] == ["b"] and got["link"].endswith("/team/demo/actions/runs/77")
    for word in (
        "a: exit 1",
        "ValueError: no such column",
        "blocked: b",
        "owner: ml-team@example.org",
        got["run"],
    ):
        assert word in got["text"]
    kept = [json.loads(line) for line in project.lines(f".mlorch/runs/{got['run']}/alerts.jsonl")]
    assert [(item["channel"], item["sent"], item["tries"]) for item in kept] == [("webhook HOOK", True, 1)]
    assert not [path for path, data in project.everything().items() if SECRET.encode() in data]


def test_the_first_success_after_failures_is_a_recovery(
    project: Project, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pipeline(FAILING % "{webhook: HOOK}" + 'on_recovery: [{run: "echo well >> recovered"}]\n')
    project.run()
    assert web.got == [] and not project.exists("recovered")
    monkeypatch.setenv("FAIL", "1")
    project.run(code=1, force=True)
    project.run(code=1, force=True)
    monkeypatch.delenv("FAIL")
    project.run(force=True)
    project.run(force=True)
    assert [(item["kind"], item["failures"]) for item in web.got] == [
        ("failure", 1),
        ("failure", 2),
        ("recovery", 2),
    ]
    assert "failing since" in web.got[1]["text"] and "2 runs in a row" in web.got[1]["title"]
    assert "the 2 runs before had failed" in web.got[2]["text"]
    assert project.lines("recovered") == ["well"]


def test_escalation_waits_until_the_failure_stands(
    project: Project, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = '{webhook: HOOK, after: 2 failures}, {command: [sh, -c, "cat >> later"], after: 1h}'
    project.pipeline(FAILING % channels)
    monkeypatch.setenv("FAIL", "1")
    project.run(code=1)
    assert web.got == []
    monkeypatch.delenv("FAIL")
    project.run()
    assert web.got == [], "who was not told of the failure is not told that it is over"
    monkeypatch.setenv("FAIL", "1")
    project.run(code=1, force=True)
    project.run(code=1, force=True)
    assert [item["failures"] for item in web.got] == [2]
    assert not project.exists("later"), "no hour has passed"


def test_hooks_tell_of_their_step_and_of_the_run(
    project: Project, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    project.pipeline(
        """
        pass_env: [FAIL]
        steps:
          a: {run: 'test -z "${FAIL:-}"', on_failure: [{notify: {webhook: HOOK}}], on_success: [{notify: {webhook: HOOK}}]}
          b: {run: "exit 3"}
        finally: [{run: "echo end >> ended"}, {notify: {webhook: HOOK}}]
        """
    )
    project.run(code=1, keep_going=True)
    assert sorted((item["kind"], item["instance"]) for item in web.got if item["instance"]) == [
        ("failure", "a")
    ]
    assert [item["title"] for item in web.got if not item["instance"]] in (
        ["demo failed: a, b"],
        ["demo failed: b, a"],
    )
    assert project.lines("ended") == ["end"]


def test_a_step_that_misses_its_timeout_and_one_that_is_slow(
    project: Project, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlorch.notify.alerts.LEAST", 0.2)
    project.write("wait", "0")
    project.pipeline(
        """
        steps:
          slow: {run: "sleep $(cat wait)"}
          late: {run: "sleep $(cat wait)", timeout: {after: 1.5, grace: 1}, retry: {max_attempts: 2, delay: 0}}
        notify: [{webhook: HOOK, on: [slow, timeout]}]
        """
    )
    project.run()
    assert web.got == []
    project.write("wait", "2")
    project.run(code=1, force=True, keep_going=True)
    kinds = [(item["kind"], item["instance"]) for item in web.got]
    assert kinds.count(("timeout", "late")) == 2 and ("slow", "slow") in kinds
    slow = next(item for item in web.got if item["kind"] == "slow")
    assert "it usually takes 0 s" in slow["text"]


def test_mail(project: Project, mails: Mails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    project.pipeline(FAILING % "{email: [a@example.org, b@example.org], on: [failure]}")
    project.run(code=1)
    (mail,) = mails.got
    assert (mail.mail_from, mail.rcpt_tos) == ("mlorch@example.org", ["a@example.org", "b@example.org"])
    text = mail.content.decode()
    assert "Subject: demo failed: a" in text and "ValueError: no such column" in text


# ------------------------------------------------------------------------------------------ channels that do not work


def channel(kind: str, *target: str, **more: Any) -> Channel:
    return Channel(kind, target, Place("p.yaml"), **more)


ALERT = Alert(
    "failure", "demo", "p.yaml", "7f3a91", 1.0, failed=(Failed("a", "exit 1", ("boom",)),), host="h"
)


def test_what_may_pass_is_tried_again_and_the_rest_is_not(web: Web, tmp_path: Path) -> None:
    pauses: List[float] = []
    web.handler.codes = [503, 429]
    done = deliver(channel("webhook", "HOOK"), ALERT, {"HOOK": web.address}, str(tmp_path), pauses.append)
    assert (done.sent, done.tries, pauses) == (True, 3, [1.0, 3.0])
    web.handler.codes = [404]
    done = deliver(channel("webhook", "HOOK"), ALERT, {"HOOK": web.address}, str(tmp_path), pauses.append)
    assert (done.sent, done.tries, done.error) == (False, 1, "the server answered 404")
    web.handler.codes = [302]
    done = deliver(channel("webhook", "HOOK"), ALERT, {"HOOK": web.address}, str(tmp_path), pauses.append)
    assert not done.sent and "/elsewhere" not in [path for path, _ in web.handler.got]


@pytest.mark.parametrize(
    ("broken", "environ", "error"),
    [
        (channel("webhook", "HOOK"), {}, "the variable HOOK is not set"),
        (
            channel("webhook", "HOOK"),
            {"HOOK": "file:///etc/passwd"},
            "the variable HOOK holds no http or https address",
        ),
        (channel("webhook", "HOOK"), {"HOOK": "http://127.0.0.1:9/x"}, "connection refused"),
        (channel("webhook", "HOOK"), {"HOOK": "http://[::1"}, "the variable HOOK holds no address"),
        (channel("email", "a@example.org"), {"MLORCH_SMTP": "smtp://127.0.0.1:9"}, "connection refused"),
        (channel("email", "a@example.org"), {"MLORCH_SMTP": "127.0.0.1"}, "holds no address such as smtp://"),
        (channel("command", "./none"), {}, "no such file or directory"),
        (
            channel("command", "sh", "-c", "exit 7"),
            {"PATH": os.environ["PATH"]},
            "the command ended with exit 7",
        ),
        (channel("apprise", "PAGER"), {"PAGER": "nothing://x"}, "apprise"),
    ],
)
def test_a_channel_that_does_not_work_says_why_without_its_address(
    broken: Channel, environ: Dict[str, str], error: str, tmp_path: Path
) -> None:
    done = deliver(broken, ALERT, environ, str(tmp_path), lambda _: None)
    assert not done.sent and error in done.error
    for value in environ.values():
        assert value not in done.error


def test_a_run_keeps_its_own_exit_code_and_says_it_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlorch.notify.delivery.PAUSES", ())
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/" + SECRET)
    project.pipeline('steps: {a: {run: "true"}}\nnotify: [{webhook: HOOK, on: [success]}]\n')
    ran = project.run()
    assert ran.summary.warnings == ("no alert was sent through webhook HOOK: connection refused",)
    assert not [path for path, data in project.everything().items() if SECRET.encode() in data]


# --------------------------------------------------------------------------------------------------- shapes, standing


def test_every_shape_takes_hostile_texts() -> None:
    for text in TEXTS.values():
        failed = Failed("a" + text, "exit 1: " + text, (text,), log=text, reproduce=text)
        alert = Alert(
            "failure", "demo", text, "7f3a91", 1.0, owner=text, failed=(failed,), blocked=(text,), host="h"
        )
        assert "\x1b" not in alert.text and "\x1b" not in alert.title and "\n" not in alert.title
        jsonschema.validate(alert.document(), SCHEMA)
        slack = SHAPES["slack"](alert)
        assert "<" not in slack["text"] and slack["blocks"][0]["text"]["type"] == "plain_text"
        assert SHAPES["discord"](alert)["embeds"][0]["description"].count("```") == 2
        assert SHAPES["discord"](alert)["allowed_mentions"] == {"parse": []}
        for shape in SHAPES.values():
            json.dumps(shape(alert))


def test_standing_counts_back_to_the_last_success() -> None:
    def info(started: float, status: str, pipeline: str = "p.yaml") -> RunInfo:
        return RunInfo(str(started), pipeline, "demo", started, 1.0, status)

    runs = [
        info(9, "running"),
        info(8, "failed"),
        info(7, "cancelled"),
        info(6, "failed"),
        info(5, "failed", "other.yaml"),
        info(4, "succeeded"),
        info(3, "failed"),
    ]
    assert standing_of(runs, "p.yaml") == Standing(2, 6)
    assert standing_of(runs, "none.yaml") == Standing()
    standing = Standing().failed_too(100.0)
    assert standing.reaches(channel("webhook", "X", lasting=60.0), 161.0)
    assert not standing.reaches(channel("webhook", "X", lasting=60.0), 159.0)


def test_notify_test_tries_every_channel(project: Project, web: Web) -> None:
    project.pipeline(
        """
        steps: {a: {run: "true", on_failure: [{notify: {command: [sh, -c, "cat > got.json"]}}]}}
        notify: [{webhook: HOOK, format: slack}, {webhook: MISSING}]
        """
    )
    done = project.cli("notify", "test", "--json", code=1)
    channels = {item["channel"].split(" ")[-1]: item for item in json.loads(done.stdout)["channels"]}
    assert channels["HOOK"]["sent"] and channels["MISSING"]["error"] == "the variable MISSING is not set"
    assert json.loads(project.read("got.json"))["kind"] == "test"
    assert "this channel works" in web.got[0]["text"]
    assert "✗ webhook MISSING" in project.cli("notify", "test", code=1).stdout
    project.pipeline('steps: {a: {run: "true"}}')
    assert "names no channel" in project.cli("notify", "test", code=2).stderr


def test_a_channel_that_hangs_does_not_hold_up_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlorch.notify.alerts.LONGEST", 0.5)
    project.pipeline('steps: {a: {run: "true"}}\nnotify: [{command: [sleep, "8"], on: [success]}]\n')
    began = time.monotonic()
    ran = project.run()
    assert time.monotonic() - began < 7
    assert any("not all sent" in text for text in ran.summary.warnings)


def test_alerts_of_two_threads_at_once_have_one_sender(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when two steps turn out to be slow in the same moment."""
    project.pipeline('steps: {a: {run: "true"}}\nnotify: [{command: ["true"], on: [slow]}]\n')
    pipeline, start = app.load(project.request()), threading.Thread.start
    senders: List[threading.Thread] = []

    def slowly(thread: threading.Thread) -> None:
        if thread.name == "mlorch-alerts":
            senders.append(thread)
            time.sleep(0.2)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    alerts = Alerts(pipeline, lambda _: ("", ()), Standing(), lambda _: None, os.environ)
    threads = [threading.Thread(target=alerts._tell, args=("slow", "r", "a", "a", "slow")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alerts.close() == []
    assert [sender.is_alive() for sender in senders] == [False]


def test_the_owner_of_a_step_is_named_for_its_failure(project: Project, web: Web) -> None:
    project.pipeline(
        """
        owner: all@example.org
        steps: {a: {run: "exit 1", owner: a@example.org}, b: {run: "exit 1"}, c: {run: "true", owner: c@example.org}}
        notify: [{webhook: HOOK}]
        """
    )
    project.run(code=1, keep_going=True)
    assert sorted(web.got[0]["pipeline"]["owner"].split(", ")) == ["a@example.org", "all@example.org"]
