"""Each text from outside through each sink, read back by what reads that sink: a shell, Graphviz, an XML and a Markdown
parser, a CSV reader, a mail parser, SQLite, the grammar of GitHub's runner.

Two sinks have no parser that runs without a network: Mermaid (its own comes from npm and wants a browser), of which
the lines are held to a grammar that is stricter than its own; and cron, whose treatment of `%` and line ends is written
down here. Rich's markup is
obeyed by nobody, as mlorch paints its lines itself: it must come out letter by letter. Steps' shells, argv and environment are
in `test_hostile_injection.py`, the HTML page in `tests/report/test_report_page.py`, webhooks over a real server in
`tests/acceptance/test_accept_alerts.py`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
from hostile_texts import CANARY, TEXTS, is_inert

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "report"))

from report_fakes import FakeLogs, make_outcome, make_pipeline, make_summary

from mlorch.cli.compare import Format, compare_text
from mlorch.cli.init import cron_line
from mlorch.commit import commit_of
from mlorch.errors import UsageError
from mlorch.history.compare import Column, Comparison, Row
from mlorch.model import Channel, Event, Pipeline, Place, Problem, Reason, RunSummary, Settings
from mlorch.notify.delivery import mail_of
from mlorch.notify.message import Alert, Failed
from mlorch.notify.shapes import SHAPES
from mlorch.report.frames import render
from mlorch.report.github import GitHubListener, failure_annotations, masks
from mlorch.report.graph import GraphView, Node, draw_ascii, draw_dot, draw_mermaid, draw_svg
from mlorch.report.job_summary import job_summary
from mlorch.report.lines import JsonLinesListener, LineListener
from mlorch.report.live.listener import LiveListener
from mlorch.report.style import PLAIN, Style
from mlorch.report.summary import render_summary
from mlorch.store import open_store
from mlorch.store.index import blob
from mlorch.store.seen import Seen, unfolded

MARKUP = TEXTS["markup"]


# ------------------------------------------------------------------------------------------------ a run full of it


def events(text: str) -> Iterator[Event]:
    """A run in which everything that can be text is this text."""
    started = {"name": text, "pipeline": text, "root": "/nowhere", "jobs": 2, "argv": [text], "secrets": [],
               "steps": {text: {"instances": 1, "run": 1}}, "params": {text: text}}  # fmt: skip
    ended = {"outcome": "failed", "error": text, "hint": text, "seconds": 1.0, "attempts": 1, "log": text}
    yield Event("run.started", 1.0, "7f3a91", data=started)
    yield Event("warning", 1.0, "7f3a91", data={"text": text})
    reason = {"kind": "param", "name": text, "text": text}
    yield Event("step.started", 2.0, "7f3a91", text, text, {"reasons": [reason], "log": text})
    yield Event("step.retried", 3.0, "7f3a91", text, text, {"error": text, "attempt": 1, "delay": 1.0})
    yield Event("step.finished", 4.0, "7f3a91", text, text, ended)
    yield Event("step.blocked", 4.0, "7f3a91", text + "b", text, {"outcome": "blocked", "causes": [text]})
    yield Event(
        "run.finished", 5.0, "7f3a91", data={"status": "failed", "totals": {"failed": 1}, "exit_code": 1}
    )


def summary(text: str) -> RunSummary:
    pipeline: Pipeline = replace(make_pipeline(("a", "b")), name=text, description=text, owner=text)
    failed = make_outcome("a", "failed", error=text, hint=text, log=text, command=text, attempts=1,
                          reasons=(Reason("param", text=text),), warnings=(text,))  # fmt: skip
    made = make_outcome("b", "succeeded", metrics={text: text, "n": 1.0})
    return make_summary([failed, made], pipeline=pipeline, warnings=(text,), previous={f"b.{text}": "x", "b.n": 2.0},
                        upstream={"a": (), "b": ("a",)})  # fmt: skip


def graph(text: str) -> GraphView:
    nodes = (Node("x", text, 1, "failed", text), Node("y", text, 3, "succeeded", ""))
    return GraphView(text, nodes, (("x", "y"),))


def alert(text: str) -> Alert:
    failed = Failed("a" + text, text, (text,), log=text, reproduce=text)
    return Alert("failure", text, text, "7f3a91", 1.0, owner=text, instance=text, note=text, failed=(failed,),
                 blocked=(text,), host=text, link=text)  # fmt: skip


def comparison(text: str) -> Comparison:
    rows = (Row("param", text, (text, "x")), Row("metric", "n" + text, (1.5, text)))
    return Comparison((Column("r1", text), Column("r2", "r2")), rows)


# ------------------------------------------------------------------------------------------------------------ sinks


def shown_literally(text: str, shown: str) -> None:
    """No sequence, no control character; and Rich's markup letter by letter."""
    assert is_inert(shown, colours=True), repr(shown)
    if text == MARKUP:
        assert "[bold red]x[/bold red]" in shown


def plain_lines(text: str, folder: Path) -> None:
    del folder
    for style in (PLAIN, Style(unicode=False), Style(color=True)):
        stream = io.StringIO()
        listener = LineListener(stream, style)
        for event in events(text):
            listener(event)
        listener.close()
        shown_literally(text, stream.getvalue())


def live_screen(text: str, folder: Path) -> None:
    """Its own movements are taken out first: what is left must hold none."""
    del folder
    master, slave = os.openpty()
    painted: List[bytes] = []
    reader = threading.Thread(target=lambda: painted.extend(_read_all(master)))
    reader.start()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        listener = LiveListener(stream, Style(color=True))
        for event in events(text):
            listener(event)
            if event.kind == "step.started":
                time.sleep(0.1)  # until the running step is painted
        listener.close()
    reader.join()
    os.close(master)
    own = re.compile(r"\x1b\[(?:\?(?:25|7|2026)[hl]|[0-9]*[ABCDGJK]|[0-9;]*m)|\r")
    shown = own.sub("", b"".join(painted).decode("utf-8"))
    assert is_inert(shown), repr(shown)
    if text == MARKUP:
        assert "[bold red]x" in shown


def _read_all(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the terminal was closed
            return
        yield data


def summaries(text: str, folder: Path) -> None:
    del folder
    shown_literally(text, render_summary(summary(text), Style(color=True), FakeLogs(log=text)))
    shown_literally(text, draw_ascii(graph(text), Style(color=True)))
    shown_literally(text, compare_text(comparison(text), Format.table, Style(color=True)))
    shown_literally(text, render([Problem("E101", text, Place("mlorch.yaml"), hint=text)], []))


def obeyed(output: str) -> List[Tuple[str, Dict[str, str], str]]:
    """What GitHub's runner takes for commands in the output of a step: `::name key=value,…::data` after blanks, `##[name …]data`
    anywhere in a line; nothing but the word while commands are stopped (`ActionCommand.cs`, `ActionCommandManager.cs`)."""
    found: List[Tuple[str, Dict[str, str], str]] = []
    stopped = ""
    for line in re.split(r"\r\n|\n|\r", output):
        match = re.match(
            r"\s*::(?P<name>[^\s:]+)(?P<properties>\s[^:]*(?:(?!::):[^:]*)*)?::(?P<data>.*)", line, re.DOTALL
        )
        name, data = (match.group("name"), match.group("data")) if match else ("", "")
        if stopped:
            stopped = "" if name == stopped else stopped
            continue
        if not match:
            found += [("old command", {}, line)] if "##[" in line else []
            continue
        properties = dict(
            part.partition("=")[::2] for part in (match.group("properties") or "").strip().split(",") if part
        )
        if name == "stop-commands":
            stopped = data
        found.append((name, properties, data))
    assert not stopped, "commands are never allowed again"
    return found


def github(text: str, folder: Path) -> None:
    log = folder / "log"
    log.write_text(text, encoding="utf-8", errors="surrogatepass")
    stream = io.StringIO()
    listener = GitHubListener(stream, PLAIN, environ={})
    for event in events(text):
        if event.kind == "step.finished":
            event = replace(event, data={**event.data, "log": str(log)})
        listener(event)
    listener.close()
    names = [name for name, _, _ in obeyed(stream.getvalue())]
    assert names == ["group", "stop-commands", "endgroup"], stream.getvalue()
    shown_literally(text, stream.getvalue())
    commands = obeyed(failure_annotations(summary(text), FakeLogs(), {}))
    assert [(name, sorted(parts)) for name, parts, _ in commands] == [("error", ["file", "line", "title"])]
    lines = {line for line in text.splitlines() if len(line.strip()) >= 4} if "\0" not in text else set()
    hidden = obeyed("".join(masks(["S"], {"S": text})))
    assert {name for name, _, _ in hidden} <= {"add-mask"}
    decoded = {data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") for _, _, data in hidden}
    assert lines <= decoded


LINE = re.compile(
    r'flowchart TD|    n\d+\["[^"\\`<>&{}\[\]()|%\x00-\x1f]*(?:<br>[^"\\`<>&{}\[\]()|%\x00-\x1f]*)?"\](?::::[a-z]+)?'
    r"|    n\d+ --> n\d+|    classDef [a-z]+ fill:#\w+,stroke:#\w+,color:#\w+"
)


def mermaid(text: str, folder: Path) -> None:
    del folder
    drawn = draw_mermaid(graph(text))
    for line in drawn.rstrip("\n").split("\n"):
        assert LINE.fullmatch(line), repr(line)
    shown = re.sub(r"#(\d+);", lambda found: chr(int(found.group(1))), drawn)
    assert PLAIN.clean(text) in shown


def dot(text: str, folder: Path) -> None:
    """As Graphviz itself reads it."""
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed: nothing else reads its language")
    source = draw_dot(graph(text)).encode("utf-8")
    done = subprocess.run(["dot", "-Tdot_json"], input=source, capture_output=True, cwd=folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    document = json.loads(done.stdout.decode("utf-8"))
    assert [item["name"] for item in document["objects"]] == ["n0", "n1"] and len(document["edges"]) == 1
    for item in (document, *document["objects"], *document["edges"]):
        assert not {name.lower() for name in item} & {"url", "href", "target", "image", "shapefile"}
    shown = document["objects"][0]["label"].replace("&amp;", "&").replace('\\"', '"').replace("\\\\", "\\")
    assert PLAIN.clean(text)[:900] in shown


def svg(text: str, folder: Path) -> None:
    del folder
    root = ElementTree.fromstring(draw_svg(graph(text)))
    for element in root.iter():
        tag = element.tag.rsplit("}", 1)[-1]
        assert tag in (
            "svg",
            "style",
            "g",
            "title",
            "rect",
            "text",
            "tspan",
            "path",
            "defs",
            "marker",
            "desc",
        ), tag
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on") and "href" not in name.lower(), (name, value)


def markdown(text: str, folder: Path) -> None:
    """As CommonMark with tables reads it: tables of so many cells, and no link, image, HTML or heading from a text."""
    del folder
    parser = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False})
    table = compare_text(comparison(text), Format.md)
    page = job_summary(summary(text), FakeLogs())
    for made, tables in ((table, 1), (page, 2)):
        tokens = [item for token in parser.parse(made) for item in (token, *(token.children or ()))]
        kinds = [token.type for token in tokens]
        assert not {"link_open", "image", "html_inline", "html_block"} & set(kinds), made
        assert kinds.count("table_open") == tables and kinds.count("heading_open") == (made == page), made
        fences = [token for token in tokens if token.type == "fence"]
        assert [token.info for token in fences] == (["text", "mermaid"] if made == page else []), made
        assert is_inert(made)
        assert not re.search(
            r"(?<![\\\w])@[A-Za-z]", "".join(token.content for token in tokens if token.type == "text")
        )
    rows = [line for line in table.split("\n") if line]
    assert len(rows) == 4, table


def comma_separated(text: str, folder: Path) -> None:
    """As a program reads it, cell by cell; and no cell that a spreadsheet would compute."""
    del folder
    made = compare_text(comparison(text), Format.csv)
    rows = list(csv.reader(io.StringIO(made, newline="")))
    assert [len(row) for row in rows] == [len(rows[0])] * 3, made
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and not _is_number(cell)], cells
    assert rows[1][1].lstrip("'") == PLAIN.clean(text).lstrip("'")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9.]+(e[-+]?\d+)?", text) is not None


def webhooks(text: str, folder: Path) -> None:
    del folder
    for name, shape in SHAPES.items():
        made = json.loads(json.dumps(shape(alert(text))))
        texts = list(_texts(made)) if name != "json" else [made["title"], made["text"]]
        assert all(is_inert(item) for item in texts), (name, made)
        if name == "slack":
            assert "<" not in made["text"] and made["blocks"][0]["text"]["type"] == "plain_text"
        if name == "discord":
            assert made["embeds"][0]["description"].count("```") == 2 and made["allowed_mentions"] == {
                "parse": []
            }
        if name == "teams":
            assert made["attachments"][0]["content"]["body"][1]["type"] == "RichTextBlock"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def mail(text: str, folder: Path) -> None:
    """As a mail program reads it: the three headers that we set, each once."""
    del folder
    channel = Channel("email", ("ops@example.org",), Place("mlorch.yaml"))
    sent = mail_of(channel, alert(text), "from@example.org").as_bytes(policy=policy.SMTP)
    read = message_from_bytes(sent, policy=policy.default)
    assert sorted(name for name in list(read) if not name.startswith(("Content-", "MIME-"))) == [
        "From",
        "Subject",
        "To",
    ]
    assert read["To"] == "ops@example.org" and not read.is_multipart()
    assert is_inert(read["Subject"]) and is_inert(read.get_content().replace("\r\n", "\n"))


def json_lines(text: str, folder: Path) -> None:
    del folder
    stream = io.StringIO()
    listener = JsonLinesListener(stream)
    sent = list(events(text))
    for event in sent:
        listener(event)
    lines = stream.getvalue().split("\n")[:-1]
    assert len(lines) == len(sent) and stream.getvalue().isascii()
    assert [json.loads(line)["event"] for line in lines] == [event.kind for event in sent]
    assert json.loads(lines[1])["data"]["text"] == text


def sql(text: str, folder: Path) -> None:
    """(Of texts that can be a path.) Paths and names in the index: bytes of a parameter, never a part of the statement."""
    if "\ud800" in text:
        return
    store = open_store(Settings(root=str(folder), store=str(folder / ".mlorch")), create=True)
    seen = Seen(1, 1, 1, 1, 1, "blake3:" + "a" * 64)
    store.contents._learn_file(text, seen)
    store.contents.flush()
    assert unfolded(store.contents._load_files()[text]) == seen
    with contextlib.closing(sqlite3.connect(str(folder / ".mlorch" / "index.sqlite"))) as db:
        tables = {name for (name,) in db.execute("select name from sqlite_master where type='table'")}
        assert {"records", "files", "runs"} <= tables
        assert db.execute("select count(*) from files where path=?", (blob(text),)).fetchone() == (1,)


def cron(text: str, folder: Path) -> None:
    """A line of crontab is one line; cron takes `\\%` for `%`, ends the command at another `%`, and gives it to a shell."""
    name = text.replace("/", "_").replace("\0", "_")[:80] or "_"
    project = os.path.join(str(folder), name)
    try:
        line = cron_line(project)
    except UsageError:
        assert any(not letter.isprintable() or "\ud800" <= letter <= "\udfff" for letter in name), name
        return
    assert "\n" not in line and "\r" not in line and is_inert(line)
    command = re.split(r"(?<!\\)%", line)[0].replace("\\%", "%")
    os.mkdir(project)
    script = os.path.join(project, "mlorch-cron.sh")
    Path(script).write_text("#!/bin/sh\necho started > " + str(folder / "started") + "\n")
    os.chmod(script, 0o755)
    for shell in ("sh", "bash"):
        with contextlib.suppress(FileNotFoundError):
            (folder / "started").unlink()
        done = subprocess.run([shell, "-c", command], cwd=folder, stderr=subprocess.PIPE)
        assert done.returncode == 0 and (folder / "started").exists(), (line, done.stderr)


def branch(text: str, folder: Path) -> None:
    """What git lets be a branch, and what only an archive can bring: a HEAD that names anything."""
    repository = folder / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "a").write_text("a")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    head = (
        subprocess.run([*git, "rev-parse", "HEAD"], stdout=subprocess.PIPE, check=True)
        .stdout.decode()
        .strip()
    )
    name = os.fsencode(re.sub("[\ud800-\udbff\udc00-\udc7f\udd00-\udfff]", "", text).replace("\0", ""))
    if (
        subprocess.run(
            [*git, "check-ref-format", b"refs/heads/" + name], stderr=subprocess.DEVNULL
        ).returncode
        == 0
    ):
        subprocess.run([*git, "checkout", "-q", "-b", name, "--"], stderr=subprocess.DEVNULL)
        assert commit_of(str(repository))[0] == head
    (repository / ".git" / "HEAD").write_bytes(b"ref: refs/heads/" + name + b"\n")
    found, _ = commit_of(str(repository))
    assert found is None or re.fullmatch("(?:[0-9a-f]{40})?", found), found


SINKS: List[Callable[[str, Path], None]] = [
    plain_lines, live_screen, summaries, github, mermaid, dot, svg, markdown, comma_separated, webhooks, mail, json_lines,
    sql, cron, branch,
]  # fmt: skip


@pytest.mark.parametrize("sink", SINKS, ids=lambda sink: sink.__name__)
def test_every_text_through_every_sink(sink: Callable[[str, Path], None], tmp_path: Path) -> None:
    broken: List[str] = []
    for number, (name, text) in enumerate(TEXTS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            sink(text, folder)
        except Exception as error:
            broken.append(f"{name}: {type(error).__name__}: {str(error)[:1500]}")
        assert CANARY not in os.listdir(folder) + os.listdir(os.getcwd()), name
    assert not broken, "\n\n".join(broken)
