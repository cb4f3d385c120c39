"""Alerts around a run: wired only where a pipeline names channels, so that nothing is paid elsewhere."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Callable, List, Optional, Sequence, Tuple

from mlorch.model import Pipeline, RunSummary, Settings
from mlorch.ports import Listener
from mlorch.report.logs import FileLogs
from mlorch.store import open_store
from mlorch.timing import median

FILE = "alerts.jsonl"
"""In the run's folder: what was sent, through which channel, and what came of it."""

Go = Callable[[Sequence[Listener]], RunSummary]


def with_alerts(pipeline: Pipeline, settings: Settings, listeners: Sequence[Listener], go: Go) -> RunSummary:
    """`go` with a listener more, if the pipeline names channels. A channel that fails is a warning of the summary."""
    if not pipeline.notify:
        return go(listeners)
    from mlorch.notify import Alerts, standing_of

    store = open_store(settings, create=False)
    runs = store.runs() if os.path.isdir(settings.store) else []

    def usual(instance: str) -> Optional[float]:
        known = store.durations(pipeline.file, instance, instance.split("@", 1)[0])
        return median(known) if known else None

    alerts = Alerts(pipeline, FileLogs(pipeline.root), standing_of(runs, pipeline.file), usual, os.environ)
    try:
        summary = go([*listeners, alerts])
    except BaseException:
        alerts.close()
        raise
    told = alerts.close(lambda text: _keep(settings, summary.run, text))
    return replace(summary, warnings=(*summary.warnings, *told))


def _keep(settings: Settings, run: str, text: str) -> None:
    open_store(settings, create=True).keep_with_run(run, FILE, text)


def send_test(pipeline: Pipeline) -> List[Tuple[str, bool, str]]:
    """(channel, whether it worked, why not) of a test alert through every channel, each once."""
    from mlorch.notify import Alert, deliver

    alert = Alert(
        "test", pipeline.name, pipeline.file, "-", time.time(), pipeline.owner, host=os.uname().nodename
    )
    channels = {(item.name, item.format, item.smtp): item for item in pipeline.notify}
    done = [deliver(channel, alert, os.environ, pipeline.root) for channel in channels.values()]
    return [(item.channel, item.sent, item.error) for item in done]
