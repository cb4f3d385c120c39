"""The project root, and the names of files inside it."""

from __future__ import annotations

import os
from typing import Iterator, Optional


def find_root(pipeline_path: str) -> str:
    """The nearest folder at or above with `mlorch.toml`; else git's top; else the file's own folder."""
    own = os.path.dirname(os.path.abspath(pipeline_path))
    top: Optional[str] = None
    for folder in _upwards(own):
        if os.path.isfile(os.path.join(folder, "mlorch.toml")):
            return folder
        # a linked work tree and a submodule have a file there, not a folder
        if top is None and os.path.exists(os.path.join(folder, ".git")):
            top = folder
    return own if top is None else top


def _upwards(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def relative(path: str, root: str) -> str:
    """A path as it is named to people: from the root, with `/`."""
    return os.path.relpath(path, root).replace(os.sep, "/")
