"""The steps of mlorch.yaml: each is a function whose parameters are its inputs, outputs, axes and params."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.svm import SVC


def split(train: Path, test: Path, test_share: float, seed: int) -> Dict[str, int]:
    pixels, digits = load_digits(return_X_y=True)
    parts = train_test_split(pixels, digits, test_size=test_share, random_state=seed, stratify=digits)
    np.savez(train, pixels=parts[0], digits=parts[2])
    np.savez(test, pixels=parts[1], digits=parts[3])
    return {"train": len(parts[0]), "test": len(parts[1])}


def score(train: Path, c: float, gamma: float, folds: int) -> Dict[str, float]:
    data = np.load(train)
    scores = cross_val_score(SVC(C=c, gamma=gamma), data["pixels"], data["digits"], cv=folds)
    return {"c": c, "gamma": gamma, "accuracy": float(scores.mean()), "deviation": float(scores.std())}


def select(train: Path, test: Path, scores: List[Path], model: Path) -> Dict[str, float]:
    settings = [json.loads(path.read_text()) for path in scores]
    best = max(settings, key=lambda setting: (setting["accuracy"], -setting["c"]))
    data, unseen = np.load(train), np.load(test)
    machine = SVC(C=best["c"], gamma=best["gamma"]).fit(data["pixels"], data["digits"])
    joblib.dump(machine, model)
    accuracy = machine.score(unseen["pixels"], unseen["digits"])
    return {"c": best["c"], "gamma": best["gamma"], "accuracy": float(accuracy)}
