"""Secrets out of text: their values as they are and in common encodings become `***`."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import shlex
import threading
from functools import lru_cache
from typing import Iterator, List, Optional, Sequence, Tuple

STARS = "***"
SHORTEST = 4
"""Characters below which a value is no secret: it would be found everywhere."""
SHORTEST_LINE = 8
CHUNK = 1 << 20
HEAD = 8
"""Bytes of a text's end by which is told what may go on in it."""
HELD = 1 << 10
"""Bytes of overlapping secrets that are held back at least."""
WINDOW = 64
_RUN = re.compile(b"[A-Za-z0-9][A-Za-z0-9_.-]{4,}")


def mask(text: str, secrets: Sequence[str]) -> str:
    """Text without the values of `secrets`, those of four characters and more."""
    patterns = patterns_of(tuple(secrets))
    if not patterns:
        return text
    data = _encoded(text)
    masked = patterns_mask(data, patterns)
    return text if masked == data else masked.decode("utf-8", "surrogateescape")


def contains_secret(text: str, secrets: Sequence[str]) -> bool:
    """Whether text holds one of the values in any of the forms that `mask` knows."""
    data = _encoded(text)
    return any(pattern in data for pattern in patterns_of(tuple(secrets)))


def patterns_mask(data: bytes, patterns: Sequence[bytes]) -> bytes:
    for pattern in patterns:
        if pattern in data:
            data = data.replace(pattern, STARS.encode("ascii"))
    return data


@lru_cache(maxsize=64)
def patterns_of(secrets: Tuple[str, ...]) -> Tuple[bytes, ...]:
    """All byte strings to look for, longest first."""
    forms = (form for secret in secrets for form in _of_one(secret))
    found = {form for form in forms if len(form) >= SHORTEST and form.strip(b"*")}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _of_one(secret: str) -> Iterator[bytes]:
    """Of the value, of the value without blanks around it, and, as it is, each long line of several (a key in PEM)."""
    for value in {secret, secret.strip()}:
        if len(value) >= SHORTEST:
            yield from _forms(value)
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (_encoded(line) for line in lines if len(line) >= SHORTEST_LINE)


def _encoded(text: str) -> bytes:
    """UTF-8; bytes that were none come back as they were, other lone surrogates by their number."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _forms(value: str) -> Iterator[bytes]:
    data = _encoded(value)
    yield data
    yield from _base64_forms(data)
    yield data.hex().encode("ascii")
    yield data.hex().upper().encode("ascii")
    for text in _texts(value, data):
        yield _encoded(text)


def _texts(value: str, data: bytes) -> Iterator[str]:
    from urllib.parse import quote, quote_plus  # 4 ms, only where there are secrets

    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), encoded)
    for ascii_only in (True, False):
        quoted = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield quoted
        yield quoted.replace("/", "\\/")
    yield repr(value)[1:-1]
    yield value.replace("'", "'\\''")
    yield value.replace("'", shlex.quote("'"))
    yield value.replace("'", "'\"'\"'")
    yield re.sub(r"([^A-Za-z0-9_%+,./:=@-])", r"\\\1", value)  # bash's printf %q
    yield re.sub(r'([\\"$`])', r"\\\1", value)
    yield value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _base64_forms(data: bytes) -> Iterator[bytes]:
    """What stays the same wherever the value begins in a longer text that is encoded."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data)
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6
        core = encoded[first:last]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


Anchors = Tuple[Tuple[bytes, Tuple[bytes, ...]], ...]


@lru_cache(maxsize=64)
def anchors_of(secrets: Tuple[str, ...]) -> Anchors:
    """(what has to be there, the patterns that hold it), all patterns once: text without any anchor holds no pattern, and
    there are fewer anchors than patterns, as the encodings of a value in text share its letters and digits."""
    left = patterns_of(secrets)
    runs = {run for pattern in left for run in _RUN.findall(pattern)}
    holding = {run: [pattern for pattern in left if run in pattern] for run in sorted(runs)}
    found = []
    while holding:
        best = max(holding, key=lambda run: (_saved(run, holding[run]), run))
        if _saved(best, holding[best]) <= 0:
            break
        taken = holding.pop(best)
        found.append((best, tuple(taken)))
        left = tuple(pattern for pattern in left if best not in pattern)
        holding = {run: [item for item in among if item not in taken] for run, among in holding.items()}
    return (*found, *((_window(pattern), (pattern,)) for pattern in left))


def _window(pattern: bytes) -> bytes:
    """A part of it that is looked for as quickly, takes no time to prepare for, and has no banner at its edges."""
    core = pattern.strip(b"-=_*# ")
    pattern = core if len(core) >= HEAD else pattern
    starts = range(0, max(1, len(pattern) - WINDOW + 1), WINDOW // 2)
    return min((pattern[at : at + WINDOW] for at in starts), key=_cost)


def _saved(anchor: bytes, patterns: Sequence[bytes]) -> float:
    return sum(map(_cost, patterns)) - _cost(anchor)


def _cost(needle: bytes) -> float:
    """Of a search: long needles of many letters are looked for in long strides."""
    return 1 / min(len(needle), 3 * len(set(needle)), WINDOW)


class Masker:
    """Masks a stream: what may be the beginning of a secret is held until the rest has come."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._patterns = patterns_of(tuple(secrets))
        self._anchors = anchors_of(tuple(secrets))
        self._starry = [pattern for pattern in self._patterns if b"*" in pattern]
        self._heads = {item[:size] for item in self._patterns for size in range(1, min(HEAD, len(item)))}
        self._most = 4 * max([HELD, *map(len, self._patterns)])
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next bytes that can be shown."""
        if not self._patterns:
            return data
        data = self._held + data
        cut = self._cut(data)
        self._held = data[cut:]
        return self._mask(data[:cut])

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        data, self._held = self._held, b""
        return self._mask(data)

    def _mask(self, data: bytes) -> bytes:
        """As `patterns_mask` with all patterns: those whose anchor is not there are not there."""
        live = {pattern for anchor, patterns in self._anchors if anchor in data for pattern in patterns}
        if not live:
            return data
        live.update(self._starry)  # the stars of one may complete another
        return patterns_mask(data, [pattern for pattern in self._patterns if pattern in live])

    def _cut(self, data: bytes) -> int:
        """The latest place at which no secret is split: neither one that is whole nor one whose rest is still to come."""
        place = self._incomplete(data)
        if place == len(data):
            return place
        back = place
        while len(data) - back <= self._most:
            starts = [start for start, _ in self._around(data, back)]
            if not starts:
                return back
            back = min(starts)
        while True:  # a chain of overlapping ones without end: all that is whole will be masked
            ends = [end for _, end in self._around(data, place)]
            if not ends:
                return place
            place = max(ends)

    def _around(self, data: bytes, place: int) -> Iterator[Tuple[int, int]]:
        """Start of the first and end of the last occurrence of each pattern that has this place inside it."""
        for pattern in self._patterns:
            size = len(pattern)
            low, high = max(0, place - size + 1), place + size - 1
            start = data.find(pattern, low, high)
            if start >= 0:
                yield start, data.rfind(pattern, low, high) + size

    def _incomplete(self, data: bytes) -> int:
        """The first place from which all that is left begins a pattern; the end if there is none."""
        first = len(data)
        for size in range(1, min(HEAD, len(data) + 1)):
            if data[-size:] in self._heads:
                first = len(data) - size
        end = data[-HEAD:]
        if len(end) < HEAD:
            return first
        for pattern in self._patterns:
            at = pattern.rfind(end, 0, len(pattern) - 1)
            while at >= 0 and at + HEAD > len(data) - first:
                if data.endswith(pattern[: at + HEAD]):
                    first = len(data) - at - HEAD
                    break
                at = pattern.rfind(end, 0, at + HEAD - 1)
        return first


class MaskedLog:
    """A pipe whose other end writes a log without secrets, in a thread of its own.

    Args:
        log: descriptor of the log; closed with the pipe.
    """

    def __init__(self, log: int, secrets: Sequence[str]) -> None:
        self._log = log
        self._masker = Masker(secrets)
        self._reader, self.writer = os.pipe()
        self._stop, self._stopper = os.pipe()
        _enlarge(self.writer)
        os.set_blocking(self._reader, False)
        self.error: List[OSError] = []
        self._thread = threading.Thread(target=self._copy, name="mlorch-masker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the machine gives no thread
            for descriptor in (self._reader, self.writer, self._stop, self._stopper):
                os.close(descriptor)
            raise

    def finish(self) -> None:
        """The process has ended: write what is still in the pipe, even if somebody keeps it open."""
        os.close(self.writer)
        os.close(self._stopper)
        self._thread.join()
        for descriptor in (self._reader, self._stop, self._log):
            os.close(descriptor)

    def _copy(self) -> None:
        """Until end of file, or until stopped and empty. A full disk must not stop the step: it reads on."""
        waiter = select.poll()
        waiter.register(self._reader, select.POLLIN)
        waiter.register(self._stop, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiter.poll()}
            data = self._read()
            if data:
                self._write(self._masker.feed(data))
            elif data is not None or self._stop in ready:
                self._write(self._masker.flush())
                return

    def _read(self) -> Optional[bytes]:
        try:
            return os.read(self._reader, CHUNK)
        except BlockingIOError:
            return None

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self.error:
            try:
                view = view[os.write(self._log, view) :]
            except OSError as error:
                self.error.append(error)


def _enlarge(descriptor: int) -> None:
    import fcntl

    try:
        fcntl.fcntl(descriptor, getattr(fcntl, "F_SETPIPE_SZ", 1031), CHUNK)
    except OSError:
        return  # it stays at 64 KB
