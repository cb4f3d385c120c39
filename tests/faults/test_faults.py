"""A sample of the fault suite: a share of each campaign (`make faults` does all of it)."""

from __future__ import annotations

import os
import sys
from typing import Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("faults are injected on Linux only", allow_module_level=True)

sys.path.insert(0, os.path.dirname(__file__))

from bench import Campaign
from run import campaigns, start_share


@pytest.mark.parametrize("campaign", campaigns(), ids=lambda campaign: campaign.name.replace(" ", "-"))
def test_nothing_is_lost(campaign: Campaign) -> None:
    lacking = campaign.missing()
    if lacking:
        pytest.skip(f"{campaign.name}: {lacking}")
    answer = start_share(campaign.name, 0, 20, campaign.sample)
    assert not answer["error"], answer["error"]
    injected = sum(answer["tally"].values())
    assert injected >= campaign.sample, f"fewer faults than meant: {answer['tally']}"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MLORCH_FAULTS_KEEP", raising=False)
    yield
