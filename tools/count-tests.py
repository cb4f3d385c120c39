"""Print how many tests ran, failed and were skipped, by JUnit files; exit 1 if any failed or none ran."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict


def count(path: Path) -> Dict[str, int]:
    """The sums of one file."""
    suites = ElementTree.parse(str(path)).getroot().iter("testsuite")
    found = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for name in found:
            found[name] += int(suite.get(name, "0"))
    return found


def main() -> int:
    total = {"ran": 0, "failed": 0, "skipped": 0}
    for path in map(Path, sys.argv[1:]):
        found = count(path)
        failed = found["failures"] + found["errors"]
        ran = found["tests"] - found["skipped"]
        print("{}: {} ran, {} failed, {} skipped".format(path.stem, ran, failed, found["skipped"]))
        total["ran"] += ran
        total["failed"] += failed
        total["skipped"] += found["skipped"]
    print("tests in all: {ran} ran, {failed} failed, {skipped} skipped".format(**total))
    return 1 if total["failed"] or not total["ran"] else 0


if __name__ == "__main__":
    sys.exit(main())
