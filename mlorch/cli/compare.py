"""`compare`: params and metrics of runs, or of the instances of one, side by side."""

from __future__ import annotations

import csv
import io
import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence

import typer

from mlorch.cli.common import Options, print_document, print_text, say
from mlorch.cli.complete import complete_axes, complete_runs_and_steps, complete_values
from mlorch.cli.history import open_store
from mlorch.cli.tables import columns
from mlorch.errors import ExitCode
from mlorch.history.folding import DEVIATION
from mlorch.report.goals import verdict
from mlorch.report.job_summary import literal
from mlorch.report.reasons import value_text
from mlorch.report.style import PLAIN, Style, difference_text, number_text

if TYPE_CHECKING:
    from mlorch.history import RunView
    from mlorch.history.compare import Comparison, Row
    from mlorch.ports import Store


FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet computes begins with one of these."""


class Format(str, Enum):
    table = "table"
    md = "md"
    csv = "csv"
    json = "json"


WORDS = typer.Argument(
    None,
    metavar="[RUN]...",
    help="Default: last~1 last. One run (and a step of it): its instances.",
    autocompletion=complete_runs_and_steps,
    show_default=False,
)
ONLY_CHANGED = typer.Option(False, "--only-changed", help="Only what differs.")
SORT_BY = typer.Option(
    None,
    "--sort-by",
    metavar="NAME",
    help="Order by a param or metric; -NAME: descending.",
    autocompletion=complete_values,
)
OVER = typer.Option(
    None,
    "--over",
    metavar="AXIS",
    help="Mean, deviation and number over this axis.",
    autocompletion=complete_axes,
)
FAIL_IF = typer.Option(
    None, "--fail-if", metavar="EXPR", help="Exit 1 if it holds: metrics.auc < baseline.metrics.auc - 0.01."
)
FORMAT = typer.Option(Format.table, "--format", help="Default: table.", show_default=False)


def compare(
    options: Options,
    words: Optional[List[str]] = WORDS,
    only_changed: bool = ONLY_CHANGED,
    sort_by: Optional[str] = SORT_BY,
    over: Optional[str] = OVER,
    fail_if: Optional[str] = FAIL_IF,
    format_: Format = FORMAT,
) -> int:
    """Params and metrics of runs, or of instances, side by side."""
    from mlorch.cli.screens import style_for
    from mlorch.history import compare as comparing
    from mlorch.history.documents import compare_document
    from mlorch.history.fail_if import holds
    from mlorch.history.folding import over_axis

    comparison = make_comparison(open_store(options), list(words or ()))
    if over is not None:
        comparison = over_axis(comparison, over)
    if sort_by is not None:
        comparison = comparing.sort_columns(comparison, sort_by)
    failed = holds(fail_if, comparison) if fail_if is not None else None
    if only_changed:
        comparison = comparing.only_changed(comparison)
    if options.json or format_ is Format.json:
        print_document(compare_document(comparison, fail_if, failed))
    else:
        print_text(compare_text(comparison, format_, style_for(sys.stdout, options)))
        if format_ is Format.table:
            say_how_to_mark(comparison, options)
    if failed:
        say(f"--fail-if holds: {fail_if}", Options())
        return int(ExitCode.STEP_FAILED)
    return 0


def say_how_to_mark(comparison: Comparison, options: Options) -> None:
    """Where metrics differ and no step says which way they are better: how to say it."""
    metrics = [row for row in comparison.rows if row.kind == "metric" and not row.name.endswith(DEVIATION)]
    differing = [row for row in metrics if row.changed and row.numeric]
    if not differing or any(row.goal for row in metrics):
        return
    name = differing[0].name
    owner = comparison.columns[0].instance
    if not owner:
        owner, _, name = name.partition(".")
    step = owner.split("@", 1)[0]
    text = (
        f"the best is marked once the step says what is better: `goal: {{{name}: max}}` (or min) in `{step}`"
    )
    say(PLAIN.own(text), options)


def make_comparison(store: Store, words: Sequence[str]) -> Comparison:
    """What `compare`, `compare RUN`, `compare RUN STEP`, `compare STEP` and `compare RUN RUN…` compare."""
    from mlorch.history import resolve_run, view_run
    from mlorch.history.compare import compare_instances, compare_runs
    from mlorch.history.runs import is_run

    def view(name: str) -> RunView:
        return view_run(store, resolve_run(store, name))

    if not words:
        words = ["last~1", "last"]
    if len(words) == 1 and not is_run(store, words[0]):
        words = ["last", words[0]]
    if len(words) == 1:
        return compare_instances(view(words[0]))
    if len(words) == 2 and not is_run(store, words[1]):
        return compare_instances(view(words[0]), words[1])
    return compare_runs([view(word) for word in words])


# --------------------------------------------------------------------------------------------- as text


def compare_text(comparison: Comparison, format_: Format, style: Style = PLAIN) -> str:
    """As `table`, `md` or `csv`: a line for each param and metric of runs; for instances a line for each of them."""
    if format_ is Format.csv:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(_Table(comparison, PLAIN, format_).lines())
        return buffer.getvalue()
    lines = _Table(comparison, style, format_).lines()
    if format_ is Format.md:
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([rows[0], "|" + " --- |" * len(lines[0]), *rows[1:]])
    return columns(lines, right=range(1 if comparison.of_instances else 2, len(lines[0])))


class _Table:
    """Lines of cells, the head first."""

    def __init__(self, comparison: Comparison, style: Style, format_: Format) -> None:
        self.comparison = comparison
        self.style = style
        self.exact = format_ is Format.csv
        self.markdown = format_ is Format.md

    def lines(self) -> List[List[str]]:
        return self._instances() if self.comparison.of_instances else self._runs()

    def _runs(self) -> List[List[str]]:
        pair = len(self.comparison.columns) == 2
        head = ["kind", "name", *(self._text(column.name) for column in self.comparison.columns)]
        lines = [head + (["difference"] if pair else [])]
        for row in self.comparison.rows:
            line = [row.kind, self._text(row.name), *self._cells(row)]
            lines.append(line + ([self._difference(row)] if pair else []))
        return lines

    def _instances(self) -> List[List[str]]:
        """CSV has every row; for people a deviation joins its mean, and what says nothing is left out."""
        metrics = {row.name: row for row in self.comparison.rows if row.kind == "metric"}
        head, cells = ["instance"], [[self._text(column.name) for column in self.comparison.columns]]
        for row in self.comparison.rows:
            if self.exact or not self._says_nothing(row, metrics):
                deviation = metrics.get(row.name + DEVIATION) if row.kind == "metric" else None
                head.append(self._text(row.name))
                cells.append(self._cells(row, None if self.exact else deviation))
        return [head, *([column[i] for column in cells] for i in range(len(self.comparison.columns)))]

    def _says_nothing(self, row: Row, metrics: Mapping[str, Row]) -> bool:
        """A param that all have alike, a metric that repeats an axis, and a deviation: it stands with its mean."""
        if row.kind != "metric":
            return row.kind == "param" and not row.changed
        if row.name.endswith(DEVIATION) and row.name[: -len(DEVIATION)] in metrics:
            return True
        return row.values in [other.values for other in self.comparison.rows if other.kind == "axis"]

    def _cells(self, row: Row, deviation: Optional[Row] = None) -> List[str]:
        best = () if self.exact else row.best
        cells = []
        for position, value in enumerate(row.values):
            text = self._text(_value(row, value, self.exact))
            if deviation is not None and value is not None:
                sign = "±" if self.style.unicode else "+/-"
                text += f" {sign} {number_text(deviation.values[position])}"
            cells.append(self._marked(text, position in best, bool(best)))
        return cells

    def _marked(self, text: str, best: bool, room: bool) -> str:
        """The best in bold; where there is no bold, with a star, and as much room beside the others."""
        if self.markdown:
            return f"**{text}**" if best else text
        if self.style.color:
            return self.style.paint(text, "bold") if best else text
        return text + ("*" if best else " " if room else "")

    def _difference(self, row: Row) -> str:
        difference = row.difference
        if difference is None or self.exact:
            return "" if difference is None else repr(difference)
        old, new = row.values[0], row.values[-1]
        return difference_text(old, new) + verdict(old, new, row.goal) if difference else "="

    def _text(self, text: str) -> str:
        text = self.style.clean(text)
        if self.exact and text[:1] in FORMULA and not is_number_text(text):
            return "'" + text  # as spreadsheets mark what is text: else they compute it
        return literal(text) if self.markdown else text


def is_number_text(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _value(row: Row, value: Any, exact: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and exact:
        return repr(value)
    return number_text(value) if row.kind == "metric" else value_text(value)
