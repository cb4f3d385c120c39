"""Names in what the newest run left behind, read line by line: quick, and content with a run that is under way.

Completion runs at each press of Tab, so only the end of a long file is read, and nothing is believed: a repository may bring
run files of its own.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import field
from typing import Any, Dict, Iterator, List, Mapping

from mlorch.values import dataclass

LARGEST = 1 << 20
"""Bytes that are read: some thousand instances."""
MOST = 200
"""Instances whose axes and values are looked at; those of a step have the same names."""
EVENTS = "events.jsonl"

_INSTANCE = re.compile(r'"instance":"([\w.-]+@[\w.+,-]+)"')
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Told:
    """Names that a run told, each once."""

    instances: List[str] = field(default_factory=list)
    """`fit@0-a`"""
    axes: List[str] = field(default_factory=list)
    values: List[str] = field(default_factory=list)
    """Params and metrics, dotted."""


def told(runs: str, run: str) -> Told:
    """What a run told; nothing where that can't be read.

    Args:
        runs: the folder of all runs.
    """
    text = _read(runs, run)
    axes: Dict[str, None] = {}
    values: Dict[str, None] = {}
    looked = 0
    for line in text.splitlines():
        if '"axes"' in line and looked < MOST:
            looked += 1
            data = _data(line)
            axes.update(dict.fromkeys(_names(data.get("axes"))))
            values.update(dict.fromkeys(_names(data.get("params"))))
            values.update(dict.fromkeys(_names(data.get("metrics"))))
    return Told(list(dict.fromkeys(_INSTANCE.findall(text))), list(axes), list(values))


def _read(runs: str, run: str) -> str:
    """The end of a run's events; no link is followed, since it may lead out of the project."""
    try:
        folder = os.open(runs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            inner = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(EVENTS, flags, dir_fd=inner)
        finally:
            os.close(inner)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return ""
            file.seek(max(0, found.st_size - LARGEST))
            return file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _data(line: str) -> Mapping[str, Any]:
    try:
        data = json.loads(line)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _names(values: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of values; metrics may be nested."""
    if not isinstance(values, dict) or prefix.count(".") > 8:
        return
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            continue
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield prefix + name
