"""What is known two hours before each scheduled departure, and nothing that is known later."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Union

import numpy as np
import pandas as pd

from pipelines.flights import tables
from pipelines.flights.schema import FEATURES, RATED, WEATHER

WEATHER_LAG_HOURS = 3
"""T lies at most two hours before the scheduled hour; the readings of an hour earlier are out by then."""

KNOWN_AFTER_DAYS = 2
"""The last flights of yesterday may still be in the air at T; those of the day before have landed."""

SMOOTHING = {"carrier": 200.0, "dest": 200.0, "number": 20.0, "origin": 200.0}
"""How many flights at the overall rate each group starts with."""


def build(
    flights: pd.DataFrame,
    weather: pd.DataFrame,
    zones: pd.DataFrame,
    known_after_days: int = KNOWN_AFTER_DAYS,
    weather_lag_hours: int = WEATHER_LAG_HOURS,
) -> pd.DataFrame:
    """A row per flight, in the order of `flights`: the features, `late`, and which flight it is.

    The two lags are arguments so that a test can shorten them and see the leak.
    """
    table = pd.DataFrame(
        {
            "minute_of_day": flights["hour"] * 60 + flights["minute"],
            "distance": flights["distance"],
            "block_minutes": block_minutes(flights, zones),
            "departures": flights.groupby(["origin", "hour_utc"])["hour"].transform("size"),
        }
    )
    for name in RATED:
        table[name + "_rate"] = late_rate(flights, name, known_after_days)
    table = pd.concat([table, weather_before(flights, weather, weather_lag_hours)], axis=1).astype("float32")
    for name in ("weekday", "carrier", "origin", "dest"):
        table[name] = flights[name].astype(str)
    for name in ("month", "day", "day_number", "number", "hour", "late"):
        table[name] = flights[name]
    return table


def block_minutes(flights: pd.DataFrame, zones: pd.DataFrame) -> np.ndarray:
    """Scheduled minutes from gate to gate: the difference of two local times in two time zones."""
    summer = (flights["hour"] - flights["hour_utc"]) % 24 == 20
    place = zones.drop_duplicates("dest").set_index("dest").reindex(flights["dest"])
    offset = place["offset"].to_numpy() + place["summer"].to_numpy() * summer.to_numpy()
    here = np.where(summer, -4, -5)
    departure = flights["hour"].to_numpy() * 60 + flights["minute"].to_numpy()
    arrival = flights["sched_arr_time"].to_numpy() // 100 * 60 + flights["sched_arr_time"].to_numpy() % 100
    return (arrival - departure - 60 * (offset - here)) % 1440


def late_rate(flights: pd.DataFrame, by: str, lag: int = KNOWN_AFTER_DAYS) -> np.ndarray:
    """Share of late arrivals in each flight's group up to `lag` days before, drawn to that of all flights.

    NaN on days before which nothing is known. Counts are whole numbers, so no summing order changes a bit.
    """
    days = int(flights["day_number"].max()) + 1
    codes, groups = pd.factorize(flights[by], sort=True)
    day = flights["day_number"].to_numpy()
    late = flights["late"].to_numpy()
    flown = ~np.isnan(late)
    counts = np.zeros((2, days + lag, len(groups)))
    np.add.at(counts[0], (day[flown] + lag, codes[flown]), 1.0)
    np.add.at(counts[1], (day[flown] + lag, codes[flown]), late[flown])
    flights_until, late_until = counts.cumsum(axis=1)
    total, late_total = flights_until.sum(axis=1), late_until.sum(axis=1)
    with np.errstate(invalid="ignore"):
        overall = late_total / total
    weight = SMOOTHING[by]
    return (late_until[day, codes] + weight * overall[day]) / (flights_until[day, codes] + weight)


def weather_before(
    flights: pd.DataFrame, weather: pd.DataFrame, lag: int = WEATHER_LAG_HOURS
) -> pd.DataFrame:
    """The readings at the origin `lag` hours before the scheduled hour, joined in UTC; NaN where none is."""
    wanted = pd.DataFrame({"origin": flights["origin"], "hour_utc": flights["hour_utc"] - lag})
    joined = wanted.merge(weather, on=["origin", "hour_utc"], how="left", validate="many_to_one")
    return joined[list(WEATHER)].astype(float)


def features(flights: Path, weather: Path, zones: Path, table: Path) -> Dict[str, Union[int, float]]:
    """Build the table of features from the cleaned tables and write it."""
    built = build(tables.load(flights), tables.load(weather), tables.load(zones))
    tables.save(built, table)
    return {
        "rows": len(built),
        "features": len(FEATURES),
        "without_weather": float(built["temp"].isna().mean()),
        "shortest_block": float(built["block_minutes"].min()),
        "longest_block": float(built["block_minutes"].max()),
    }
