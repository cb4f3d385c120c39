"""Features: nothing after T may change a bit of them, and each is what it says."""

from __future__ import annotations

from typing import Any, Tuple

import pytest

pd = pytest.importorskip("pandas", reason="the extra `examples` is not installed here")
np = pytest.importorskip("numpy", reason="the extra `examples` is not installed here")
pytest.importorskip("sklearn", reason="the extra `examples` is not installed here")

from pipelines.flights import features  # noqa: E402
from pipelines.flights.schema import FEATURES, OUTCOMES, WEATHER  # noqa: E402

LEAD_MINUTES = 120
MOMENTS = (20_000, 55_000, 112_345, 160_000, 215_000, 262_000, 300_001, 336_700)
"""Rows whose prediction time is tested: in all seasons, early and late in the day, and on 31 December."""


def departure_minutes(flights: Any) -> Any:
    """Scheduled departure in minutes since the epoch, UTC."""
    return flights["hour_utc"] * 60 + flights["minute"]


def without_what_follows(year: Any, moment: int, way: str) -> Tuple[Any, Any]:
    """Flights and weather with everything that is known only after `moment` blanked or made up."""
    flights, weather = year.flights.copy(), year.weather.copy()
    landed = departure_minutes(flights) + features.block_minutes(flights, year.zones) + flights["arr_delay"]
    later = (landed > moment).to_numpy()
    unseen = (weather["hour_utc"] * 60 > moment).to_numpy()
    assert (later.any() and unseen.any()) or moment > weather["hour_utc"].max() * 60
    for name in OUTCOMES:
        flights.loc[later, name] = None
    if way == "blank":
        flights.loc[later, "late"] = np.nan
        weather.loc[unseen, list(WEATHER)] = np.nan
    else:
        flights.loc[later, "late"] = 1.0 - flights.loc[later, "late"]
        weather.loc[unseen, list(WEATHER)] = -77.0
    return flights, weather


def bits(table: Any, rows: Any) -> bytes:
    """The features of some rows, bit for bit (NaN included)."""
    chosen = table.loc[rows, list(FEATURES)]
    return b"\0".join(
        (
            chosen[name].to_numpy()
            if name not in ("weekday", "carrier", "origin", "dest")
            else chosen[name].to_numpy().astype("U8")
        ).tobytes()
        for name in chosen.columns
    )


@pytest.mark.parametrize("row", MOMENTS)
def test_nothing_known_after_the_prediction_time_changes_a_bit(year: Any, row: int) -> None:
    departures = departure_minutes(year.flights)
    moment = int(departures[row]) - LEAD_MINUTES
    asked = (departures == departures[row]).to_numpy()
    for way in ("blank", "made up"):
        flights, weather = without_what_follows(year, moment, way)
        built = features.build(flights, weather, year.zones)
        assert bits(built, asked) == bits(year.table, asked), way


@pytest.mark.parametrize(("days", "hours"), [(0, 3), (2, 1)])
def test_shorter_lags_would_leak_and_this_is_seen(year: Any, days: int, hours: int) -> None:
    row = 215_000
    departures = departure_minutes(year.flights)
    asked = (departures == departures[row]).to_numpy()
    flights, weather = without_what_follows(year, int(departures[row]) - LEAD_MINUTES, "made up")
    leaky = [
        features.build(each, sky, year.zones, days, hours)
        for each, sky in ((year.flights, year.weather), (flights, weather))
    ]
    assert bits(leaky[0], asked) != bits(leaky[1], asked)


@pytest.mark.parametrize("by", ["carrier", "dest", "number", "origin"])
def test_late_rates_equal_a_plain_count(year: Any, by: str) -> None:
    flights = year.flights
    for row in range(5_000, len(flights), 33_333):
        asked = flights.loc[row]
        known = flights[(flights["day_number"] <= asked["day_number"] - 2) & flights["late"].notna()]
        group = known[known[by] == asked[by]]
        weight = features.SMOOTHING[by]
        expected = (group["late"].sum() + weight * known["late"].mean()) / (len(group) + weight)
        assert year.table.loc[row, by + "_rate"] == pytest.approx(expected, rel=1e-6)


def test_the_first_two_days_know_no_rates(year: Any) -> None:
    early = year.flights["day_number"] < 2
    assert year.table.loc[early, "carrier_rate"].isna().all()
    assert (
        year.table.loc[~early, ["carrier_rate", "dest_rate", "number_rate", "origin_rate"]]
        .notna()
        .all(axis=None)
    )


def test_weather_is_that_of_three_hours_before_in_utc(year: Any) -> None:
    readings = year.weather.set_index(["origin", "hour_utc"])["temp"].to_dict()
    for row in range(0, len(year.flights), 9_999):
        flight = year.flights.loc[row]
        expected = readings.get((flight["origin"], flight["hour_utc"] - 3), float("nan"))
        assert np.float32(expected) == year.table.loc[row, "temp"] or np.isnan(expected)


def test_new_years_eve_has_no_weather_and_keeps_its_flights(year: Any) -> None:
    eve = year.table[(year.table["month"] == 12) & (year.table["day"] == 31)]
    assert len(eve) == 776
    assert eve["temp"].isna().sum() > 700


def test_departures_count_the_flights_of_the_same_airport_and_hour(year: Any) -> None:
    flights = year.flights
    for row in range(77, len(flights), 50_000):
        same = (flights["origin"] == flights.loc[row, "origin"]) & (
            flights["hour_utc"] == flights.loc[row, "hour_utc"]
        )
        assert year.table.loc[row, "departures"] == same.sum()


def test_scheduled_durations_fit_the_time_in_the_air(year: Any) -> None:
    """A wrong time zone of one destination, in winter or in summer, would be an hour off."""
    spare = year.table["block_minutes"] - year.flights["air_time"]
    groups = spare.groupby([year.flights["dest"], year.flights["month"]])
    middle = groups.median()[groups.count() >= 20]
    assert len(middle) > 900
    assert middle.between(5, 75).all(), middle[~middle.between(5, 75)]


def test_rows_keep_the_order_and_the_identity_of_the_flights(year: Any) -> None:
    assert (year.table["number"] == year.flights["number"]).all()
    assert (year.table["late"].fillna(-1) == year.flights["late"].fillna(-1)).all()
