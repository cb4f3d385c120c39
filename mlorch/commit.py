"""The commit of a project, asked of git without letting the repository start anything."""

from __future__ import annotations

import os
from typing import List, Optional, Sequence, Tuple


def commit_of(root: str) -> Tuple[str, Optional[bool]]:
    """(commit, whether tracked files differ from it); empty outside a repository. Runs no program that the repository's
    own configuration names, and writes nothing."""
    if not os.path.exists(os.path.join(root, ".git")):
        return "", None
    import subprocess

    try:
        commit = _ask_git(root, ["rev-parse", "HEAD"])
        if commit is None:
            return "", None
        names = _filters(root)
        if any("=" in name for name in names):
            return commit.decode("ascii", "replace").strip(), None  # no option can switch such a filter off
        quiet = [word for name in names for word in ("-c", f"{name}=")]
        # of a submodule only its commit is compared: a look into it would follow its own configuration
        status = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"]
        dirty = _ask_git(root, [*quiet, *status])
    except (OSError, subprocess.TimeoutExpired):
        return "", None
    return commit.decode("ascii", "replace").strip(), None if dirty is None else bool(dirty.strip())


def _ask_git(root: str, arguments: Sequence[str]) -> Optional[bytes]:
    """What git prints, None where it fails. No hook, no monitor, no fetch of missing objects, no lock."""
    import subprocess  # 10 ms: only in a repository

    settings = ["core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false"]
    options = [word for setting in settings for word in ("-c", setting)]
    command = ["git", "-C", root, *options, *arguments]
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    done = subprocess.run(
        command, capture_output=True, timeout=10, check=False, env=env, stdin=subprocess.DEVNULL
    )
    return None if done.returncode else done.stdout


def _filters(root: str) -> List[str]:
    """Settings of the repository (not of the user) that name a program which `status` would pipe files through."""
    asked = _ask_git(root, ["config", "--null", "--show-scope", "--get-regexp", "^filter\\."])
    words = (asked or b"").decode("utf-8", "surrogateescape").split("\0")
    names = [
        item.partition("\n")[0]
        for scope, item in zip(words[::2], words[1::2])
        if scope in ("local", "worktree")
    ]
    return [
        name for name in dict.fromkeys(names) if name.endswith((".clean", ".smudge", ".process", ".required"))
    ]
