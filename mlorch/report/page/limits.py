"""How much a report holds. What is beyond is left out, and the report says so in a sentence."""

from __future__ import annotations

INSTANCES = 200
"""Of one step; failed ones come first."""
ALL_INSTANCES = 2_000
DRAWN_STEPS = 1_500
"""Steps of a graph that is still drawn."""
BARS = 2_000
"""Attempts in the timeline."""
RUNS = 12
"""In the history, and for the trends of metrics."""
TRENDS = 16
"""Metrics in the table at the top, those that changed first; each stands at its step too."""

LOG_LINES = 40
FAILED_LOG_LINES = 120
LOG_BYTES = 6_000
FAILED_LOG_BYTES = 16_000
ALL_LOG_BYTES = 120_000
"""Shared by all instances; failed ones have theirs first."""
LEAST_LOG_BYTES = 240

FOLDER_MEMBERS = 12
READ_BYTES = 32_000_000
"""A larger file is not read for a preview."""
IMAGE_BYTES = 1_500_000
ALL_PREVIEW_BYTES = 12_000_000
PREVIEWS = 400
ROWS, COLUMNS, CELL = 20, 16, 80
TEXT_LINES, TEXT_BYTES = 60, 6_000

CHARTS = 12
"""Of one instance."""
POINTS = 200
"""Of one curve."""

INLINE_BYTES = 60_000
"""Up to so much of step details stands in the page as it is; more is packed, and unpacked where it is opened."""
BLOCK_BYTES = 150_000
"""Details packed together, before packing."""
