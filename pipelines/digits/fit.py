"""Score one setting on one fold, choose the best setting, fit it on all of the training part."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Dict, List, Union

import joblib
import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from pipelines.digits.data import load

GROWTH = (50, 100, 200, 400, 800)
"""Training rows of the points of the learning curve; a last point has all of them."""


def parts(labels: np.ndarray, folds: int, fold: int, seed: int) -> List[np.ndarray]:
    """Row numbers to train on and to score on, in fold `fold` of `folds`."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return list(list(splitter.split(np.zeros(len(labels)), labels))[fold])


def score(
    training: Path, gamma: float, cost: float, fold: int, folds: int, seed: int, scored: Path
) -> Dict[str, float]:
    """Fit on the other folds, score on this one; `scored` gets setting and accuracy as JSON."""
    pixels, labels = load(training)
    seen, asked = parts(labels, folds, fold, seed)
    model = SVC(C=cost, gamma=gamma).fit(pixels[seen], labels[seen])
    found = {
        "gamma": gamma,
        "cost": cost,
        "accuracy": float(accuracy_score(labels[asked], model.predict(pixels[asked]))),
    }
    scored.write_text(json.dumps(found, sort_keys=True) + "\n")
    return found


def choose(scores: List[Path], setting: Path) -> Dict[str, Union[int, float]]:
    """Write the setting with the best mean accuracy; among equals the smoothest (small cost, small gamma)."""
    by_setting: Dict[tuple, List[float]] = {}
    for path in scores:
        found = json.loads(path.read_text())
        by_setting.setdefault((found["cost"], found["gamma"]), []).append(found["accuracy"])
    means = {key: statistics.mean(values) for key, values in by_setting.items()}
    cost, gamma = min(means, key=lambda key: (-means[key], key))
    setting.write_text(json.dumps({"cost": cost, "gamma": gamma}, sort_keys=True) + "\n")
    return {"settings": len(means), "cost": cost, "gamma": gamma, "accuracy": means[(cost, gamma)]}


def train(training: Path, setting: Path, folds: int, seed: int, model: Path, history: Path) -> None:
    """Fit the chosen setting on growing parts of the training rows, and keep the model that saw them all.

    `history` gets a line per part: how many rows it was fitted on, and its accuracy on the first fold.
    """
    chosen = json.loads(setting.read_text())
    pixels, labels = load(training)
    seen, asked = parts(labels, folds, 0, seed)
    with history.open("w", encoding="utf-8") as lines:
        for epoch, rows in enumerate([*(size for size in GROWTH if size < len(seen)), len(seen)], start=1):
            part = seen[:rows]
            grown = SVC(C=chosen["cost"], gamma=chosen["gamma"]).fit(pixels[part], labels[part])
            accuracy = float(accuracy_score(labels[asked], grown.predict(pixels[asked])))
            lines.write(json.dumps({"epoch": epoch, "rows": rows, "accuracy": accuracy}) + "\n")
            lines.flush()
    joblib.dump(SVC(C=chosen["cost"], gamma=chosen["gamma"]).fit(pixels, labels), str(model))
