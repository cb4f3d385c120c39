"""The columns that the steps hand to each other.

What may be known at T, two hours before the scheduled departure, is a feature. `dep_*`, `arr_*`, `air_time`,
`tailnum`, month and day of the year are not: the first four are written after T (an airline may still change
the aircraft), the last two cannot recur in a year of data: a model would only learn its seasons by heart.
"""

from __future__ import annotations

WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
"""Measured at the airport of origin; °F, °F, %, mph, inches, millibars, miles."""

RATED = ("carrier", "dest", "number", "origin")
"""Groups whose share of late arrivals is a feature. `number` is carrier and flight number together."""

RATES = tuple(name + "_rate" for name in RATED)

NUMBERS = ("minute_of_day", "distance", "block_minutes", "departures", *RATES, *WEATHER)
"""`departures` counts the flights scheduled to leave the same airport within the same hour."""

WORDS = ("weekday", "carrier", "origin", "dest")

FEATURES = NUMBERS + WORDS

OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum")
"""Columns of the source that are known only after T."""

LAST_TRAINING_MONTH = 10
"""November and December are the holdout, scored once."""
