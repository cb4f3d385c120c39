"""The digits that come with scikit-learn, and the part of them that nobody looks at until the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Tuple, Union

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HOLDOUT = 0.25


def split(seed: int, training: Path, holdout: Path) -> Dict[str, Union[int, float]]:
    """Write pixels (rows × 64, 0 to 1) and labels (0 to 9) of both parts, with equal shares of each digit."""
    digits = load_digits()
    parts = train_test_split(
        digits.data / 16.0, digits.target, test_size=HOLDOUT, random_state=seed, stratify=digits.target
    )
    np.savez(str(training), pixels=parts[0], labels=parts[2])
    np.savez(str(holdout), pixels=parts[1], labels=parts[3])
    return {"training": len(parts[2]), "holdout": len(parts[3])}


def load(path: Path) -> Tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of a file that `split` wrote."""
    with np.load(str(path), allow_pickle=False) as columns:
        return columns["pixels"], columns["labels"]


def widths(training: Path, factors: List[float], gammas: Path) -> None:
    """Write a list of kernel widths around the one that the spread of the data suggests: an axis of the grid.

    1 / (features × variance) is what scikit-learn calls `gamma="scale"`; rounded, so that a name can hold it.
    """
    pixels, _ = load(training)
    middle = 1.0 / (pixels.shape[1] * float(pixels.var()))
    gammas.write_text(json.dumps([float(f"{middle * factor:.3g}") for factor in factors]) + "\n")
