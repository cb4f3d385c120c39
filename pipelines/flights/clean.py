"""Read the CSV files, refuse what cannot be, mend what is known to be wrong, and count both."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Union

import numpy as np
import pandas as pd

from pipelines.flights import tables
from pipelines.flights.schema import WEATHER

FASTEST_WIND = 120.0
"""mph. The year holds one reading of 1,048 mph; no gust measured in New York was stronger."""

KEPT = ["origin", "hour_utc", "day_number", "month", "day", "weekday", "hour", "minute", "sched_arr_time"]
KEPT += ["carrier", "number", "dest", "distance", "late"]
"""What goes on to the later steps. Of all that is known only afterwards, `late` alone is among it."""

KEY = ["year", "month", "day", "sched_dep_time", "carrier", "flight", "origin"]

NOT_IN_AIRPORTS = {"BQN": -4, "PSE": -4, "SJU": -4, "STT": -4}
"""Puerto Rico and the Virgin Islands: UTC offset in hours, without summer time."""


def read_flights(path: Path, late_minutes: float) -> pd.DataFrame:
    """One row per scheduled flight, with `late` as 1, 0 or NaN (cancelled or diverted)."""
    flights = pd.read_csv(str(path), dtype={"carrier": str, "origin": str, "dest": str, "tailnum": str})
    flights["hour_utc"] = hours_since_epoch(flights["time_hour"])
    local = pd.to_datetime(flights[["year", "month", "day"]])
    flights["day_number"] = (local - pd.Timestamp("2013-01-01")).dt.days
    flights["weekday"] = local.dt.day_of_week
    flights["number"] = flights["carrier"] + flights["flight"].astype(str)
    flights["late"] = (flights["arr_delay"] >= late_minutes).astype(float).where(flights["arr_delay"].notna())
    return flights.drop(columns=["time_hour"]).sort_values(
        ["hour_utc", "minute", "origin", "number", "dest"], kind="stable", ignore_index=True
    )


def read_weather(path: Path) -> pd.DataFrame:
    """One row per airport and hour (`hour_utc`, hours since the epoch); impossible wind becomes missing."""
    weather = pd.read_csv(str(path))
    weather["hour_utc"] = hours_since_epoch(weather["time_hour"])
    weather["wind_speed"] = weather["wind_speed"].where(weather["wind_speed"] <= FASTEST_WIND)
    return weather[["origin", "hour_utc", *WEATHER]]


def read_zones(path: Path) -> pd.DataFrame:
    """Each destination's UTC offset in winter, and whether its clocks change in summer (0 or 1)."""
    airports = pd.read_csv(str(path))
    zones = pd.DataFrame(
        {"dest": airports["faa"], "offset": airports["tz"], "summer": (airports["dst"] == "A").astype(int)}
    )
    missing = pd.DataFrame({"dest": list(NOT_IN_AIRPORTS), "offset": list(NOT_IN_AIRPORTS.values())})
    missing["summer"] = 0
    missing = missing[~missing["dest"].isin(zones["dest"])]
    return pd.concat([zones, missing], ignore_index=True)


def hours_since_epoch(times: pd.Series) -> pd.Series:
    """ISO-8601 times in UTC (`2013-01-01T10:00:00Z`) as whole hours."""
    moments = pd.to_datetime(times, utc=True)
    return (moments - pd.Timestamp("1970-01-01", tz="UTC")) // pd.Timedelta(hours=1)


def clean(
    raw: Path, late_minutes: float, flights: Path, weather: Path, zones: Path
) -> Dict[str, Union[int, float]]:
    """Write the three tables; the returned counts are what the step's checks look at."""
    table = read_flights(raw / "flights.csv", late_minutes)
    readings = read_weather(raw / "weather.csv")
    offsets = read_zones(raw / "airports.csv")
    tables.save(table[KEPT], flights)
    tables.save(readings, weather)
    tables.save(offsets, zones)
    return {
        "flights": len(table),
        "duplicates": int(table.duplicated(KEY).sum()),
        "unknown_destinations": int((~table["dest"].isin(offsets["dest"])).sum()),
        "without_outcome": float(table["late"].isna().mean()),
        "late": float(table["late"].mean()),
        "weather_hours": len(readings),
        "weather_missing": float(np.isnan(readings[list(WEATHER)].to_numpy(dtype=float)).mean()),
    }
