"""posix_spawn that lets the other threads go on: `os.posix_spawn` holds the interpreter's lock until the new process has
called exec, and on a busy machine that is milliseconds in which neither the hub nor another agent does anything.

Linux only (the sizes and flags are those of glibc and musl); `available` says whether it serves here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Mapping, Optional, Sequence, Tuple

_SETSIGDEF = 0x04
_SETSIGMASK = 0x08
_SETSID = 0x80
_ROOM = 1024
"""Bytes for each of the C library's own structures, of which the largest takes 336."""


class Spawner:
    """Starts processes in a session of their own, with no signal blocked. Thread-safe.

    Args:
        signals: those that begin with their default action, whatever this process does with them.
    """

    def __init__(self, signals: Sequence[int]) -> None:
        library: Any = _library()
        self.available = library is not None
        if not self.available:
            return
        self._library = library
        self._attributes = ctypes.create_string_buffer(_ROOM)
        chosen, none = ctypes.create_string_buffer(_ROOM), ctypes.create_string_buffer(_ROOM)
        library.sigemptyset(chosen)
        library.sigemptyset(none)
        for number in signals:
            library.sigaddset(chosen, int(number))
        library.posix_spawnattr_init(self._attributes)
        library.posix_spawnattr_setsigdefault(self._attributes, chosen)
        library.posix_spawnattr_setsigmask(self._attributes, none)
        flags = ctypes.c_short(_SETSIGDEF | _SETSIGMASK | _SETSID)
        if library.posix_spawnattr_setflags(self._attributes, flags):
            self.available = False  # a C library without POSIX_SPAWN_SETSID

    def spawn(
        self,
        program: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        wiring: Sequence[Tuple[int, int]],
        closed: Sequence[int],
    ) -> int:
        """Returns the process id.

        Args:
            wiring: (descriptor here, descriptor there), in the order in which they are made.
            closed: descriptors that it does not get though they are inheritable.

        Raises OSError as exec does, ValueError for a text with a NUL or a name of a variable with `=`.
        """
        if "" in env or any("=" in name for name in env):
            raise ValueError("illegal environment variable name")
        words, variables = _array(argv), _array([f"{name}={value}" for name, value in env.items()])
        path, pid = os.fsencode(program), ctypes.c_int(0)
        library = self._library
        actions = ctypes.create_string_buffer(_ROOM)
        _check(library.posix_spawn_file_actions_init(actions), None)
        try:
            for there, here in wiring:
                _check(library.posix_spawn_file_actions_adddup2(actions, there, here), None)
            for descriptor in closed:
                _check(library.posix_spawn_file_actions_addclose(actions, descriptor), None)
            # the call without the interpreter's lock
            code = library.posix_spawn(ctypes.byref(pid), path, actions, self._attributes, words, variables)
        finally:
            library.posix_spawn_file_actions_destroy(actions)
        _check(code, program)
        return pid.value


def _library() -> Optional[Any]:
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL(None)
        for name in ("init", "setsigdefault", "setsigmask", "setflags"):
            getattr(library, "posix_spawnattr_" + name)
        for name in ("init", "adddup2", "addclose", "destroy"):
            getattr(library, "posix_spawn_file_actions_" + name)
        _ = library.posix_spawn, library.sigemptyset, library.sigaddset
        return library
    except (OSError, AttributeError):
        return None


def _check(code: int, path: Optional[str]) -> None:
    if code:
        raise OSError(code, os.strerror(code), path)


def _array(texts: Sequence[str]) -> Any:
    """Texts as C has them: pointers, of which the last is NULL."""
    items = os.fsencode("\0".join(texts)).split(b"\0") if texts else []
    if len(items) != len(texts):
        raise ValueError("embedded null byte")
    return (ctypes.c_char_p * (len(items) + 1))(*items, None)
