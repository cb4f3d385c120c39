"""The whole environment of a step's process: what is let through, what is declared, what mlorch sets.
Nothing else."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from mlorch.errors import EnvironmentFault, did_you_mean
from mlorch.model import Needs

MODULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside", "modules")
"""Folder of the `sitecustomize` that notes which project modules a step loads."""

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"

_LET_THROUGH = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "LD_LIBRARY_PATH",
        "R_LIBS_USER",
        "JULIA_DEPOT_PATH",
        "CUDA_HOME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "all_proxy",
    ]
)
_LET_THROUGH_PREFIX = "NVIDIA_"

DEFAULTS: Mapping[str, str] = {"LANG": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}

_LIMITED = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHORTEST_NAME = 3


def thread_limits(cpus: int) -> Dict[str, str]:
    """The variables by which libraries learn how many threads they may start. What a key holds of
    `resources.cpus`."""
    return dict.fromkeys(_LIMITED, str(max(1, int(cpus))))


class Surroundings:
    """What steps get of the caller's environment, with what mlorch sets for all; made once for all that ask for the same.

    Args:
        caller: the caller's environment.
        bin_dir: folder of the pipeline's interpreter, put first on PATH; empty for none.
    """

    def __init__(self, caller: Mapping[str, str], bin_dir: str) -> None:
        self.caller = caller
        self._bin_dir = bin_dir
        self._made: Dict[Tuple[Tuple[str, ...], int], Mapping[str, str]] = {}

    def of(self, pass_env: Sequence[str], cpus: int) -> Dict[str, str]:
        """Variables for a step that asks for these by `pass_env`, as a mapping of its own."""
        asked = (tuple(pass_env), cpus)
        if asked not in self._made:
            env = {name: value for name, value in self.caller.items() if _is_let_through(name)}
            env.update(DEFAULTS)
            env.update(thread_limits(cpus))
            env.update(passed_variables(pass_env, self.caller))
            _enter_environment(env, self._bin_dir)
            self._made[asked] = env
        return dict(self._made[asked])


def step_environment(
    *,
    surroundings: Surroundings,
    declared: Mapping[str, str],
    pass_env: Sequence[str],
    secrets: Sequence[str],
    needs: Needs,
    gpus: Sequence[str],
    identity: Mapping[str, str],
    loaded_file: str,
) -> Dict[str, str]:
    """The environment of one attempt. Later ones win: what is let through, mlorch's defaults and limits,
    `pass_env`, the gpus, declared `env`, secrets, and the attempt's identity.

    Eight parameters, by name only: they are the eight sources of one mapping.

    Args:
        gpus: ids as in CUDA_VISIBLE_DEVICES.
        identity: MLORCH_RUN_ID, MLORCH_STEP, MLORCH_ATTEMPT and MLORCH_CONTEXT.
        loaded_file: report of loaded modules, with the hook that writes it; empty for none.

    Raises:
        EnvironmentFault: a secret that the caller's environment lacks.
    """
    env = surroundings.of(pass_env, needs.cpus)
    env["CUDA_VISIBLE_DEVICES"] = ",".join(str(gpu) for gpu in gpus)
    env.update(declared)
    env.update((name, _secret(name, surroundings.caller)) for name in secrets)
    env.update(identity)
    if loaded_file:
        env["PYTHONPATH"] = os.pathsep.join(path for path in (MODULES, env.get("PYTHONPATH", "")) if path)
        env["MLORCH_LOADED"] = loaded_file
    return env


def mentioned_variables(log_tail: str, caller: Mapping[str, str], env: Mapping[str, str]) -> List[str]:
    """Variables that the caller has and the step had not, and that the last lines of its log name."""
    words = set(_WORD.findall(log_tail))
    return sorted(name for name in words if len(name) >= SHORTEST_NAME and name in caller and name not in env)


def _is_let_through(name: str) -> bool:
    return name in _LET_THROUGH or name.startswith(_LET_THROUGH_PREFIX)


def passed_variables(patterns: Sequence[str], caller: Mapping[str, str]) -> Dict[str, str]:
    """What `pass_env` lets through of the caller's environment."""
    found: Dict[str, str] = {}
    for pattern in patterns:
        if pattern in caller:
            found[pattern] = caller[pattern]
        elif any(letter in pattern for letter in "*?["):
            found.update((name, caller[name]) for name in caller if fnmatch.fnmatchcase(name, pattern))
    return found


def _enter_environment(env: Dict[str, str], bin_dir: str) -> None:
    """As `activate` does it: `python` on PATH and VIRTUAL_ENV must name the same interpreter."""
    path = env.get("PATH") or DEFAULT_PATH
    env["PATH"] = path
    if not bin_dir:
        return
    env["PATH"] = bin_dir + os.pathsep + path
    home = os.path.dirname(bin_dir)
    if os.path.exists(os.path.join(home, "pyvenv.cfg")):
        env["VIRTUAL_ENV"] = home


def _secret(name: str, caller: Mapping[str, str]) -> str:
    if name in caller:
        return caller[name]
    near = did_you_mean(name, list(caller))
    hint = "export it before the run"
    raise EnvironmentFault(
        f"secret `{name}` is not in the environment of mlorch",
        f"{hint}; {near}" if near else hint,
    )
