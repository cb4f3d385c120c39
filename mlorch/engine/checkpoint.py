"""Checkpoint folders: private to a key, surviving attempts and runs, never taken for another code's."""

from __future__ import annotations

import json
import os
import shutil
from typing import Mapping

from mlorch.ports import Store

_VERSION = 1


def prepare(store: Store, folder: str, fresh: bool) -> None:
    """Make the folder, empty where `fresh` or where a module that its attempts loaded has changed.

    Args:
        folder: root-relative.
    """
    path = os.path.join(store.root, folder)
    if fresh or not _holds(store, path):
        discard(store, folder)
    os.makedirs(path, exist_ok=True)


def note_modules(store: Store, folder: str, modules: Mapping[str, str]) -> None:
    """Remember what an attempt loaded beside its static code (path -> digest)."""
    path = os.path.join(store.root, folder)
    if not os.path.isdir(path):
        return
    known = dict(_read(path))
    known.update(modules)
    temporary = path + ".modules.new"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump({"version": _VERSION, "modules": known}, file)
    os.replace(temporary, path + ".modules")


def discard(store: Store, folder: str) -> None:
    """Take the folder away: the step has succeeded, or must begin anew."""
    path = os.path.join(store.root, folder)
    shutil.rmtree(path, ignore_errors=True)
    for suffix in (".modules", ".modules.new"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)


def _read(path: str) -> Mapping[str, str]:
    try:
        with open(path + ".modules", encoding="ascii") as file:
            document = json.load(file)
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        return {"unknown version": ""}
    modules = document.get("modules")
    return modules if isinstance(modules, dict) else {"unknown version": ""}


def _holds(store: Store, path: str) -> bool:
    for module, digest in _read(path).items():
        content = store.content(module)
        if content is None or content.digest != digest:
            return False
    return True
