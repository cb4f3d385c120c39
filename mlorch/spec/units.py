"""Durations and sizes as people write them."""

from __future__ import annotations

import math
import re
from typing import Union

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|[kKMGTP]B|[KMGTP]iB)")
_POWERS = "KMGTP"


def parse_duration(text_or_number: Union[str, int, float]) -> float:
    """Seconds of `90s`, `15m`, `1h30m`, `2d` or a plain number of seconds. Raises ValueError."""
    if isinstance(text_or_number, str):
        if len(text_or_number) > 100 or not _DURATION.fullmatch(text_or_number):
            return _plain(text_or_number, "a duration such as `90s`, `15m`, `1h30m` or `2d`")
        parts = _DURATION_PART.findall(text_or_number)
        return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    return _number(text_or_number, "a duration")


def parse_size(text_or_number: Union[str, int, float]) -> int:
    """Bytes of `512MiB`, `4GiB`, `10GB` or a plain number of bytes. Raises ValueError."""
    if not isinstance(text_or_number, str):
        return int(_number(text_or_number, "a size"))
    found = _SIZE.fullmatch(text_or_number) if len(text_or_number) <= 100 else None
    if found is None:
        return int(_plain(text_or_number, "a size such as `512MiB`, `4GiB` or `10GB`"))
    unit = found.group(2)
    power = 0 if unit == "B" else _POWERS.index(unit[0].upper()) + 1
    return int(float(found.group(1)) * (1024 if unit.endswith("iB") else 1000) ** power)


def _plain(text: str, expected: str) -> float:
    if len(text) <= 100 and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return float(text)
    raise ValueError("`{}` is not {}".format(text if len(text) <= 40 else text[:40] + "…", expected))


def _number(number: Union[int, float], expected: str) -> float:
    if isinstance(number, bool) or not math.isfinite(number) or number < 0:
        raise ValueError(f"`{number}` is not {expected}: it must be 0 or more")
    return float(number)
