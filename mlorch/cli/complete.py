"""What shells complete: steps and instances, pipeline files, runs, params, metrics, axes, artifacts. Never raises, never slow."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

import typer

from mlorch.cli.outline import Outline, outline
from mlorch.cli.told import Told, told
from mlorch.errors import MlorchError

DEFAULTS = ("mlorch.yaml", "mlorch.yml", "pipeline.yaml", "pipeline.yml")
SUFFIXES = (".yaml", ".yml")
MOST_RUNS = 50
STATUSES = ("succeeded", "failed", "cancelled", "running", "crashed")
"""As `history.runs` has them, which is too much to import at each press of Tab; a test compares."""


def complete_steps(ctx: typer.Context, incomplete: str) -> List[str]:
    """Selectors: steps, `+step`, `step+`, tags, instances of the newest run; pipeline files where none was given yet."""
    words = _words(ctx)
    found = _outline(ctx, words)
    plus = "+" if incomplete.startswith("+") else ""
    names = [plus + name for name in found.steps]
    if incomplete.startswith("tag:"):
        names += [f"tag:{tag}" for tag in found.tags]
    if "@" in incomplete:
        names += [plus + name for name in _told(ctx).instances]
    if not words and not plus:
        names += _files(incomplete)
    return names


def complete_files(incomplete: str) -> List[str]:
    return _files(incomplete)


def complete_folders(incomplete: str) -> List[str]:
    return [name for name in _entries(incomplete) if name.endswith("/")]


def complete_runs(ctx: typer.Context, incomplete: str) -> List[str]:
    """`last` and the ids of the newest runs."""
    del incomplete
    return ["last", "last~1", *_runs(ctx)]


def complete_runs_and_steps(ctx: typer.Context, incomplete: str) -> List[str]:
    if "@" in incomplete:
        return _told(ctx).instances
    return complete_runs(ctx, incomplete) + list(_outline(ctx, []).steps)


def complete_statuses() -> List[str]:
    """How a run may have ended."""
    return list(STATUSES)


def complete_axes(ctx: typer.Context) -> List[str]:
    """Axes of the newest run."""
    return _told(ctx).axes


def complete_values(ctx: typer.Context) -> List[str]:
    """Axes, params and metrics of the newest run."""
    found = _told(ctx)
    return list(dict.fromkeys([*found.values, *found.axes]))


def complete_params(ctx: typer.Context, incomplete: str) -> List[str]:
    """`name=`, to be followed by a value."""
    del incomplete
    return [f"{name}=" for name in _outline(ctx, _words(ctx)).params]


def complete_artifacts(ctx: typer.Context, incomplete: str) -> List[str]:
    """`STEP/OUTPUT`."""
    del incomplete
    steps = _outline(ctx, []).steps
    return [f"{step}/{output}" for step, outputs in steps.items() for output in outputs]


# ------------------------------------------------------------------------------------------ the rest


def _given(ctx: Any) -> Dict[str, Any]:
    """What was parsed so far, of the verb and of the command itself."""
    values: Dict[str, Any] = {}
    while ctx is not None:
        for name, value in ctx.params.items():
            if value is not None:
                values.setdefault(name, value)
        ctx = ctx.parent
    return values


def _words(ctx: Any) -> List[str]:
    words = _given(ctx).get("words") or []
    return [word for word in words if isinstance(word, str)]


def _outline(ctx: Any, words: List[str]) -> Outline:
    path = words[0] if words and words[0].endswith(SUFFIXES) else nearest_pipeline(_folder(ctx))
    return outline(path) if path else Outline()


def _folder(ctx: Any) -> str:
    return str(_given(ctx).get("C") or os.getcwd())


def nearest_pipeline(folder: str) -> Optional[str]:
    """The pipeline that a verb without one would take."""
    start = folder = os.path.abspath(folder)
    while True:
        for name in DEFAULTS:
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    inside = os.path.join(start, "pipelines")
    names = _listing(inside)
    only = [name for name in names if name.endswith(SUFFIXES)]
    return os.path.join(inside, only[0]) if len(only) == 1 else None


def _told(ctx: Any) -> Told:
    """What the newest run tells."""
    runs = _runs(ctx)
    return told(_runs_folder(ctx), runs[0]) if runs else Told()


def _runs_folder(ctx: Any) -> str:
    """The folder of all runs; empty where the store is a link, which may lead anywhere."""
    from mlorch.settings import read_settings

    try:
        root = project_root(_given(ctx).get("C"))
        store = read_settings(root).store
    except MlorchError:
        return ""
    return "" if os.path.islink(store) and os.path.dirname(store) == root else os.path.join(store, "runs")


def _runs(ctx: Any) -> List[str]:
    folder = _runs_folder(ctx)
    names = [name for name in _listing(folder) if not name.startswith(".")]
    return sorted(names, key=lambda name: _mtime(os.path.join(folder, name)), reverse=True)[:MOST_RUNS]


def project_root(given: Optional[str]) -> str:
    """The root of the project here (`-C`, if given), whether or not its pipeline is valid."""
    from mlorch.spec.root import find_root

    if given is not None:
        return os.path.abspath(given)
    return find_root(nearest_pipeline(os.getcwd()) or os.path.join(os.getcwd(), DEFAULTS[0]))


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _listing(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _entries(incomplete: str) -> List[str]:
    """Paths that begin with the text, folders with a slash; hidden ones only on request."""
    folder, start = os.path.split(incomplete)
    names = [
        name
        for name in _listing(folder or ".")
        if (name.startswith(start) and start[:1] == name[:1] == ".")
        or (name.startswith(start) and not name.startswith("."))
    ]
    paths = [os.path.join(folder, name) for name in names]
    return [path + "/" if os.path.isdir(path) else path for path in paths]


def _files(incomplete: str) -> List[str]:
    return [path for path in _entries(incomplete) if path.endswith(("/", *SUFFIXES))]
