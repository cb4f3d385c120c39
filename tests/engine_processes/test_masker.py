"""Secrets leave no trace in logs: raw, encoded, split over writes, at any rate."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import List
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import Bench

from mlorch.engine.masker import Masker, contains_secret, mask, patterns_of

SECRET = "p4$$w 'or\"d/+é"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower().replace("p4", "p4"),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        shlex.quote(SECRET)[1:-1],
        SECRET.replace("'", "'\\''"),
        repr(SECRET)[1:-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_common_encodings_are_masked(form: str) -> None:
    text = f"begin {form} end"
    assert mask(text, [SECRET]) == "begin *** end" and contains_secret(text, [SECRET])


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "https://me:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_wherever_the_value_begins(before: str, encode: type) -> None:
    encoded = encode((before + SECRET + " and more").encode()).decode()
    core = mask(encoded, [SECRET])
    assert "***" in core and contains_secret(encoded, [SECRET])
    assert len(core) - 3 <= len(base64.b64encode((before + " and more").encode())) + 8


def test_short_values_are_left_alone_and_lines_of_keys_are_not() -> None:
    assert mask("abc", ["abc"]) == "abc" and not contains_secret("abc", ["abc"])
    key = "-----BEGIN KEY-----\nMIIabcdefgh\nxyz\n-----END KEY-----\n"
    assert mask("see MIIabcdefgh here", [key]) == "see *** here"
    assert mask("xyz", [key]) == "xyz"
    assert mask("nothing", []) == "nothing"


def test_text_that_no_encoding_takes_is_searched_too() -> None:
    assert mask("\ud800 hunter22", ["hunter22"]).endswith(" ***")
    assert mask("\ud800", ["hunter22"]) == "\ud800" and not contains_secret("\udcff\ud800", ["hunter22"])
    assert mask("\udcff hunter22", ["hunter22"]) == "\udcff ***"


@given(
    secrets=st.lists(st.text(alphabet="ab\x00*é", min_size=4, max_size=9), min_size=1, max_size=3),
    parts=st.lists(st.text(alphabet="ab\x00*é", max_size=12), max_size=12),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_a_secret_split_over_writes_never_comes_through(
    secrets: list, parts: list, data: st.DataObject
) -> None:
    stream = "".join(
        part + (data.draw(st.sampled_from(secrets)) if data.draw(st.booleans()) else "") for part in parts
    ).encode()
    masker = Masker(secrets)
    out, position = b"", 0
    while position < len(stream):
        step = data.draw(st.integers(1, 7))
        out += masker.feed(stream[position : position + step])
        position += step
    out += masker.flush()
    for secret in secrets:
        if secret.strip("*"):
            assert secret.encode() not in out.replace(b"***", b"\xff")
    if not any(contains_secret(stream.decode(), [secret]) for secret in secrets):
        assert out == stream


def reference(stream: bytes, secrets: List[str]) -> bytes:
    """What masking means: in the whole text each form, the longest first, becomes stars."""
    for pattern in patterns_of(tuple(secrets)):
        stream = stream.replace(pattern, b"***")
    return stream


def streamed(stream: bytes, secrets: List[str], *cuts: int) -> bytes:
    masker = Masker(secrets)
    pieces = [stream[begin:end] for begin, end in zip((0, *cuts), (*cuts, len(stream)))]
    return b"".join(map(masker.feed, pieces)) + masker.flush()


@given(
    secrets=st.lists(st.text(alphabet="ab-/\n", min_size=4, max_size=12), min_size=1, max_size=3),
    parts=st.lists(st.text(alphabet="ab-/\n", max_size=6), max_size=6),
    data=st.data(),
)
@settings(max_examples=120, deadline=None)
def test_masking_is_the_same_wherever_a_stream_is_split(
    secrets: List[str], parts: List[str], data: st.DataObject
) -> None:
    """Secrets may overlap one another and themselves, and their forms stand in each other."""
    forms = [""] + [form.decode() for form in patterns_of(tuple(secrets))]
    stream = "".join(part + data.draw(st.sampled_from(forms)) for part in parts).encode()
    wanted = reference(stream, secrets)
    for cut in range(len(stream) + 1):
        assert streamed(stream, secrets, cut) == wanted, cut
    assert streamed(stream, secrets, *range(1, len(stream))) == wanted


def test_a_key_of_many_lines_is_masked_as_a_whole_and_line_by_line() -> None:
    lines = [
        "-----BEGIN KEY-----",
        *(f"{chr(65 + at) * 8}{at:056d}" for at in range(26)),
        "-----END KEY-----",
    ]
    key = "\n".join(lines) + "\n"
    secrets = ["hunter22", key]
    text = f"all: {key}json: {json.dumps(key)} one: {lines[7]} other: hunter22 {'-' * 200} {lines[3][:-1]}\n"
    wanted = f'all: ***json: "***" one: *** other: *** {"-" * 200} {lines[3][:-1]}\n'
    stream = text.encode()
    assert reference(stream, secrets).decode() == wanted
    for cut in range(0, len(stream), 7):
        assert streamed(stream, secrets, cut, min(cut + 30, len(stream))).decode() == wanted, cut


def test_little_is_held_back_of_secrets_that_overlap_without_end() -> None:
    masker = Masker(["abab"])
    shown = sum(len(masker.feed(b"ab" * 50_000)) for _ in range(4))
    assert shown and len(masker._held) <= 4 * (1 << 10)
    assert not (masker.feed(b"x") + masker.flush()).strip(b"*x")


def test_nothing_is_held_back_that_cannot_begin_a_secret() -> None:
    masker = Masker(["hunter22"])
    assert masker.feed(b"epoch 1 done\n") == b"epoch 1 done\n"
    assert masker.feed(b"hunt") == b"" and masker.feed(b"ing\n") == b"hunting\n"


def test_a_masked_log_of_a_run_and_of_a_call(bench: Bench) -> None:
    secret = "correct-horse-battery"
    script = "printf 'a correct-ho'; sleep 0.1; printf 'rse-battery b\\n'; echo $X >&2; (sleep 0.2; echo late) & wait"
    attempt = bench.attempt("sh", "-c", script, env={"X": secret}, secrets=(secret,))
    assert bench.do(attempt).exit_code == 0
    assert bench.log(attempt) == "a *** b\n***\nlate\n"
    (bench.root / "steps.py").write_text("def f(x):\n    print('got', x)\n    raise ValueError('bad ' + x)\n")
    attempt = bench.call("steps:f", {"x": secret}, secrets=(secret,))
    ended = bench.do(attempt)
    assert ended.error == "ValueError: bad ***"
    assert secret not in bench.log(attempt) and bench.log(attempt).startswith("got ***\n")


def test_a_masked_log_ends_though_somebody_keeps_it_open(bench: Bench) -> None:
    attempt = bench.attempt("sh", "-c", "echo one; env -i setsid sleep 3 & echo two", secrets=("hunter22",))
    ended = bench.do(attempt)
    assert ended.exit_code == 0 and ended.seconds < 2
    assert sorted(bench.log(attempt).split()) == ["one", "two"]


def test_huge_masked_output_is_whole(bench: Bench) -> None:
    script = "yes 'some line with hunter22 in it' | head -n 300000"
    attempt = bench.attempt("sh", "-c", script, secrets=("hunter22",))
    bench.do(attempt)
    lines = Path(attempt.log).read_text().splitlines()
    assert len(lines) == 300000 and set(lines) == {"some line with *** in it"}
