"""Three pictures of the holdout, as PNG: an SVG would hold random names and a date."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

MODEL, TABLE, GUIDE = "#1f5fa8", "#c46a1b", "#888888"
BINS = 10
RESAMPLES = 300
INTERVAL = (5.0, 95.0)
"""Percentiles of the bootstrap that the band shows."""


def empty(title: str, across: str, up: str) -> Tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.25)
    return figure, axes


def write(figure: Figure, path: Path) -> None:
    """Save without the metadata that names matplotlib's version."""
    figure.savefig(str(path), format="png", metadata={"Software": None})


def bins(late: np.ndarray, probability: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean prediction, share of late arrivals and number of flights in each tenth of the predictions."""
    parts = np.array_split(np.argsort(probability, kind="stable"), BINS)
    predicted = np.array([probability[part].mean() for part in parts])
    observed = np.array([late[part].mean() for part in parts])
    return predicted, observed, np.array([len(part) for part in parts])


def draw_calibration(late: np.ndarray, probability: np.ndarray, plain: np.ndarray, path: Path) -> None:
    figure, axes = empty(
        "Calibration on November and December", "predicted probability", "share that was late"
    )
    predicted, observed, count = bins(late, probability)
    error = 1.645 * np.sqrt(observed * (1 - observed) / count)
    axes.errorbar(
        predicted, observed, yerr=error, color=MODEL, marker="o", capsize=3, label="model, by tenths"
    )
    axes.plot(*bins(late, plain)[:2], color=TABLE, marker="s", label="carrier × hour table")
    top = float(max(predicted.max(), observed.max())) * 1.08
    axes.plot([0, top], [0, top], color=GUIDE, linestyle="--", label="perfect")
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.legend(loc="upper left")
    write(figure, path)


def draw_roc(late: np.ndarray, probability: np.ndarray, plain: np.ndarray, path: Path) -> None:
    figure, axes = empty("ROC on November and December", "false alarms", "late flights found")
    for values, colour, name in ((probability, MODEL, "model"), (plain, TABLE, "carrier × hour table")):
        false, true, _ = roc_curve(late, values)
        axes.plot(false, true, color=colour, label=f"{name} (AUC {roc_auc_score(late, values):.3f})")
    axes.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", label="chance (AUC 0.500)")
    axes.set_aspect("equal")
    axes.legend(loc="lower right")
    write(figure, path)


class Week:
    """A week's flights in the order of their predictions, so that its AUC for any weights of its days is one sum."""

    def __init__(self, late: np.ndarray, probability: np.ndarray, day: np.ndarray) -> None:
        order = np.argsort(probability, kind="stable")
        ordered = probability[order]
        self.late = late[order]
        self.day = day[order] - day.min()
        self.first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def auc(self, weights: np.ndarray) -> float:
        """The AUC where each flight counts as often as `weights` says of its day; equal predictions count half."""
        counted = weights[self.day]
        late = np.add.reduceat(counted * self.late, self.first)
        on_time = np.add.reduceat(counted * (1 - self.late), self.first)
        below = np.cumsum(on_time) - on_time
        return float(np.sum(late * (below + on_time / 2)) / (late.sum() * on_time.sum()))


def weekly(late: np.ndarray, probability: np.ndarray, day: np.ndarray, seed: int) -> Dict[str, np.ndarray]:
    """AUC of each whole week and its interval, by drawing that week's days anew with replacement.

    Flights of one day share its weather, so days and not flights are what is drawn.
    """
    random = np.random.RandomState(seed)
    number = (day - day.min()) // 7
    whole = [each for each in np.unique(number) if len(np.unique(day[number == each])) == 7]
    middle, low, high = [], [], []
    for each in whole:
        rows = number == each
        week = Week(late[rows], probability[rows], day[rows])
        middle.append(week.auc(np.ones(7)))
        drawn = [week.auc(np.bincount(random.randint(0, 7, 7), minlength=7)) for _ in range(RESAMPLES)]
        below, above = np.percentile(drawn, INTERVAL)
        low.append(below)
        high.append(above)
    return {
        "week": np.array(whole) + 1,
        "auc": np.array(middle),
        "low": np.array(low),
        "high": np.array(high),
    }


def draw_weekly(found: Dict[str, np.ndarray], path: Path) -> None:
    figure, axes = empty(
        "AUC by week of the holdout (90 % interval over days)", "week from 1 November", "AUC"
    )
    axes.fill_between(found["week"], found["low"], found["high"], color=MODEL, alpha=0.2, linewidth=0)
    axes.plot(found["week"], found["auc"], color=MODEL, marker="o")
    axes.axhline(0.5, color=GUIDE, linestyle="--")
    axes.text(float(found["week"][0]), 0.505, "chance", color=GUIDE)
    write(figure, path)


def plots(holdout: Path, seed: int, calibration: Path, roc: Path, weeks: Path) -> Dict[str, float]:
    """Draw all three; the metrics are the worst and the best week's AUC."""
    with np.load(str(holdout), allow_pickle=False) as columns:
        late, probability, plain, day = (columns[name] for name in ("late", "probability", "plain", "day"))
    draw_calibration(late, probability, plain, calibration)
    draw_roc(late, probability, plain, roc)
    found = weekly(late, probability, day, seed)
    draw_weekly(found, weeks)
    return {"worst_week": float(found["auc"].min()), "best_week": float(found["auc"].max())}
