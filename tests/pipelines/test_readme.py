"""The README's pipeline does what the text around it says, with three small scripts as its steps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

ROOT = Path(__file__).resolve().parents[2]

SPLIT = """
import random, sys
_, _, seed, source, train, test = sys.argv
lines = open(source).read().splitlines()
random.Random(int(seed)).shuffle(lines)
open(train, "w").write("\\n".join(lines[5:]) + "\\n")
open(test, "w").write("\\n".join(lines[:5]) + "\\n")
"""
TRAIN = """
import json, sys
from common import rows
_, data, _, depth, _, model = sys.argv
open(model, "w").write(json.dumps({"depth": int(depth), "rows": len(rows(data))}))
"""
COMMON = """
def rows(path):
    return open(path).read().splitlines()
"""
EVALUATE = """
import json, sys
models = [json.load(open(path)) for path in sys.argv[2:]]
print(json.dumps({"accuracy": 0.95, "models": len(models)}))
"""


class Project:
    """A folder with the README's pipeline in it, and mlorch to run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        found = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
        assert found is not None
        self.write("mlorch.yaml", found.group(1))
        for name, text in (("split", SPLIT), ("train", TRAIN), ("common", COMMON), ("evaluate", EVALUATE)):
            self.write(name + ".py", text)
        self.write("iris.csv", "".join(f"{number},{number % 3}\n" for number in range(30)))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *arguments: str, code: int = 0) -> Dict[str, Any]:
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment["VIRTUAL_ENV"] = str(Path(sys.executable).parent.parent)
        command = [sys.executable, "-m", "mlorch", "run", "--json", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        answer: Dict[str, Any] = json.loads(done.stdout)
        return answer

    def ran(self, *arguments: str, code: int = 0) -> list:
        """The ids of the steps that executed, one for each instance."""
        steps = self.run(*arguments, code=code)["steps"]
        return sorted(step["step"].split("@")[0] for step in steps if step["attempts"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_pipeline_is_short(project: Project) -> None:
    assert len((project.folder / "mlorch.yaml").read_text(encoding="utf-8").splitlines()) <= 21


def test_what_the_readme_promises_of_it(project: Project) -> None:
    assert project.ran() == ["evaluate", "split", "train", "train", "train"]
    assert json.loads((project.folder / "metrics.json").read_text()) == {"accuracy": 0.95, "models": 3}
    assert project.ran() == []
    project.write("common.py", COMMON.replace("splitlines()", "strip().splitlines()"))
    assert project.ran() == ["train", "train", "train"], "the models are the same, so evaluate is not run"
    project.write("common.py", "# a comment\n" + COMMON.replace("splitlines()", "strip().splitlines()"))
    assert project.ran() == [], "comments do not count"
    assert "split" in project.ran("-p", "seed=8")
    assert project.ran() == [], "back to the earlier value"
    assert project.ran("-p", "min_accuracy=0.99", code=1) == [], "the check alone is looked at anew"
