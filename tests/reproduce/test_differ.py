"""Where two files differ, told in the terms of what they hold."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Dict, Tuple

import pytest

from mlorch.reproduce.differ import Located, locate, locate_folders

NUMPY_IS_THERE = "numpy is not installed (it comes with the extra `reproduce`)"
PYARROW_IS_THERE = "pyarrow is not installed (it comes with the extra `reproduce`)"


@pytest.fixture
def where(tmp_path):
    def locate_in(name: str, old, new) -> Located:
        paths = []
        for label, data in (("old", old), ("new", new)):
            path = tmp_path / label
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
            paths.append(str(path))
        return locate(paths[0], paths[1], name)

    return locate_in


def told(found: Located) -> Tuple[str, str, str]:
    return found.kind, found.where, found.text


def zipped(members: Dict[str, str], year: int = 2020, **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 2, 3, 4, 6)), text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("a.bin", b"\0\1\2\3", b"\0\1\7\3", ("bytes", "byte 2", "0x02 → 0x07")),
        ("a.bin", b"\0\1", b"\0\1\2", ("bytes", "byte 2", "one ends there: 2 bytes → 3 bytes")),
        (
            "a.bin",
            b"\0" * (1 << 20) + b"a",
            b"\0" * (1 << 20) + b"b",
            ("bytes", f"byte {1 << 20}", "0x61 → 0x62"),
        ),
        ("a.txt", "one\ntwo\n", "one\ntwx\n", ("text", "line 2, column 3", "two → twx")),
        ("a.txt", "one\ntwo\n", "one\n", ("text", "line 2, column 1", "2 lines → 1 line")),
        ("a.txt", "one\n", "one", ("bytes", "byte 3", "one ends there: 4 bytes → 3 bytes")),
        (
            "a.txt",
            "b\na\n",
            "a\nb\n",
            ("text", "line 1, column 1", "b → a (the same lines in another order)"),
        ),
        ("m.json", '{"a": [1, {"b": 2.5}]}', '{"a": [1, {"b": 2}]}', ("json", "$.a[1].b", "2.5 → 2")),
        ("m.json", '{"a": 1}', '{"a": 1, "b c": 2}', ("json", '$["b c"]', "(not there) → 2")),
        ("m.json", '{"a": 1, "b": 2}', '{"a": 2, "b": 3}', ("json", "$.a", "1 → 2; 2 values differ")),
        ("m.json", '{"a": NaN}', '{"a":NaN}', ("json", "$", "the same values, written in another way")),
        (
            "m.json",
            '{"a":1,"b":2}',
            '{"b":2,"a":1}',
            ("json", "$", "the same values, with keys in another order"),
        ),
        ("m.json", "{oops", "{oopz", ("text", "line 1, column 5", "{oops → {oopz")),
        ("h.jsonl", '{"e": 1}\n{"e": 2}\n', '{"e": 1}\n{"e": 3}\n', ("jsonl", "line 2, $.e", "2 → 3")),
        ("h.jsonl", '{"e": 1}\n', '{"e": 1}\n{"e": 2}\n', ("jsonl", "line 2", "1 line → 2 lines")),
        ("t.csv", "a,b\n1,2\n3,4\n", "a,b\n1,2\n3,5\n", ("csv", "column b, row 2", "4 → 5")),
        ("t.csv", "a,b\n1,2\n", "a,c\n1,2\n", ("csv", "column b", "column `b` is gone; column `c` is new")),
        ("t.csv", "a,b\n1,2\n", "b,a\n2,1\n", ("csv", "the head", "the columns stand in another order")),
        ("t.csv", "a\n1\n", "a\n1\n2\n", ("csv", "row 2", "1 row → 2 rows")),
        (
            "t.csv",
            "a,b\n1,x\n2,y\n",
            "a,b\n2,y\n1,x\n",
            ("csv", "column a, row 1", "1 → 2; 2 rows in 2 columns differ; the same rows in another order"),
        ),
        (
            "t.csv",
            'a\n"1"\n',
            "a\n1\n",
            ("csv", "line 1", "the same cells, written in another way (quotes or ends of lines)"),
        ),
        ("t.tsv", "a\tb\n1\t2\n", "a\tb\n1\t3\n", ("csv", "column b, row 1", "2 → 3")),
    ],
)
def test_texts_and_bytes(where, name, old, new, expected):
    assert told(where(name, old, new)) == expected


def test_a_text_has_a_diff_of_its_surroundings(where):
    lines = [f"line {number}" for number in range(1000)]
    found = where("a.md", "\n".join(lines), "\n".join(lines).replace("line 700", "line seven hundred"))
    assert found.where == "line 701, column 6"
    assert found.lines[2:5] == (" line 698", " line 699", "-line 700") and len(found.lines) == 8


def test_members_of_a_zip(where):
    one = {"a.txt": "x\n", "b/c.json": '{"k": 1}'}
    assert told(where("z.zip", zipped(one), zipped({**one, "b/c.json": '{"k": 2}'}))) == (
        "zip",
        "b/c.json: $.k",
        "1 → 2",
    )
    assert told(where("z.zip", zipped(one), zipped({"a.txt": "x\n"}))) == (
        "zip",
        "b/c.json",
        "the member is gone",
    )
    order = where("z.zip", zipped(one), zipped(dict(reversed(list(one.items())))))
    assert order.where == "member 1" and "another order" in order.text
    time = where("z.whl", zipped(one), zipped(one, year=2021))
    assert time.where == "a.txt: time" and "2021-01-02 03:04:06; all contents are equal" in time.text
    assert "date_time" in time.note
    packed = where("z.zip", zipped(one), zipped(one, compression=zipfile.ZIP_DEFLATED))
    assert packed.where in ("a.txt: compression", "layout")
    broken = zipped(one)
    assert where("z.zip", broken, broken[:-30]).kind == "bytes"


def test_gzip_tells_its_time_from_what_it_holds(where):
    first, second = gzip.compress(b"a,b\n1,2\n", mtime=1), gzip.compress(b"a,b\n1,2\n", mtime=2)
    found = where("t.csv.gz", first, second)
    assert told(found) == ("gzip", "the head's time", "1 → 2; the unpacked contents are equal")
    assert "gzip -n" in found.note
    inside = where("t.csv.gz", first, gzip.compress(b"a,b\n1,3\n", mtime=1))
    assert told(inside) == ("gzip", "column b, row 1", "2 → 3")


def test_arrays(where):
    numpy = pytest.importorskip("numpy", reason=NUMPY_IS_THERE)

    def saved(array) -> bytes:
        buffer = io.BytesIO()
        numpy.save(buffer, array)
        return buffer.getvalue()

    def npz(**arrays) -> bytes:
        buffer = io.BytesIO()
        numpy.savez(buffer, **arrays)
        return buffer.getvalue()

    old = numpy.arange(6, dtype="f8").reshape(2, 3)
    new = old.copy()
    new[1, 2] += 0.5
    assert told(where("a.npy", saved(old), saved(new))) == ("npy", "[1, 2]", "5.0 → 5.5")
    assert told(where("a.npy", saved(old), saved(old.astype("f4"))))[1:] == ("dtype", "float64 → float32")
    assert told(where("a.npy", saved(old), saved(old[:1])))[1:] == ("shape", "(2, 3) → (1, 3)")
    missing = old.copy()
    missing[0, 0] = numpy.nan
    both = missing.copy()
    both[1] += 1
    assert told(where("a.npy", saved(missing), saved(both)))[1:] == (
        "[1, 0]",
        "3.0 → 4.0; 3 of 6 elements differ, by at most 1",
    )
    found = where("a.npz", npz(w=old, b=old), npz(w=old, b=new))
    assert told(found) == ("npz", "array b: [1, 2]", "5.0 → 5.5")
    objects = saved(numpy.array([{"a": 1}], dtype=object)), saved(numpy.array([{"a": 2}], dtype=object))
    assert where("a.npy", *objects).kind == "bytes", "nothing is unpickled"


def test_parquet(where):
    pyarrow = pytest.importorskip("pyarrow", reason=PYARROW_IS_THERE)
    parquet = pytest.importorskip("pyarrow.parquet", reason=PYARROW_IS_THERE)

    def table(metadata=None, **columns) -> bytes:
        buffer = io.BytesIO()
        made = pyarrow.table(columns)
        parquet.write_table(made.replace_schema_metadata(metadata) if metadata else made, buffer)
        return buffer.getvalue()

    old = table(a=[1, 2, 3], b=["x", None, "z"])
    assert told(where("t.parquet", old, table(a=[1, 2, 3], b=["x", "y", "z"]))) == (
        "parquet",
        "column b, row 2",
        "None → y",
    )
    both = where("t.parquet", old, table(a=[1, 9, 9], b=["x", "y", "z"]))
    assert told(both)[1:] == ("column a, row 2", "2 → 9; 2 rows differ; 2 columns differ")
    assert told(where("t.parquet", old, table(a=[1, 2], b=["x", None])))[1:] == ("row 3", "3 rows → 2 rows")
    assert told(where("t.parquet", old, table(a=[1, 2, 3]))) == ("parquet", "column b", "column `b` is gone")
    assert told(where("t.parquet", old, table(a=[1.0, 2.0, 3.0], b=["x", None, "z"])))[1:] == (
        "column a",
        "type int64 → double",
    )
    about = where("t.parquet", old, table({"made": "today"}, a=[1, 2, 3], b=["x", None, "z"]))
    assert about.where == "metadata made" and "all values are equal" in about.text


@pytest.mark.parametrize("package", ["numpy", "pyarrow"])
def test_a_package_that_is_missing_is_named(where, monkeypatch, package):
    pytest.importorskip(package, reason=f"{package} is not installed (it comes with the extra `reproduce`)")
    monkeypatch.setitem(sys.modules, package, None)
    name, head = {"numpy": ("a.npy", b"\x93NUMPY"), "pyarrow": ("a.parquet", b"PAR1")}[package]
    found = where(name, head + b"a", head + b"b")
    assert found.kind == name[2:] and found.where == f"byte {len(head)}"
    assert package in found.note and "mlorch[reproduce]" in found.note


def test_folders():
    inner = Located("text", "line 1, column 1", "a → b")
    old = {"a": "1", "b": "2", "c": "3"}
    assert told(locate_folders(old, {**old, "b": "9"}, lambda _: inner)) == (
        "folder",
        "b: line 1, column 1",
        "a → b",
    )
    assert told(locate_folders(old, {"a": "1", "c": "3"}, lambda _: inner)) == (
        "folder",
        "b",
        "it is missing",
    )
    more = locate_folders(old, {**old, "b": "9", "d": "4"}, lambda _: None)
    assert told(more) == ("folder", "b", "it differs; 2 of 4 members differ")
    assert locate_folders({}, {"x": "1"}, lambda _: None).text == "it was not there"


def test_huge_numbers_and_deep_nesting_end_in_an_answer(where):
    deep = "[" * 50_000 + "1" + "]" * 50_000
    assert where("m.json", deep, deep.replace("1", "2")).kind in ("text", "json")
    assert where("m.json", "1" + "0" * 5000, json.dumps("x")).kind in ("text", "json")
    assert where("t.csv", "a\n" + "x" * 200_000, "a\n" + "y" * 200_000).kind in ("text", "csv")


def test_paths_of_any_name(tmp_path):
    folder = Path(tmp_path / "a b\n")
    folder.mkdir()
    for name, data in (("old", b"1"), ("new", b"2")):
        (folder / name).write_bytes(data)
    assert locate(str(folder / "old"), str(folder / "new"), "we ird.csv").kind in ("csv", "text")
