"""What a step's environment holds, and from where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import pytest

from mlorch.engine.environment import (
    MODULES,
    Surroundings,
    mentioned_variables,
    step_environment,
    thread_limits,
)
from mlorch.errors import EnvironmentFault
from mlorch.model import Needs

ALWAYS = {"PATH", "LANG", "TZ", "PYTHONHASHSEED", "CUDA_VISIBLE_DEVICES", *thread_limits(1)}


def made(caller: Dict[str, str], **fields: Any) -> Dict[str, str]:
    sources: Dict[str, Any] = {
        "declared": {},
        "pass_env": (),
        "secrets": (),
        "needs": Needs(),
        "gpus": (),
        "identity": {},
        "loaded_file": "",
    }
    surroundings = Surroundings(caller, fields.pop("bin_dir", ""))
    return step_environment(surroundings=surroundings, **{**sources, **fields})


def test_from_an_empty_environment() -> None:
    env = made({})
    assert set(env) == ALWAYS
    assert env["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert (env["LANG"], env["TZ"], env["PYTHONHASHSEED"]) == ("C.UTF-8", "UTC", "0")
    assert env["CUDA_VISIBLE_DEVICES"] == "" and env["OMP_NUM_THREADS"] == "1"


def test_only_what_is_listed_is_let_through() -> None:
    listed = {"HOME": "/h", "LD_LIBRARY_PATH": "/l", "NVIDIA_X": "1", "https_proxy": "p", "R_LIBS_USER": "r"}
    caller = {
        **listed,
        "PATH": "/bin",
        "EDITOR": "vi",
        "PYTHONPATH": "/x",
        "LC_ALL": "de_DE",
        "MLORCH_RUN_ID": "outer",
    }
    assert set(made(caller)) == ALWAYS | set(listed)


def test_pass_env_takes_names_and_patterns() -> None:
    caller = {"AWS_A": "1", "AWS_B": "2", "WANDB_MODE": "off", "OTHER": "x", "LANG": "de_DE.UTF-8"}
    env = made(caller, pass_env=["AWS_*", "WANDB_MODE", "ABSENT", "LANG"])
    assert {name: env[name] for name in caller if name in env} == {
        name: caller[name] for name in caller if name != "OTHER"
    }


def test_declared_values_win_and_identity_wins_over_all() -> None:
    env = made(
        {"TZ": "x", "A": "caller"},
        pass_env=["A"],
        declared={"TZ": "Europe/Paris", "A": "declared", "OMP_NUM_THREADS": "7", "MLORCH_STEP": "fake"},
        identity={"MLORCH_STEP": "train@3"},
    )
    assert (env["TZ"], env["A"], env["OMP_NUM_THREADS"], env["MLORCH_STEP"]) == (
        "Europe/Paris",
        "declared",
        "7",
        "train@3",
    )


def test_secrets_are_let_through_or_missed_by_name() -> None:
    assert made({"DB_URL": "x"}, secrets=["DB_URL"])["DB_URL"] == "x"
    with pytest.raises(EnvironmentFault) as caught:
        made({"DB_URI": "x"}, secrets=["DB_URL"])
    assert caught.value.message == "secret `DB_URL` is not in the environment of mlorch"
    assert caught.value.hint == "export it before the run; did you mean `DB_URI`?"


def test_threads_and_gpus_follow_what_was_granted() -> None:
    env = made({"CUDA_VISIBLE_DEVICES": "0,1,2"}, needs=Needs(cpus=3, gpus=2), gpus=("1", "GPU-abc"))
    assert env["CUDA_VISIBLE_DEVICES"] == "1,GPU-abc"
    assert {env[name] for name in thread_limits(1)} == {"3"}
    assert thread_limits(2)["LOKY_MAX_CPU_COUNT"] == "2" and thread_limits(0)["OMP_NUM_THREADS"] == "1"


def test_the_interpreters_folder_comes_first_and_names_its_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    caller = {"PATH": "/usr/bin", "VIRTUAL_ENV": "/another"}
    env = made(caller, bin_dir=str(tmp_path / "bin"))
    assert env["PATH"] == f"{tmp_path}/bin:/usr/bin" and env["VIRTUAL_ENV"] == "/another"
    (tmp_path / "pyvenv.cfg").write_text("")
    assert made(caller, bin_dir=str(tmp_path / "bin"))["VIRTUAL_ENV"] == str(tmp_path)
    assert made(caller)["PATH"] == "/usr/bin"


def test_the_hook_stands_before_a_declared_pythonpath() -> None:
    env = made({}, loaded_file="/r/x.modules", declared={"PYTHONPATH": "src"})
    assert env["PYTHONPATH"] == MODULES + os.pathsep + "src" and env["MLORCH_LOADED"] == "/r/x.modules"
    assert made({}, loaded_file="/r/x.modules")["PYTHONPATH"] == MODULES


def test_variables_that_the_log_mentions_and_the_step_lacked() -> None:
    caller = {"DB_URL": "x", "HOME": "/h", "A": "1", "LANGUAGE": "de"}
    tail = "KeyError: 'DB_URL'\nHOME is A DB_URLS"
    assert mentioned_variables(tail, caller, {"HOME": "/h"}) == ["DB_URL"]
