"""A sample of the fault suite: a little of each campaign (`make faults` does all of it)."""

from __future__ import annotations

import os
import sys
from typing import List

import pytest

if sys.platform != "linux":
    pytest.skip("faults are injected on Linux only", allow_module_level=True)

sys.path.insert(0, os.path.dirname(__file__))

from bench import Campaign
from suite import campaigns, start_shares

SHARES = 20
"""The first of so many shares is what a sample draws from."""


def by_module() -> List[List[Campaign]]:
    """Campaigns that share a process, and its warming up."""
    groups: dict[str, List[Campaign]] = {}
    for campaign in campaigns():
        groups.setdefault(campaign.strike.__module__, []).append(campaign)
    return list(groups.values())


@pytest.mark.parametrize("group", by_module(), ids=lambda group: group[0].strike.__module__)
def test_nothing_is_lost(group: List[Campaign], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLORCH_FAULTS_KEEP", raising=False)
    able = [campaign for campaign in group if not campaign.missing()]
    lacking = [f"{campaign.name}: {campaign.missing()}" for campaign in group if campaign.missing()]
    if not able:
        pytest.skip("; ".join(lacking))
    wanted = [(campaign.name, 0, SHARES, campaign.sample) for campaign in able]
    for campaign, answer in zip(able, start_shares(wanted)):
        assert not answer["error"], answer["error"]
        # strace may come too late for a call that a run makes seldom
        assert answer["tally"], f"{campaign.name}: no fault was injected"
    for told in lacking:
        print(f"not done on this machine: {told}")
