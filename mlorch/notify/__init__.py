"""Alerts: what happened, told to people through channels. Never the cause of a failure: bounded in time, tried again,
kept in the run's folder."""

from __future__ import annotations

from mlorch.notify.alerts import Alerts
from mlorch.notify.delivery import Delivery, deliver
from mlorch.notify.message import Alert, Failed
from mlorch.notify.standing import Standing, standing_of

__all__ = ["Alert", "Alerts", "Delivery", "Failed", "Standing", "deliver", "standing_of"]
