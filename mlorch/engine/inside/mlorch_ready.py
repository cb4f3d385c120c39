"""Keeps ready, in the zygote, what each of its children would else look for and compile anew: where the module of a function
is, and the code of the project's modules. Nothing of the project is executed here.

A child pays for each page that it writes to, and Python writes to whatever it looks at: so the less it executes, the sooner
it ends. Code counts only for the very file that it was made of, and a listing only while its folder is unchanged, both by
stat; what could hide in the tick of a clock is not kept.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Dict, Optional, Sequence, Tuple

import mlorch_imports  # type: ignore[import-not-found]

MARGIN = 50_000_000
"""Nanoseconds: longer than a tick of any kernel's file clock."""
COARSE = 2_100_000_000
"""The same where a time has no fraction of a second."""


class Ready:
    """One of `sys.meta_path`: knows the module that is to be called, and no other."""

    def __init__(self) -> None:
        self._codes: Dict[str, Tuple[Sequence[int], Any]] = {}
        self._listed: Sequence[int] = ()
        """Sign of the project's root when importlib listed it last."""
        self._spec: Any = None
        mlorch_imports.FreshSource.kept = self._codes
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None, target: Any = None) -> Any:  # noqa: ARG002
        """The spec of the module that was prepared."""
        spec = self._spec
        return spec if spec is not None and spec.name == name and path is None else None

    def prepare(self, project: Any, root: str, module: str) -> None:
        """Before a fork: find the module, or the package that it is in, as a child would."""
        self._spec = None
        now, sign = time.time_ns(), mlorch_imports.sign_of(os.stat(root))
        if root not in sys.path_importer_cache or sign != self._listed:
            project.forget_listings()
            self._listed = sign
        if _is_settled(sign, now):
            self._spec = self._found(module.partition(".")[0])
        else:
            project.forget_listings()

    def _found(self, name: str) -> Any:
        """Only what is the project's and Python source: all else is found as fast, or seldom."""
        if name in sys.modules:
            return None
        for finder in sys.meta_path[1:]:
            spec = finder.find_spec(name, None)
            if spec is not None:
                return spec if isinstance(spec.loader, mlorch_imports.FreshSource) else None
        return None

    def learn(self, paths: Sequence[str]) -> None:
        """Compile modules that an attempt has imported, unless they are here as they are now."""
        for path in paths:
            if path.endswith(".py"):
                try:
                    self._learn(path)
                except Exception:  # gone, or no Python any more: whoever imports it is told
                    self._codes.pop(path, None)

    def _learn(self, path: str) -> None:
        now, sign = time.time_ns(), mlorch_imports.sign_of(os.stat(path))
        if self._codes.get(path, ((), None))[0] == sign or not _is_settled(sign, now):
            return
        code = mlorch_imports.FreshSource("kept", path).get_code("kept")
        if mlorch_imports.sign_of(os.stat(path)) == sign:
            self._codes[path] = (sign, code)


def _is_settled(sign: Sequence[int], now: int) -> bool:
    """Whether any change from now on shows in the times of a file or folder."""
    newest = max(sign[1], sign[2])
    return newest + (MARGIN if newest % 1_000_000_000 else COARSE) <= now
