"""Canonical digests of values and files: BLAKE3, written `blake3:` and 64 hexadecimal digits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO, Optional

from blake3 import blake3

from mlorch.model import Digest, Value

PREFIX = "blake3:"
CHUNK = 1 << 20
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def digest_bytes(data: bytes) -> Digest:
    return PREFIX + blake3(data).hexdigest()


def digest_value(tag: str, value: Value) -> Digest:
    """Digest of a tagged, canonical pre-image, so that no two kinds of value can ever share one."""
    return digest_bytes(canonical([tag, value]))


def digest_file(path: str) -> Digest:
    """Digest of a file's content (absolute path). Memory use does not grow with its size. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        return digest_stream(file)


def digest_stream(file: BinaryIO) -> Digest:
    hasher = blake3()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while True:
        count = file.readinto(buffer)  # type: ignore[attr-defined]
        if not count:
            return PREFIX + hasher.hexdigest()
        hasher.update(view[:count])


def canonical(value: Value) -> bytes:
    """One byte sequence for each typed value: `1`, `1.0`, `true` and `"1"` all differ, the order of keys does not count."""
    try:
        return _encode(value).encode("ascii")
    except (
        ValueError,
        TypeError,
    ):  # a NaN, or a mapping of another kind: rare, and most values need not be copied
        return _encode(tag_floats(value)).encode("ascii")


def tag_floats(value: Any) -> Any:
    """NaN and infinities as {"$float": "nan"}, so that the result is strict JSON."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is dict:
        return {key: item if type(item) is str else tag_floats(item) for key, item in value.items()}
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {"$float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
    if isinstance(value, (list, tuple)):
        return [tag_floats(item) for item in value]
    if isinstance(value, Mapping):
        return {key: tag_floats(item) for key, item in value.items()}
    return value


TAGS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def tagged_float(value: Any) -> Optional[float]:
    """The number that a tag stands for; None where a value is no tag, whatever a hostile file has in its place."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    name = value.get("$float")
    return TAGS.get(name) if isinstance(name, str) else None


def untag_floats(value: Any) -> Any:
    """The inverse of `tag_floats`."""
    if isinstance(value, dict):
        number = tagged_float(value)
        if number is not None:
            return number
        return {key: untag_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untag_floats(item) for item in value]
    return value
