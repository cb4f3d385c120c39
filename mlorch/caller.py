"""Who started a command, where, and from which commit. Light on purpose: the idle path imports it."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict

from mlorch.commit import commit_of


def caller(root: str) -> Dict[str, Any]:
    """User, host, process, commit and whether dirty, command line, CI address."""
    commit, dirty = commit_of(root)
    return {
        "user": _user(),
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "commit": commit,
        "dirty": dirty,
        "argv": list(sys.argv),
        "ci": _ci_address(),
    }


def _user() -> str:
    """As `getpass.getuser`, which imports what reads passwords."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError, OSError):
        return str(os.getuid())


def _ci_address() -> str:
    env = os.environ
    if env.get("GITHUB_RUN_ID"):
        return "{}/{}/actions/runs/{}".format(
            env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", ""), env["GITHUB_RUN_ID"]
        )
    return env.get("CI_JOB_URL", "")
