"""JSON that any program reads: ASCII, no NaN (tagged as {"$float": "nan"}), times in UTC."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Mapping, Optional

from mlorch.digest import tag_floats
from mlorch.model import UNKNOWN


def iso_time(seconds: Optional[float]) -> Optional[str]:
    """`2026-11-21T08:00:00.000Z` of seconds since the epoch."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: Any) -> Any:
    """Values as JSON has them: mappings, lists, text; what is not yet known is null, NaN is tagged."""
    if isinstance(value, str):
        return None if value == UNKNOWN else str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    return tag_floats(value)


def line(document: Mapping[str, Any]) -> str:
    """One line of ASCII; bytes of file names that are not UTF-8 come as escapes."""
    return json.dumps(plain(document), ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"
