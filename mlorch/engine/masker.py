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


class Masker:
    """Masks a stream: what may be the beginning of a secret is held until the rest has come."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._patterns = patterns_of(tuple(secrets))
        self._longest = len(self._patterns[0]) if self._patterns else 0
        self._any = (
            re.compile(b"|".join(re.escape(item) for item in self._patterns)) if self._patterns else None
        )
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next bytes that can be shown."""
        if self._any is None:
            return data
        data = self._held + data
        cut = self._cut(data)
        self._held = data[cut:]
        return patterns_mask(data[:cut], self._patterns)

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        data, self._held = self._held, b""
        return patterns_mask(data, self._patterns)

    def _cut(self, data: bytes) -> int:
        """Where a suffix begins that may be an incomplete secret, but never inside a complete one."""
        assert self._any is not None
        start = max(0, len(data) - self._longest + 1)
        for found in self._any.finditer(data, max(0, start - 2 * self._longest)):
            if found.start() < start < found.end():
                start = found.end()
        while True:
            complete = self._any.search(data, start)
            candidate = self._incomplete(data, start)
            if complete is None or candidate <= complete.start():
                return candidate
            start = complete.end()

    def _incomplete(self, data: bytes, start: int) -> int:
        """The first position from `start` from which all that is left begins a pattern; the end if there
        is none."""
        first = len(data)
        for pattern in self._patterns:
            head = pattern[:SHORTEST]
            position = data.find(head, max(start, len(data) - len(pattern) + 1), first + SHORTEST)
            while 0 <= position < first:
                if pattern.startswith(data[position:]):
                    first = position
                    break
                position = data.find(head, position + 1, first + SHORTEST)
            for rest in range(SHORTEST - 1, 0, -1):
                position = len(data) - rest
                if start <= position < first and pattern.startswith(data[position:]):
                    first = position
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
        self._thread.start()

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
