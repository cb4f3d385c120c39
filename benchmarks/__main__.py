"""`python -m benchmarks run`, `quick`, `scheduling` and `document`; see `benchmarks/README.md`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cases
from benchmarks.document import write
from benchmarks.environments import HIDDEN, ROOT, install
from benchmarks.peers import TOOLS
from benchmarks.play import Limits
from benchmarks.quick import SECONDS, compare
from benchmarks.results import Results, read

PUBLISHED = ROOT / "docs"
RESULTS = "benchmarks/results.json"
"""Beside the plots, in the folder of the document."""


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="time mlorch beside the others")
    run.add_argument("--only", type=_words, default=[], help=f"some of {','.join(cases.FAMILIES)}")
    run.add_argument("--sizes", type=_numbers, default=[], help="numbers of steps, for the shapes")
    run.add_argument("--tools", type=_words, default=[], help="names of tools; mlorch is always there")
    run.add_argument("--rounds", type=int, default=3)
    run.add_argument("--slots", type=int, default=2)
    run.add_argument("--minutes", type=float, default=40.0, help="what has not begun by then is left out")
    run.add_argument(
        "--out", type=Path, help="folder of the results; default: docs of a full run, else .bench/out"
    )
    quick = verbs.add_parser("quick", help="the ratio against another commit, in under three minutes")
    quick.add_argument("--against", default="HEAD~1")
    quick.add_argument("--steps", type=int, default=200)
    quick.add_argument("--seconds", type=float, default=SECONDS)
    order = verbs.add_parser("scheduling", help="the order of steps, on task graphs of real workflows")
    order.add_argument("--traces", type=Path, help="a folder of WfFormat files (default: MLORCH_TRACES)")
    order.add_argument(
        "--most", type=int, default=5000, help="steps of the largest generated graph; 0 generates none"
    )
    order.add_argument("--out", type=Path, default=PUBLISHED)
    document = verbs.add_parser("document", help="write the document anew from results")
    document.add_argument("--out", type=Path, default=PUBLISHED)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.verb == "quick":
        print("\n".join(compare(options.steps, options.against, options.seconds)))
        return 0
    if options.verb == "scheduling":
        return _scheduling(options)
    if options.verb == "document":
        write(read(options.out / RESULTS), options.out)
        return 0
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    unknown = [name for name in options.only if name not in cases.FAMILIES]
    if unknown:
        print(f"no such case: {', '.join(unknown)}; there are {', '.join(cases.FAMILIES)}", file=sys.stderr)
        return 2
    narrowed = bool(options.only or options.sizes or options.tools)
    out = options.out or (HIDDEN / "out" if narrowed else PUBLISHED)
    results = Results(out / RESULTS)
    if results.path.exists():
        # that part has a run of its own
        results.scheduling = read(results.path).scheduling
    names = set(options.tools)
    installed, results.missing = install(
        tool for tool in TOOLS if not names or tool.name in names or tool.name == "mlorch"
    )
    results.tools = {item.tool.name: item.version for item in installed}
    limits = Limits(rounds=options.rounds, end=time.monotonic() + 60 * options.minutes)
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {text}", file=sys.stderr, flush=True)

    bench = cases.Bench(results, installed, limits, options.slots, say)
    cases.run(bench, cases.chosen(options.only, options.sizes), exact=not options.sizes)
    write(results, out)
    say(f"written: {out / 'benchmarks.md'}")
    return 0


def _scheduling(options: argparse.Namespace) -> int:
    """The other results of the folder stay as they are."""
    from benchmarks.scheduling.compare import run

    path = options.out / RESULTS
    results = read(path) if path.exists() else Results(path)
    if not run(results, options.traces, options.most, lambda text: print(text, file=sys.stderr, flush=True)):
        print("no task graphs: name a folder with --traces or MLORCH_TRACES", file=sys.stderr)
        return 2
    write(results, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
