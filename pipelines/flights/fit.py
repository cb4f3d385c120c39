"""Fit one family: on the months before a fold's, to choose, or on all of January to October, to use it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Dict, Union

import joblib
import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from pipelines.flights import families, scores, tables
from pipelines.flights.schema import LAST_TRAINING_MONTH


def flown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with an outcome: cancelled and diverted flights are neither late nor on time."""
    return table[table["late"].notna()]


def fitted(family: str, rows: pd.DataFrame, seed: int) -> Any:
    """A model of that family, fitted on `rows`. The network's few epochs are meant: no warning is shown."""
    model = families.make(family, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows[families.columns()], rows["late"].to_numpy().astype(int))


def fold(table: Path, family: str, month: int, seed: int, scored: Path) -> Dict[str, Union[str, int, float]]:
    """Fit on January up to the month before `month`, score on `month`; `scored` gets the scores as JSON."""
    rows = flown(tables.load(table))
    rows = rows[rows["month"] <= LAST_TRAINING_MONTH]
    model = fitted(family, rows[rows["month"] < month], seed)
    asked = rows[rows["month"] == month]
    measured = scores.all_scores(asked["late"].to_numpy(), families.late_probability(model, asked))
    found = {"family": family, "month": month, **measured}
    scored.write_text(json.dumps(found, sort_keys=True) + "\n")
    return found


def refit(table: Path, choice: Path, seed: int, model: Path) -> Dict[str, Union[str, int, float]]:
    """Fit the chosen family on January to October and keep it."""
    family = json.loads(choice.read_text())["family"]
    rows = flown(tables.load(table))
    rows = rows[rows["month"] <= LAST_TRAINING_MONTH]
    joblib.dump(fitted(family, rows, seed), str(model))
    return {"family": family, "rows": len(rows), "late": float(rows["late"].mean())}
