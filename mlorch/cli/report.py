"""`report`: one self-contained HTML file of a run; `run --report` writes the same."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Dict, Optional

import typer

from mlorch.cli.common import Options, print_document, print_text, say
from mlorch.cli.history import RUN_ARGUMENT, open_store
from mlorch.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from mlorch.ports import RunInfo, Store

OUTPUT = typer.Option(
    None,
    "-o",
    "--output",
    metavar="FILE",
    help="Where to; - is stdout. Default: the run's folder in the store.",
)
OPEN = typer.Option(False, "--open", help="Open it in a browser.")
REPORT = "report.html"


def report(
    options: Options,
    run: Optional[str] = RUN_ARGUMENT,
    output: Optional[str] = OUTPUT,
    open_: bool = OPEN,
) -> int:
    """One run as one HTML file that needs nothing else."""
    from mlorch.history import resolve_run

    store = open_store(options)
    info = resolve_run(store, run or "last")
    if output == "-":
        if options.json or open_:
            what = "with --json the document goes there" if options.json else "--open needs a file"
            raise UsageError(f"the report can't be written to stdout: {what}", "name a file with -o")
        sys.stdout.buffer.write(page_text(store, info).encode("utf-8"))
        return 0
    target = os.path.abspath(output or os.path.join(store.path, "runs", info.id, REPORT))
    found = write_report(store, info, target)
    if options.json:
        print_document({"schema": "mlorch.report/1", **found})
    else:
        print_text(target)
    if open_ and not opened(target):
        say(f"no browser could be started: open {target} yourself", options)
    return 0


def page_text(store: Store, info: RunInfo) -> str:
    from mlorch.history.page import page_of
    from mlorch.report.page.document import render

    return render(page_of(store, info))


def write_report(store: Store, info: RunInfo, target: str) -> Dict[str, Any]:
    """Write the report of a run, in one piece or not at all. Raises EnvironmentFault."""
    from mlorch.history.page import page_of
    from mlorch.report.page.document import render

    page = page_of(store, info)
    data = render(page).encode("utf-8")
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, target)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        reason = (error.strerror or "failed").lower()
        raise EnvironmentFault(f"{target}: {reason}", "name another file with -o") from error
    return {"run": info.id, "path": target, "bytes": len(data), "left_out": list(page.notes)}


def opened(path: str) -> bool:
    """Whether a browser took it."""
    import webbrowser
    from urllib.request import pathname2url

    return webbrowser.open("file://" + pathname2url(path))
