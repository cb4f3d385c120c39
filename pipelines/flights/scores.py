"""How good predicted probabilities are, and the plain table that every model has to beat."""

from __future__ import annotations

from typing import Dict

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

SMOOTHING = 20.0
"""How many flights at the overall rate each cell of the table starts with."""


def all_scores(late: np.ndarray, probability: np.ndarray) -> Dict[str, float]:
    """AUC and average precision (higher is better), Brier score and log-loss (lower is better)."""
    return {
        "auc": float(roc_auc_score(late, probability)),
        "average_precision": float(average_precision_score(late, probability)),
        "brier": float(brier_score_loss(late, probability)),
        "log_loss": float(log_loss(late, probability)),
    }


def rate_table(known: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    """For each row of `asked`, the smoothed share of late flights with its carrier and hour in `known`."""
    overall = known["late"].mean()
    cells = known.groupby(["carrier", "hour"])["late"].agg(["sum", "size"])
    rate = (cells["sum"] + SMOOTHING * overall) / (cells["size"] + SMOOTHING)
    wanted = pd.MultiIndex.from_frame(asked[["carrier", "hour"]])
    return rate.reindex(wanted).fillna(overall).to_numpy()


def brier_skill(late: np.ndarray, probability: np.ndarray, training_rate: float) -> float:
    """1 for perfect probabilities, 0 for always saying the training rate, negative for worse than that."""
    reference = float(np.mean((late - training_rate) ** 2))
    return 1.0 - float(np.mean((late - probability) ** 2)) / reference
