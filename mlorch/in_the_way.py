"""What a run would find where its outputs belong, and keep aside: files that were edited, or that mlorch never made."""

from __future__ import annotations

from typing import Iterable, Iterator, Tuple

from mlorch.errors import EnvironmentFault
from mlorch.model import Decision
from mlorch.session import Session


def in_the_way(session: Session, decisions: Iterable[Decision]) -> Tuple[str, ...]:
    """The paths of outputs where such files stand, sorted."""
    paths = {path for decision in decisions for path in _replaced(session, decision)}
    keeps = session.store.workspace.would_keep
    return tuple(sorted(path for path in paths if keeps(path, session.publications.get(path))))


def _replaced(session: Session, decision: Decision) -> Iterator[str]:
    """The paths at which the instance would put something else than stands there."""
    if decision.action == "cached" and decision.record is not None:
        for artifact in decision.record.outputs.values():
            try:
                there = session.store.content(artifact.path, artifact.exclude)
            except EnvironmentFault:
                continue  # neither file nor folder: a run says so
            if there != artifact.content:
                yield artifact.path
    elif decision.action == "run" and decision.invocation is not None:
        yield from (output.path for output in decision.invocation.outputs)
