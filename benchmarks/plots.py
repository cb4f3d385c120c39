"""Plots of cost against the number of steps, and of makespans, as SVG that is the same for the same numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from benchmarks.results import Results
from benchmarks.targets import BASE, cost_per_step, plain

COLOURS = {
    "mlorch": "#c0392b",
    "ninja": "#2c3e50",
    "make": "#7f8c8d",
    "doit": "#2980b9",
    "xargs": "#bbbbbb",
    "luigi": "#27ae60",
    "snakemake": "#8e44ad",
    "redun": "#d35400",
    "dvc": "#16a085",
    "pivot": "#b7950b",
}
COLD = f"A cold build, per step beyond those of a run of {BASE}"
MARKS = "osD^vP*Xh<"
Points = Sequence[tuple[float, float]]


def _matplotlib() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "mlorch", "svg.fonttype": "path", "font.size": 10})
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    _matplotlib().close(figure)
    # matplotlib ends lines of paths with blanks
    path.write_text("\n".join(row.rstrip() for row in path.read_text().splitlines()) + "\n")


def lines(path: Path, title: str, axes: tuple[str, str], series: Mapping[str, Points]) -> None:
    """A line per tool on logarithmic axes."""
    figure, plot = _matplotlib().subplots(figsize=(7, 4.2))
    for number, (name, points) in enumerate(series.items()):
        ordered = sorted(points)
        plot.plot(
            [x for x, _ in ordered],
            [y for _, y in ordered],
            marker=MARKS[number % len(MARKS)],
            markersize=5,
            linewidth=2.4 if name == "mlorch" else 1.2,
            color=COLOURS.get(name),
            label=name,
            zorder=3 if name == "mlorch" else 2,
        )
    plot.set(xscale="log", yscale="log", xlabel=axes[0], ylabel=axes[1], title=title)
    for axis in (plot.xaxis, plot.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter("")
    plot.grid(True, which="both", alpha=0.25)
    plot.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    _save(figure, path)


def growth(results: Results, value: Callable[[str, int], Optional[float]]) -> dict[str, Points]:
    """Tool -> (steps, value) over all sizes that there are."""
    sizes = sorted({row.size for row in results.rows if row.case in ("wide", "matrix") and row.size > BASE})
    found: dict[str, list[tuple[float, float]]] = {}
    for tool in COLOURS:
        for size in sizes:
            number = value(tool, size)
            if number is not None and number > 0:
                found.setdefault(tool, []).append((size, number))
    return dict(found)


def draw(results: Results, folder: Path) -> list[tuple[str, str]]:
    """All plots that there are numbers for; returns (file name, what it shows)."""
    made: list[tuple[str, str]] = []

    def reader(phase: str, what: str) -> Callable[[str, int], Optional[float]]:
        return lambda tool, size: plain(results, size, tool, phase, what)

    for name, title, axis, value in (
        ("cold", COLD, "milliseconds per step", lambda tool, size: cost_per_step(results, size, tool)),
        ("no-op", "Nothing changed", "seconds", reader("no-op", "seconds")),
        ("change", "One source changed", "seconds", reader("change", "seconds")),
        ("memory", "Largest process of a cold build", "MB", reader("cold", "peak")),
    ):
        series = growth(results, value)
        if any(len(points) > 1 for points in series.values()):
            lines(folder / f"{name}.svg", title, ("steps", axis), series)
            made.append((f"{name}.svg", title))
    return made


def strips(path: Path, title: str, axis: str, series: Mapping[str, Sequence[float]]) -> None:
    """A line of points per name, with its middle half and its median."""
    figure, plot = _matplotlib().subplots(figsize=(7, 0.5 * len(series) + 1.4))
    for row, values in enumerate(series.values()):
        plot.plot(values, [row] * len(values), "o", color="#2980b9", alpha=0.35, markersize=5)
        low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else [*values] * 3
        plot.plot([low, high], [row, row], color="#2c3e50", linewidth=2)
        plot.plot([middle], [row], "|", color="#c0392b", markersize=18, markeredgewidth=3)
    plot.set_yticks(range(len(series)), list(series))
    plot.invert_yaxis()
    plot.axvline(1.0, color="#7f8c8d", linewidth=0.8)
    plot.set(xlabel=axis, title=title)
    plot.grid(True, axis="x", alpha=0.25)
    _save(figure, path)
