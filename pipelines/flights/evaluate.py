"""Score the refitted model, once, on November and December, beside the plain table that it has to beat.

python -m pipelines.flights.evaluate --table T.npz --model M.joblib --holdout H.npz --metrics M.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Dict

import joblib
import numpy as np

from pipelines.flights import families, scores, tables
from pipelines.flights.fit import flown
from pipelines.flights.schema import LAST_TRAINING_MONTH


def evaluate(table: Path, model: Path, holdout: Path) -> Dict[str, float]:
    """The scores; the holdout's outcomes and both kinds of probabilities go to `holdout` for the plots."""
    rows = flown(tables.load(table))
    known, asked = rows[rows["month"] <= LAST_TRAINING_MONTH], rows[rows["month"] > LAST_TRAINING_MONTH]
    late = asked["late"].to_numpy().astype(int)
    probability = families.late_probability(joblib.load(str(model)), asked)
    plain = scores.rate_table(known, asked)
    day = asked["day_number"].to_numpy()
    np.savez(str(holdout), late=late, probability=probability, plain=plain, day=day)
    training_rate = float(known["late"].mean())
    found = scores.all_scores(late, probability)
    found["brier_skill"] = scores.brier_skill(late, probability, training_rate)
    found.update({"table_" + name: value for name, value in scores.all_scores(late, plain).items()})
    found.update(
        training_rate=training_rate,
        holdout_rate=float(late.mean()),
        training_rows=len(known),
        rows=len(asked),
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("table", "model", "holdout", "metrics"):
        parser.add_argument("--" + name, type=Path, required=True)
    given = parser.parse_args()
    found = evaluate(given.table, given.model, given.holdout)
    given.metrics.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    print("AUC {auc:.4f}, the table's {table_auc:.4f}; Brier skill {brier_skill:.4f}".format(**found))


if __name__ == "__main__":
    main()
