"""Score the model on the digits that it has never seen, beside one that always says the commonest digit.

python -m pipelines.digits.evaluate MODEL HOLDOUT METRICS CONFUSION
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Dict

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix

from pipelines.digits.data import load


def evaluate(model: Path, holdout: Path, confusion: Path) -> Dict[str, float]:
    """Accuracy of the model and of a constant answer; the confusions (rows: true digit) go to a CSV file."""
    pixels, labels = load(holdout)
    said = joblib.load(str(model)).predict(pixels)
    with confusion.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["digit", *range(10)])
        for digit, row in enumerate(confusion_matrix(labels, said, labels=range(10)).tolist()):
            table.writerow([digit, *row])
    commonest = np.bincount(labels).argmax()
    return {
        "accuracy": float(accuracy_score(labels, said)),
        "dummy_accuracy": float(np.mean(labels == commonest)),
        "mistakes": int(np.sum(labels != said)),
    }


def main() -> None:
    model, holdout, metrics, confusion = (Path(word) for word in sys.argv[1:])
    found = evaluate(model, holdout, confusion)
    metrics.write_text(json.dumps(found, sort_keys=True) + "\n")
    print(
        "accuracy {accuracy:.4f}, {mistakes} mistakes; always the same digit: {dummy_accuracy:.4f}".format(
            **found
        )
    )


if __name__ == "__main__":
    main()
