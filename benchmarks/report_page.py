"""How large a report is, how long it takes to make, and how long it keeps a browser's main thread busy at a stretch.

    python benchmarks/report_page.py [STEPS…]

Needs Chromium (`sh tools/browser.sh`). Times of tasks are processor time, so run it where nothing else runs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "browser")]

import chromium  # noqa: E402
from page_cases import steps_page  # noqa: E402
from test_report_browser import longest_task, scroll  # noqa: E402

from mlorch.report.page.document import render  # noqa: E402

ROUNDS = 3


def main() -> None:
    program = chromium.find()
    if program is None:
        raise SystemExit("there is no Chromium here: sh tools/browser.sh")
    with tempfile.TemporaryDirectory() as folder:
        browser = chromium.Chromium(program, Path(folder) / "profile")
        try:
            for count in [int(word) for word in sys.argv[1:]] or [8, 200, 1000]:
                measure(browser, Path(folder) / "report.html", count)
        finally:
            browser.close()


def measure(browser: chromium.Chromium, path: Path, count: int) -> None:
    began = time.process_time()
    html = render(steps_page(count, failed=(3,)))
    made = time.process_time() - began
    path.write_text(html, encoding="utf-8")
    acts = {
        "load": lambda: browser.load(path),
        "scroll": lambda: scroll(browser),
        "open": lambda: browser.evaluate(f"location.hash = '#s-step_{count - 1:04d}'; 0"),
        "fit": lambda: browser.evaluate("document.querySelector('[data-zoom=\"0\"]').click()"),
    }
    best = dict.fromkeys(acts, float("inf"))
    for _ in range(ROUNDS):
        browser.open(TESTS / "browser" / "blank.html")
        for name, act in acts.items():
            best[name] = min(best[name], longest_task(browser, act))
    tasks = ", ".join(f"{name} {value:.0f} ms" for name, value in best.items())
    print(
        f"{count} steps: {len(html.encode()) / 1000:.0f} kB, made in {made:.2f} s; longest task: {tasks}",
        flush=True,
    )


if __name__ == "__main__":
    main()
