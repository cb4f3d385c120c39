"""Choose the family by its folds alone; the holdout has no say in it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Union

from pipelines.flights.families import FAMILIES

MEASURES = ("auc", "average_precision", "brier", "log_loss")
TIE = 1e-4
"""Mean AUCs closer than this are equal; the simpler family is taken."""


def summary(family: str, folds: Sequence[Mapping[str, Any]]) -> Dict[str, Union[str, int, float]]:
    """Mean and sample standard deviation of each measure over a family's folds (0 where there is but one)."""
    row: Dict[str, Union[str, int, float]] = {"family": family, "folds": len(folds)}
    for measure in MEASURES:
        values = [float(fold[measure]) for fold in folds]
        row[measure] = statistics.mean(values)
        row[measure + "_sd"] = statistics.stdev(values) if len(values) > 1 else 0.0
    return row


def best(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row with the highest mean AUC, the simplest family among equals. `rows` may come in any order."""
    top = max(row["auc"] for row in rows)
    order = list(FAMILIES)
    return min((row for row in rows if row["auc"] > top - TIE), key=lambda row: order.index(row["family"]))


def choose(scores: List[Path], choice: Path) -> Dict[str, Union[str, float]]:
    """Write the comparison of all families and the name of the best one.

    Raises ValueError if the families were not scored on the same folds.
    """
    found = [json.loads(path.read_text()) for path in scores]
    by_family = {name: [fold for fold in found if fold["family"] == name] for name in FAMILIES}
    compared = {name: folds for name, folds in by_family.items() if folds}
    months = {name: sorted(fold["month"] for fold in folds) for name, folds in compared.items()}
    if len({tuple(each) for each in months.values()}) != 1:
        raise ValueError(f"the families were scored on different folds: {months}")
    rows = [summary(name, folds) for name, folds in compared.items()]
    winner = best(rows)
    content = {"family": winner["family"], "families": rows}
    choice.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    return {
        name: winner[name] for name in ("family", "auc", "auc_sd", "average_precision", "brier", "log_loss")
    }
