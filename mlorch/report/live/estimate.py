"""How long a run may still take: the longer of its longest chain and of all work over the slots.

A lower bound where a step has no history, or its instances are not known yet.
"""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

from mlorch.report.live.board import Board, StepState


def remaining(board: Board, now: float) -> Tuple[Optional[float], bool]:
    """(seconds, whether that is only a lower bound); None where nothing is known of what is ahead."""
    alone, work, known, bound = 0.0, 0.0, False, False
    own: Dict[str, float] = {}
    for step, state in board.steps.items():
        left = state.ahead
        if left <= 0 and not state.open:
            continue
        if state.seconds is None:
            bound = True
            continue
        bound = bound or state.open
        known = True
        elapsed = [now - board.running[name].since for name in state.running if name in board.running]
        unstarted = max(0, left - len(elapsed))
        rest = [max(0.0, state.seconds - each) for each in elapsed]
        work += sum(rest) + unstarted * state.seconds
        own[step] = state.seconds if unstarted else max(rest, default=0.0)
    if not known:
        return None, bound
    chains = longest_chains(board.steps, own)
    alone = max(chains.values(), default=0.0)
    return max(alone, work / board.jobs), bound


def longest_chains(steps: Mapping[str, StepState], own: Mapping[str, float]) -> Dict[str, float]:
    """Step -> seconds of the longest chain that ends with it. Steps stand in the pipeline's order, upstream first."""
    ends: Dict[str, float] = {}
    for step, state in steps.items():
        above = max((ends.get(name, 0.0) for name in state.upstream), default=0.0)
        ends[step] = above + own.get(step, 0.0)
    return ends
