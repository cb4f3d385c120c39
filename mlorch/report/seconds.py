"""Durations as a person reads them. Light on purpose: the idle path imports it."""

from __future__ import annotations


def seconds_text(seconds: float) -> str:
    """`28ms`, `8.8s`, `12s`, `1m46s`, `2h03m`, `3d04h`."""
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes:02d}m" if hours < 24 else f"{hours // 24}d{hours % 24:02d}h"
