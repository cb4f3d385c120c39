"""The benchmarks are no part of the package, and need a newer Python than it."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.version_info >= (3, 9) else ["test_*.py"]


def pytest_report_header() -> str:
    return "" if sys.version_info >= (3, 9) else "tests/benchmarks left out: the benchmarks need Python 3.9"
