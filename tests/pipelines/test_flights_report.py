"""Plots and the model card."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="the extra `examples` is not installed here")
pytest.importorskip("matplotlib", reason="the extra `examples` is not installed here")
pytest.importorskip("sklearn", reason="the extra `examples` is not installed here")

from sklearn.metrics import roc_auc_score  # noqa: E402

from pipelines.flights import card, plots  # noqa: E402


@pytest.fixture
def holdout(tmp_path: Path) -> Path:
    """Fifteen days of made-up flights whose probabilities are right on average."""
    random = np.random.RandomState(5)
    probability = random.uniform(0.05, 0.7, 15 * 200)
    late = (random.uniform(size=len(probability)) < probability).astype(int)
    path = tmp_path / "holdout.npz"
    day = 304 + np.arange(len(late)) // 200
    np.savez(
        str(path), late=late, probability=probability, plain=np.full(len(late), 0.3) + late * 0.01, day=day
    )
    return path


def chunks(path: Path) -> list:
    """The chunks of a PNG, each with its kind; raises AssertionError if a sum is wrong."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, []
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + size
    return found


def test_the_plots_are_whole_png_files_that_name_no_time_and_are_the_same_twice(holdout: Path) -> None:
    paths = [[holdout.parent / f"{name}{turn}.png" for name in "abc"] for turn in (1, 2)]
    found = [plots.plots(holdout, 7, *each) for each in paths]
    assert found[0] == found[1]
    assert 0.5 < found[0]["worst_week"] <= found[0]["best_week"] < 1.0
    for first, second in zip(*paths):
        kinds = [kind for kind, _ in chunks(first)]
        assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND"
        assert not {b"tIME", b"tEXt", b"iTXt"} & set(kinds)
        assert struct.unpack(">II", chunks(first)[0][1][:8]) == (704, 528)
        assert first.read_bytes() == second.read_bytes()


def test_tenths_of_good_probabilities_lie_on_the_line(holdout: Path) -> None:
    with np.load(str(holdout)) as columns:
        predicted, observed, count = plots.bins(columns["late"], columns["probability"])
    assert (np.diff(predicted) > 0).all()
    assert count.sum() == 3_000
    assert np.abs(predicted - observed).max() < 0.08


def test_the_weekly_interval_holds_the_weeks_auc_and_leaves_broken_weeks_out(holdout: Path) -> None:
    with np.load(str(holdout)) as columns:
        found = plots.weekly(columns["late"], columns["probability"], columns["day"], 7)
    assert list(found["week"]) == [1, 2], "the fifteenth day is no week"
    assert (found["low"] < found["auc"]).all() and (found["auc"] < found["high"]).all()
    assert (found["high"] - found["low"] < 0.2).all()


def test_a_days_weight_is_how_often_its_flights_count() -> None:
    random = np.random.RandomState(1)
    probability = random.randint(0, 20, 400) / 20
    late, day = random.randint(0, 2, 400), np.arange(400) % 7 + 304
    week = plots.Week(late, probability, day)
    for weights in (np.ones(7, dtype=int), np.array([0, 2, 1, 0, 3, 1, 0])):
        rows = np.repeat(np.arange(400), weights[day - 304])
        assert week.auc(weights) == pytest.approx(roc_auc_score(late[rows], probability[rows]))


def test_the_card_says_what_a_reader_must_know(tmp_path: Path) -> None:
    row = dict.fromkeys(("auc", "average_precision", "brier", "log_loss"), 0.7)
    row.update({name + "_sd": 0.01 for name in row})
    families = [{"family": "tree", "folds": 4, **row}, {"family": "forest", "folds": 4, **row, "auc": 0.74}]
    (tmp_path / "choice.json").write_text(json.dumps({"family": "forest", "families": families}))
    measures = dict.fromkeys(("auc", "average_precision", "brier", "log_loss"), 0.6)
    found = {**measures, **{"table_" + name: value for name, value in measures.items()}}
    found.update(
        brier_skill=0.09, training_rate=0.242, holdout_rate=0.258, training_rows=273_355, rows=53_991
    )
    (tmp_path / "scores.json").write_text(json.dumps(found))
    facts = {
        "package_version": "0.0.3",
        "late_minutes": 15,
        "flights": 336_776,
        "without_outcome": 0.028,
        "late": 0.2447,
        "without_weather": 0.0036,
    }
    card.card(tmp_path / "choice.json", tmp_path / "scores.json", facts, tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "{" not in text and "}" not in text
    assert "Cancelled and diverted flights\n(2.8%)" in text
    assert "| forest | 0.7400 ± 0.0100 |" in text
    assert text.index("| forest |") < text.index("| tree |"), "the best comes first"
    assert "`dep_delay`" in text and "`number_rate`" in text
    assert "Brier skill against always saying the training rate (24.2%): 9.0%." in text
