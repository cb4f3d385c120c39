"""The HTML report as a text: what stands in it, that nothing foreign gets out of its place, and its limits."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any, Dict, List, Optional, Set, Tuple

import pytest
from hostile_texts import TEXTS, is_inert
from page_cases import BEGAN, hostile_page, instance, steps_page

from mlorch.report.page import limits, previews
from mlorch.report.page.curves import base, charts, thinned
from mlorch.report.page.document import render
from mlorch.report.page.html import anchor, text
from mlorch.report.page.model import AttemptPart, Page, RunPart, Series, StepPart
from mlorch.report.page.timeline import in_lanes, tick, timeline

VOID = {"meta", "link", "input", "br", "img"}
WORDS = (
    "html head meta title link style script noscript body header main footer nav section form output button label input "
    "h1 h2 h3 h4 h5 p span b i em q br hr small strong code pre blockquote a ul ol li dl dt dd details summary div "
    "figure figcaption img table thead tbody tr th td svg g path rect line circle text"
)
HARMLESS = set(WORDS.split())
"""What a report is made of, and what Markdown may add."""


class Reader(HTMLParser):
    """Elements and attributes of a page; a tag that closes what is not open is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: List[str] = []
        self.tags: Set[str] = set()
        self.attributes: List[Tuple[str, str, str]] = []
        self.scripts: List[Tuple[Dict[str, Optional[str]], str]] = []
        self.styles: List[str] = []
        self.texts: List[str] = []

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1] == "p" and tag != "p":
            self.open.pop()  # the end of a paragraph may be left out
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def unpacked(reader: Reader) -> List[str]:
    """The pieces of HTML that a page has packed."""
    found: List[str] = []
    for attrs, data in reader.scripts:
        if attrs.get("type") == "text/plain":
            found += json.loads(gzip.decompress(base64.b64decode(data)))
    return found


def hashes_of(html: str) -> Dict[str, str]:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy
    return dict(part.strip().split(" ", 1) for part in policy.group(1).split(";"))


# ------------------------------------------------------------------------------------------------ hostile texts


@pytest.fixture(scope="module")
def hostile() -> str:
    return render(hostile_page())


def test_hostile_texts_make_no_element_and_no_attribute(hostile: str) -> None:
    reader = read(hostile)
    pieces = [read(piece) for piece in unpacked(reader)]
    assert len(pieces) > len(TEXTS) / 2, "so much is packed"
    for part in (reader, *pieces):
        assert part.tags <= HARMLESS, part.tags - HARMLESS
        for tag, name, value in part.attributes:
            assert not name.startswith("on") and name not in ("style", "srcset", "action", "formaction"), (
                tag,
                name,
            )
            if name in ("href", "src"):
                assert value.startswith(("#", "data:", "https://", "http://", "mailto:")), (tag, value)
            if name == "src":
                assert value.startswith("data:image/"), value
    kinds = [attrs.get("type") for attrs, _ in reader.scripts]
    assert kinds.count(None) == 1, "one script is executed"


def test_hostile_texts_stay_where_they_are_and_move_nothing(hostile: str) -> None:
    reader = read(hostile)
    shown = [*reader.texts, *(value for _, _, value in reader.attributes)]
    for piece in unpacked(reader):
        part = read(piece)
        shown += [*part.texts, *(value for _, _, value in part.attributes)]
    assert all(is_inert(item) for item in shown), [item[:80] for item in shown if not is_inert(item)][:5]
    hostile.encode("utf-8")
    assert chr(0x202E) not in hostile and "\\u202e" in "".join(shown)


def test_very_long_texts_are_cut(hostile: str) -> None:
    assert "x" * 5_000 not in hostile
    assert all("x" * 5_000 not in piece for piece in unpacked(read(hostile)))


def test_the_policy_names_the_one_style_and_the_one_script(hostile: str) -> None:
    for html in (hostile, render(steps_page(2))):
        policy = hashes_of(html)
        reader = read(html)
        assert policy["default-src"] == "'none'" and policy["img-src"] == "data:"
        assert policy["base-uri"] == policy["form-action"] == "'none'"
        script = next(data for attrs, data in reader.scripts if "type" not in attrs)
        for name, source in (("style-src", "".join(reader.styles)), ("script-src", script)):
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
            assert policy[name] == f"'sha256-{digest}'"


def test_anchors_are_distinct_and_hold_no_space() -> None:
    names = [*TEXTS.values(), "a.b", "a~2e~b", "a/b", "a~2f~b", "a b", "train@3-0"]
    anchors = {anchor(name) for name in names}
    assert len(anchors) == len(set(names))
    assert all(re.fullmatch(r"s-[A-Za-z0-9_.@=~-]*", item) for item in anchors)
    assert anchor("train@3-0") == "s-train@3-0"


# --------------------------------------------------------------------------------------------------- size


def test_two_hundred_steps_are_at_most_150_kilobytes() -> None:
    html = render(steps_page(200, failed=(17,)))
    assert len(html.encode("utf-8")) <= 150_000
    pieces = unpacked(read(html))
    assert len(pieces) == 200 and any("working on part 4 of 4" in piece for piece in pieces)


def test_few_steps_stand_in_the_page_as_they_are() -> None:
    html = render(steps_page(8, failed=(3,)))
    assert unpacked(read(html)) == [] and html.count("working on part 4 of 4") == 8
    assert html.index('data-o="failed" open') > 0 and html.count(" open>") == 1


def test_every_link_leads_somewhere() -> None:
    page = steps_page(12, failed=(3,))
    reader = read(render(page))
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in reader.attributes if name == "href" and value.startswith("#")}
    assert targets <= set(ids)


def test_a_graph_too_large_to_read_is_not_drawn() -> None:
    count = limits.DRAWN_STEPS + 1
    steps = tuple(StepPart(f"s{i}", outcomes={"cached": 1}) for i in range(count))
    page = dataclasses.replace(steps_page(1), steps=steps, edges=(("s0", "s1"),), attempts=())
    html = render(page)
    assert f"the graph of {count} steps is not drawn" in html and "nothing was executed" in html


def test_instances_stand_below_their_step() -> None:
    folds = tuple(
        dataclasses.replace(instance(i), name=f"fit@{i}", step="fit", axes={"fold": i}) for i in range(3)
    )
    step = StepPart("fit", folds, matrix=True, more=4, outcomes={"succeeded": 7})
    html = render(dataclasses.replace(steps_page(1), steps=(step,), edges=(), attempts=()))
    assert '<details class="many" data-o="succeeded">' in html and html.count('id="s-fit@') == 3
    assert "4 more instances are left out: see `mlorch show c09d44`" in html and "7 instances" in html


def test_a_run_of_nothing() -> None:
    run = RunPart("abc123", BEGAN, None, "crashed")
    html = render(Page(run, "empty", "mlorch.yaml"))
    assert "was cut off" in html and "this run had no steps" in html
    read(html)


# ----------------------------------------------------------------------------------------------- timeline, curves


def attempt(name: str, started: float, seconds: float, number: int = 1) -> AttemptPart:
    return AttemptPart(name, number, BEGAN + started, seconds, "succeeded")


def test_attempts_that_overlap_stand_in_lanes() -> None:
    placed = in_lanes([attempt("c", 1.0, 2), attempt("a", 0, 1.0), attempt("b", 0, 5), attempt("d", 3, 1)])
    assert [(item.instance, item.lane) for item in placed] == [("a", 0), ("b", 1), ("c", 0), ("d", 0)]


def test_a_retried_attempt_says_which_it_is() -> None:
    drawn = timeline([attempt("a", 0, 1, 1), attempt("a", 2, 3, 2)], BEGAN)
    assert "a: 1.0s" in drawn and "a (attempt 2): 3.0s" in drawn and "1 slot;" in drawn


@pytest.mark.parametrize("length", [0.002, 0.5, 3, 59, 61, 3_601, 90_000, 40 * 86_400])
def test_ticks_are_few(length: float) -> None:
    assert 1 <= length / tick(length) <= 10


def test_curves_of_one_metric_share_a_chart() -> None:
    assert [base(name) for name in ("val_loss", "loss/train", "auc", "validation-f1")] == [
        "loss",
        "loss",
        "auc",
        "f1",
    ]
    points = ((0.0, 1.0), (1.0, 0.5))
    drawn = charts([Series("train_loss", points), Series("val_loss", points), Series("auc", points)])
    assert drawn.count("<figure") == 2 and "train_loss: 1 to 0.5 over 2, least 0.5 at 1, most 1 at 0" in drawn


def test_a_thinned_curve_keeps_its_peaks() -> None:
    points = [(float(i), 0.0) for i in range(10_000)]
    points[7777] = (7777.0, 9.0)
    points[1234] = (1234.0, -9.0)
    found = thinned(points)
    assert len(found) <= limits.POINTS + 2 and points[7777] in found and points[1234] in found
    assert found == sorted(found)


def test_many_curves_are_cut_with_a_sentence() -> None:
    many = [Series(f"m{i}", ((0.0, 1.0), (1.0, 2.0))) for i in range(limits.CHARTS + 3)]
    assert "3 more curves are left out" in charts(many)


# ---------------------------------------------------------------------------------------------------- previews

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def test_a_table_shows_its_head() -> None:
    data = b"id,text\n" + b"".join(b'%d,"a, %d\nb"\n' % (i, i) for i in range(100))
    found = previews.read("t.csv", data)
    assert found.rows[0] == ("id", "text") and found.rows[1] == ("0", "a, 0\nb")
    assert len(found.rows) == limits.ROWS + 1 and found.note.startswith(f"the first {limits.ROWS} of about")
    wide = previews.read("w.tsv", b"\t".join(b"c%d" % i for i in range(40)) + b"\n")
    assert len(wide.rows[0]) == limits.COLUMNS and wide.note == f"the first {limits.COLUMNS} of 40 columns"
    assert previews.read("s.csv", "a;b\n1;2\n".encode("utf-8-sig")).rows == (("a", "b"), ("1", "2"))


@pytest.mark.parametrize(
    ("path", "data", "note"),
    [
        ("a.png", b"<script>", "it is no PNG file"),
        ("a.svg", b"plain", "it is no SVG"),
        ("a.csv", b"", "it is empty"),
        ("a.txt", b"", "it is empty"),
        ("a.json", b"{torn", "it is not valid JSON: Expecting property name"),
        ("a.json", b"[" * 100_000, "it is not valid JSON: maximum recursion depth"),
        ("a.csv", b'"' + b"x" * 200_000, "it can't be shown: field larger than field limit"),
        ("a.bin", b"x", "there is no preview of such a file"),
        (
            "a.png",
            PNG + b"\0" * limits.IMAGE_BYTES,
            "it is left out: 1.5 MB is more than the 1.5 MB of an image",
        ),
    ],
)
def test_what_is_not_what_it_says_is_told(path: str, data: bytes, note: str) -> None:
    assert note in previews.read(path, data).note


def test_an_svg_is_an_image_and_never_an_element() -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    drawn = previews.draw(previews.read("plots/a.svg", data))
    assert "<svg" not in drawn and "<script" not in drawn
    assert base64.b64encode(data).decode() in drawn and 'src="data:image/svg+xml;base64,' in drawn


def test_markdown_is_rendered_without_what_could_act() -> None:
    source = (
        "# Title\n\ntext *soft* <b>no</b>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![pic](http://evil.example/x.png)\n\n"
        "[out](https://example.org/) [bad](javascript:alert(1)) [file](file:///etc/passwd) [here](#s-x) [rel](a.html)\n"
    )
    drawn = previews.markdown(source)
    assert (
        "<h4>Title</h4>" in drawn
        and "<em>soft</em>" in drawn
        and "<td>2</td>" in drawn
        and "&lt;b&gt;" in drawn
    )
    assert "<img" not in drawn and 'href="https://example.org/" rel="noreferrer noopener"' in drawn
    assert re.findall(r'href="([^"]*)"', drawn) == ["http://evil.example/x.png", "https://example.org/"]


def test_long_texts_are_cut_with_a_sentence() -> None:
    found = previews.read("a.txt", b"line\n" * 5_000)
    assert found.text.count("\n") == limits.TEXT_LINES - 1
    assert found.note == f"the first {limits.TEXT_LINES} lines of 25.0 kB"
    assert previews.read("a.txt", b"one\ntwo\n").note == ""
    assert previews.read("a.json", b'{"b": [1, NaN]}').text.startswith('{\n  "b": [')


def test_parquet_shows_its_head_with_pyarrow() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (the extra `parquet`)")
    from io import BytesIO

    from pyarrow import parquet

    buffer = BytesIO()
    columns: Dict[str, Any] = {
        "id": list(range(50)),
        "name": [None if i == 1 else f"n{i}" for i in range(50)],
    }
    parquet.write_table(pyarrow.table(columns), buffer)
    found = previews.read("t.parquet", buffer.getvalue())
    assert (
        found.rows[:3] == (("id", "name"), ("0", "n0"), ("1", "")) and found.note == "the first 20 of 50 rows"
    )
    assert "can't be read as Parquet" in previews.read("t.parquet", b"PAR1 torn").note


def test_parquet_without_pyarrow_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "install pyarrow" in previews.read("t.parquet", b"PAR1").note


def test_an_old_pyarrow_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    old = types.ModuleType("pyarrow")
    old.__version__ = "14.0.0"  # type: ignore[attr-defined]
    old.parquet = types.ModuleType("pyarrow.parquet")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", old)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", old.parquet)  # type: ignore[attr-defined]
    assert "may run code" in previews.read("t.parquet", b"PAR1").note


def test_text_is_escaped_for_elements_and_quoted_attributes() -> None:
    assert text('<a href="x">&\x1b[31m\u202e') == "&lt;a href=&quot;x&quot;&gt;&amp;\\u202e"
