"""Predict a day's flights, those that were cancelled in the end among them: at T nobody knew.

python -m pipelines.flights.predict --table T --model M --month 12 --day 31 --out P.csv --metrics M.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Dict, Union

import joblib
import pandas as pd

from pipelines.flights import families, tables

ALARM = 0.5
"""Flights with at least this probability are counted as alarms in the metrics."""


def predict(table: pd.DataFrame, model: Path, month: int, day: int) -> pd.DataFrame:
    """One row per flight of that day, the likeliest to be late first. Raises ValueError if there is none."""
    rows = table[(table["month"] == month) & (table["day"] == day)]
    if rows.empty:
        raise ValueError(f"no flight is scheduled on 2013-{month:02d}-{day:02d}")
    minutes = rows["minute_of_day"].astype(int)
    answer = pd.DataFrame(
        {
            "flight": rows["number"],
            "origin": rows["origin"],
            "dest": rows["dest"],
            "scheduled": (minutes // 60).map("{:02d}".format) + ":" + (minutes % 60).map("{:02d}".format),
            "late_probability": families.late_probability(joblib.load(str(model)), rows).round(6),
        }
    )
    return answer.sort_values(["late_probability", "scheduled", "flight"], ascending=[False, True, True])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "model", "out", "metrics"):
        parser.add_argument("--" + name, type=Path, required=True)
    for name in ("month", "day"):
        parser.add_argument("--" + name, type=int, required=True)
    given = parser.parse_args()
    answer = predict(tables.load(given.table), given.model, given.month, given.day)
    answer.to_csv(str(given.out), index=False, lineterminator="\n")
    probability = answer["late_probability"]
    found: Dict[str, Union[int, float]] = {
        "flights": len(answer),
        "expected_late": float(probability.sum()),
        "alarms": int((probability >= ALARM).sum()),
    }
    given.metrics.write_text(json.dumps(found, sort_keys=True) + "\n")
    print("{flights} flights, {expected_late:.0f} expected to be late, {alarms} alarms".format(**found))


if __name__ == "__main__":
    main()
