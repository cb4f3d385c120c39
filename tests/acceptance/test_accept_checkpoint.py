"""A training loop that is killed goes on from its checkpoint and ends with the model of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest
from kit import Project

TRAIN = """
import json
import os
import pathlib
import random
import sys
import time


def train(checkpoint, model, epochs, seed):
    file = checkpoint / "state.json"
    state = json.loads(file.read_text()) if file.exists() else {"epoch": 0, "weights": [0.0] * 8}
    with open("epochs.txt", "a") as log:
        log.write("start %d\\n" % state["epoch"])
    for epoch in range(state["epoch"], epochs):
        rng = random.Random(seed * 1000 + epoch)
        weights = [weight * 0.9 + rng.gauss(0, 1) for weight in state["weights"]]
        state = {"epoch": epoch + 1, "weights": weights}
        temporary = checkpoint / "state.new"
        temporary.write_text(json.dumps(state))
        os.replace(str(temporary), str(file))
        with open("pids.txt", "a") as log:
            log.write("%d\\n" % os.getpid())
        time.sleep(0.03)
    model.write_text(json.dumps(state["weights"]))


if __name__ == "__main__":
    train(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
"""
EPOCHS = 40
STEP = {
    "run": "run: python train.py ${{ checkpoint }} ${{ outputs.model }} ${{ params.epochs }} ${{ params.seed }}",
    "call": 'call: "train:train"\n            with: {checkpoint: "${{ checkpoint }}"}',
}


def fill(project: Project, how: str) -> None:
    project.write("train.py", TRAIN)
    project.pipeline(
        f"""
        params: {{epochs: {EPOCHS}, seed: 3}}
        steps:
          train:
            {STEP[how]}
            outputs: {{model: model.json}}
            params: [epochs, seed]
            checkpoint: true
          use: {{run: "wc -c < ${{{{ inputs.m }}}}", inputs: {{m: "${{{{ steps.train.outputs.model }}}}"}}}}
        """
    )


def some_epochs_in(project: Project, process: subprocess.Popen[str]) -> int:
    """Waits for a random number of further epochs. Returns the pid of the training process."""
    wanted = len(project.lines("pids.txt")) + random.randint(1, 9)
    deadline = time.time() + 30
    while len(project.lines("pids.txt")) < wanted:
        assert process.poll() is None and time.time() < deadline, process.communicate()
        time.sleep(0.005)
    return int(project.lines("pids.txt")[-1])


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("how", ["run", "call"])
def test_killed_once_alone_and_once_with_mlorch_it_resumes_and_makes_the_same_model(
    project: Project, tmp_path: Path, how: str
) -> None:
    fill(project, how)
    undisturbed = Project(tmp_path / "undisturbed")
    fill(undisturbed, how)
    undisturbed.run()
    kills: List[str] = ["step", "mlorch"]
    random.shuffle(kills)
    for victim in kills:
        process = project.start("run")
        pid = some_epochs_in(project, process)
        if victim == "step":
            os.kill(pid, signal.SIGKILL)
        else:
            process.kill()
        out, err = process.communicate(timeout=30)
        assert process.returncode == (1 if victim == "step" else -signal.SIGKILL), out + err
        deadline = time.time() + 5
        while not gone(pid):
            assert time.time() < deadline, "the step outlives mlorch"
            time.sleep(0.02)
        assert not project.exists("model.json")
        done = len(project.lines("pids.txt"))
        time.sleep(0.1)
        assert len(project.lines("pids.txt")) == done, "nothing trains on"
    ran = project.run()
    assert ran.outcomes == {"train": "succeeded", "use": "succeeded"}
    assert project.read("model.json") == undisturbed.read("model.json")
    starts = [int(line.split()[1]) for line in project.lines("epochs.txt")]
    assert len(starts) == 3 and starts[0] == 0 and 0 < starts[1] < starts[2] < EPOCHS, starts
    assert EPOCHS <= len(project.lines("pids.txt")) <= EPOCHS + 2, "at most one epoch is lost with each kill"
    assert [path for path in project.everything() if "state.json" in path] == [], (
        "the checkpoint goes with success"
    )
    assert project.run().executed == set()
    assert project.run(params=("seed=4",)).executed == {"train", "use"}
    assert project.lines("epochs.txt")[-1] == "start 0", "another key starts from nothing"


def test_a_retry_and_ctrl_c_go_on_from_the_checkpoint_too(project: Project) -> None:
    fill(project, "run")
    text = project.read("mlorch.yaml").replace(
        "checkpoint: true", "checkpoint: true\n    retry: {max_attempts: 2, delay: 0}"
    )
    project.write("mlorch.yaml", text)
    process = project.start("run")
    pid = some_epochs_in(project, process)
    os.kill(pid, signal.SIGKILL)
    second = some_epochs_in(project, process)
    assert second != pid
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert project.run().outcomes["train"] == "succeeded"
    starts = [int(line.split()[1]) for line in project.lines("epochs.txt")]
    assert len(starts) == 3 and starts[0] == 0 and 0 < starts[1] < starts[2], starts
