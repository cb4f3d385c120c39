"""`notify test`: whether alerts arrive."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Optional

import typer

from mlorch.cli.common import Options, print_document, print_text
from mlorch.cli.complete import complete_files
from mlorch.cli.request import make_request
from mlorch.errors import ExitCode, UsageError


class Action(str, Enum):
    test = "test"


ACTION = typer.Argument(
    ..., metavar="test", help="Send a test alert through every channel.", show_default=False
)
PIPELINE = typer.Argument(None, metavar="[PIPELINE]", autocompletion=complete_files, show_default=False)


def notify(options: Options, action: Action = ACTION, pipeline: Optional[str] = PIPELINE) -> int:
    """Send a test alert through every channel of the pipeline."""
    del action
    from mlorch import app
    from mlorch.alerting import send_test
    from mlorch.cli.screens import style_for

    loaded = app.load(make_request(options, [pipeline] if pipeline is not None else []))
    if not loaded.notify:
        raise UsageError(
            f"`{loaded.file}` names no channel",
            "add for example `notify: [{webhook: SLACK_URL, format: slack}]`",
        )
    done = send_test(loaded)
    if options.json:
        channels = [{"channel": name, "sent": sent, "error": error or None} for name, sent, error in done]
        print_document({"schema": "mlorch.notify/1", "pipeline": loaded.file, "channels": channels})
    else:
        style = style_for(sys.stdout, options)
        lines = [
            f"{style.glyph('ok' if sent else 'failed')} {style.clean(name)}"
            + (f": {style.clean(error)}" if error else "")
            for name, sent, error in done
        ]
        print_text("\n".join(lines))
    return 0 if all(sent for _, sent, _ in done) else int(ExitCode.STEP_FAILED)
