"""Random projects and random edits for the correctness property: real files, real pipelines, nothing faked."""

from __future__ import annotations

import copy
import os
import random
import shutil
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Tuple

import yaml

WORDS = [
    "ash",
    "birch",
    "cedar",
    "elm",
    "fir",
    "hazel",
    "larch",
    "maple",
    "oak",
    "pine",
    "rowan",
    "willow",
    "yew",
]
MOST_STEPS = 9

HELPER_FAR = '''"""Two imports away."""


def far(text):
    return text + "{word}"


def unused(text):
    return "{other}" + text
'''
HELPER_NEAR = '''"""One import away."""

from lib.far import far


def near(text):
    return far(text).strip() + "\\n"
'''
SCRIPT = """import sys

from lib.near import near

with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
    target.write(near(source.read()))
"""
FUNCTIONS = """from lib.near import near


def count(text):
    return len(text.split())


def describe(source, out, depth=1):
    out.write_text(near(source.read_text()) * depth)
    return {"words": count(source.read_text()), "depth": depth}
"""


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


@dataclass
class Project:
    """The sources of a project as data; `write` makes them real."""

    files: Dict[str, str] = field(default_factory=dict)
    params: Dict[str, Any] = field(default_factory=dict)
    steps: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    def write(self, root: str) -> None:
        """Make the sources under `root` exactly these; what else is there stays."""
        document = {"version": 1, "name": "p", "params": self.params, "steps": self.steps}
        wanted = dict(self.files)
        wanted["p.yaml"] = yaml.safe_dump(document, sort_keys=False, width=1000)
        for folder in ("data", "lib", "proj"):
            for name in (
                list(os.listdir(os.path.join(root, folder)))
                if os.path.isdir(os.path.join(root, folder))
                else []
            ):
                path = f"{folder}/{name}"
                if path not in wanted and os.path.isfile(os.path.join(root, path)):
                    os.unlink(os.path.join(root, path))
        for path, text in wanted.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if not os.path.exists(full) or read(full) != text:
                with open(full, "w") as file:
                    file.write(text)

    def outputs_of(self, kinds: Tuple[str, ...]) -> List[str]:
        return [name for name, step in self.steps.items() if step["x-kind"] in kinds]


SINGLE = (
    "shell",
    "gather",
    "cond",
    "fail",
    "flaky",
    "inplace",
    "script",
    "call",
    "glob",
    "first",
    "after",
    "alarm",
    "folder",
)
MANY = ("matrix", "dynamic", "borrowed", "failmany")


class Author:
    """Writes and edits projects by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0
        self.history: List[Project] = []

    def word(self) -> str:
        return self.chance.choice(WORDS)

    def project(self) -> Project:
        made = Project()
        for index in range(3):
            made.files[f"data/s{index}.txt"] = self.lines()
        made.files["lib/__init__.py"] = ""
        made.files["lib/far.py"] = HELPER_FAR.format(word=self.word(), other=self.word())
        made.files["lib/near.py"] = HELPER_NEAR
        made.files["proj/script.py"] = "import os, sys\nsys.path.insert(0, os.getcwd())\n" + SCRIPT
        made.files["proj/functions.py"] = FUNCTIONS
        made.params = {"p": self.word(), "q": 1, "flag": True, "folds": 2}
        for _ in range(self.chance.randint(3, MOST_STEPS)):
            self.add_step(made)
        return made

    def lines(self) -> str:
        return "".join(
            f"{self.word()} {self.chance.randint(0, 9)}\n" for _ in range(self.chance.randint(1, 4))
        )

    # ------------------------------------------------------------------------------------------------------- steps

    def source(self, project: Project) -> str:
        singles = project.outputs_of(SINGLE)
        if singles and self.chance.random() < 0.7:
            return "${{ steps.%s.outputs.out }}" % self.chance.choice(singles)
        return f"data/s{self.chance.randint(0, 2)}.txt"

    def add_step(self, project: Project) -> None:
        self.count += 1
        name = f"{self.word()}{self.count}"
        kinds = [
            "shell",
            "matrix",
            "split",
            "cond",
            "fail",
            "flaky",
            "inplace",
            "script",
            "call",
            "glob",
            "failmany",
        ]
        many = project.outputs_of(MANY)
        if many:
            kinds += ["gather", "gather", "borrowed"]
        if project.outputs_of(("split",)):
            kinds += ["dynamic", "dynamic", "folder"]
        if project.outputs_of(("fail", "failmany")):
            kinds += ["after", "alarm"]
        if len(project.outputs_of(SINGLE)) > 1:
            kinds += ["first"]
        kind = self.chance.choice(kinds)
        step = getattr(self, "_" + kind)(project, name)
        step["x-kind"] = kind
        project.steps[name] = step

    def _base(self, project: Project, name: str, run: str) -> Dict[str, Any]:
        return {
            "run": run,
            "inputs": {"a": self.source(project)},
            "outputs": {"out": f"work/{name}/out.txt"},
        }

    def _shell(self, project: Project, name: str) -> Dict[str, Any]:
        return self._base(
            project,
            name,
            "{ cat ${{ inputs.a }}; echo %s ${{ params.p }}; } > ${{ outputs.out }}" % self.word(),
        )

    def _matrix(self, project: Project, name: str) -> Dict[str, Any]:
        step = self._base(
            project,
            name,
            "{ cat ${{ inputs.a }}; echo ${{ matrix.k }} ${{ params.q }}; } > ${{ outputs.out }}",
        )
        step["matrix"] = {"k": self.chance.choice([[1, 2], ["x", "y z"], "${{ range(params.folds) }}"])}
        step["outputs"] = {"out": "work/%s/${{ step.instance }}.txt" % name}
        return step

    def _borrowed(self, project: Project, name: str) -> Dict[str, Any]:
        other = self.chance.choice(project.outputs_of(MANY))
        return {
            "run": "tr a-m A-M < ${{ inputs.a }} > ${{ outputs.out }}",
            "matrix": "${{ steps.%s.matrix }}" % other,
            "inputs": {"a": "${{ steps.%s.outputs.out }}" % other},
            "outputs": {"out": "work/%s/${{ step.instance }}.txt" % name},
        }

    def _split(self, project: Project, name: str) -> Dict[str, Any]:
        run = (
            "n=0; while read -r line; do n=$((n+1)); printf '%s\\n' \"$line\" > ${{ outputs.parts }}/p$n.txt; "
            "done < ${{ inputs.a }}"
        )
        step = self._base(project, name, run)
        step["outputs"] = {"parts": f"work/{name}/parts/"}
        return step

    def _dynamic(self, project: Project, name: str) -> Dict[str, Any]:
        other = self.chance.choice(project.outputs_of(("split",)))
        return {
            "run": "{ cat ${{ matrix.part }}; echo ${{ params.p }}; } > ${{ outputs.out }}",
            "matrix": {"part": "${{ steps.%s.outputs.parts }}" % other},
            "outputs": {"out": "work/%s/${{ step.instance }}" % name},
        }

    def _folder(self, project: Project, name: str) -> Dict[str, Any]:
        other = self.chance.choice(project.outputs_of(("split",)))
        step = self._base(project, name, "cat ${{ inputs.a }}/*.txt > ${{ outputs.out }}")
        step["inputs"] = {"a": f"work/{other}/parts"}
        return step

    def _gather(self, project: Project, name: str) -> Dict[str, Any]:
        other = self.chance.choice(project.outputs_of(MANY))
        step = self._base(project, name, "cat ${{ inputs.a }} /dev/null > ${{ outputs.out }}")
        step["inputs"] = {"a": "${{ steps.%s.outputs.out }}" % other}
        return step

    def _glob(self, project: Project, name: str) -> Dict[str, Any]:
        many = project.outputs_of(MANY)
        pattern = (
            f"work/{self.chance.choice(many)}/*.txt" if many and self.chance.random() < 0.6 else "data/*.txt"
        )
        step = self._base(project, name, "cat ${{ inputs.a }} > ${{ outputs.out }}")
        step["inputs"] = {"a": pattern}
        return step

    def _cond(self, project: Project, name: str) -> Dict[str, Any]:
        step = self._shell(project, name)
        step["if"] = self.chance.choice(
            ["${{ params.flag }}", "${{ not params.flag }}", "${{ params.q > 1 }}"]
        )
        return step

    def _first(self, project: Project, name: str) -> Dict[str, Any]:
        one, other = self.chance.sample(project.outputs_of(SINGLE), 2)
        step = self._base(project, name, "cat ${{ inputs.a }} > ${{ outputs.out }}")
        step["inputs"] = {"a": "${{ first(steps.%s.outputs.out, steps.%s.outputs.out) }}" % (one, other)}
        return step

    def _fail(self, project: Project, name: str) -> Dict[str, Any]:
        step = self._base(
            project,
            name,
            "if grep -q elm ${{ inputs.a }}; then exit 3; fi; cat ${{ inputs.a }} > ${{ outputs.out }}",
        )
        step["continue_on_error"] = self.chance.random() < 0.3
        return step

    def _after(self, project: Project, name: str) -> Dict[str, Any]:
        """Looks over failed and skipped upstream; a list leaves failed instances out."""
        other = self.chance.choice(project.outputs_of(("fail", "cond", "failmany")))
        step = self._base(project, name, "cat data/s0.txt > ${{ outputs.out }}")
        step["inputs"] = {"a": "data/s0.txt"}
        step["run"] = "{ cat ${{ inputs.a }}; echo ${{ steps.%s.status }}; } > ${{ outputs.out }}" % other
        step["if"] = "${{ always() }}"
        return step

    def _alarm(self, project: Project, name: str) -> Dict[str, Any]:
        other = self.chance.choice(project.outputs_of(("fail", "failmany")))
        step = self._base(project, name, "echo failed > ${{ outputs.out }}")
        step["inputs"] = {}
        step["needs"] = [other]
        step["if"] = "${{ failure() }}"
        return step

    def _failmany(self, project: Project, name: str) -> Dict[str, Any]:
        run = "if [ ${{ matrix.k }} = ${{ params.q }} ]; then exit 3; fi; cat ${{ inputs.a }} > ${{ outputs.out }}"
        step = self._base(project, name, run)
        step["matrix"] = {"k": [1, 2, 3]}
        step["outputs"] = {"out": "work/%s/${{ step.instance }}.txt" % name}
        return step

    def _flaky(self, project: Project, name: str) -> Dict[str, Any]:
        step = self._base(
            project,
            name,
            'echo partial > ${{ outputs.out }}; [ "$MLORCH_ATTEMPT" -ge 2 ]; cat ${{ inputs.a }} > ${{ outputs.out }}',
        )
        step["retry"] = {"max_attempts": 2}
        return step

    def _inplace(self, project: Project, name: str) -> Dict[str, Any]:
        return self._base(
            project, name, "{ cat ${{ inputs.a }}; echo ${{ params.q }}; } > work/%s/out.txt" % name
        )

    def _script(self, project: Project, name: str) -> Dict[str, Any]:
        return self._base(project, name, "python proj/script.py ${{ inputs.a }} ${{ outputs.out }}")

    def _call(self, project: Project, name: str) -> Dict[str, Any]:
        step = self._base(project, name, "")
        del step["run"]
        step["call"] = "proj.functions:describe"
        step["inputs"] = {"source": step["inputs"]["a"]}
        step["with"] = {"depth": "${{ params.q }}"}
        return step

    # ------------------------------------------------------------------------------------------------------- edits

    def edit(self, project: Project, root: str) -> Tuple[Project, str]:
        """One random edit: the new sources, and what was done (some edits tamper with outputs on disk)."""
        self.history.append(copy.deepcopy(project))
        edits: List[Callable[[Project, str], str]] = [
            self.change_param, self.change_param, self.change_source, self.change_source, self.change_code, self.comment,
            self.tamper, self.tamper, self.delete_output, self.grow, self.rename, self.remove, self.take_back, self.touch,
        ]  # fmt: skip
        after = copy.deepcopy(project)
        edit = self.chance.choice(edits)
        told = edit(after, root)
        return after, told

    def take_back(self, project: Project, root: str) -> str:
        """An earlier state of the sources comes back."""
        earlier = copy.deepcopy(self.chance.choice(self.history))
        project.files, project.params, project.steps = earlier.files, earlier.params, earlier.steps
        return "an earlier state"

    def change_param(self, project: Project, root: str) -> str:
        name = self.chance.choice(sorted(project.params))
        choices: Dict[str, List[Any]] = {
            "p": list(WORDS),
            "q": [1, 2, 3],
            "flag": [True, False],
            "folds": [1, 2, 3],
        }
        project.params[name] = self.chance.choice(choices[name])
        return f"param {name} = {project.params[name]}"

    def change_source(self, project: Project, root: str) -> str:
        name = self.chance.choice([path for path in project.files if path.startswith("data/")])
        project.files[name] = self.lines()
        return f"source {name}"

    def change_code(self, project: Project, root: str) -> str:
        project.files["lib/far.py"] = HELPER_FAR.format(word=self.word(), other=self.word())
        return "code two imports away"

    def comment(self, project: Project, root: str) -> str:
        name = self.chance.choice(["lib/near.py", "lib/far.py", "proj/script.py", "proj/functions.py"])
        project.files[name] += f"# {self.word()}\n"
        return f"comment in {name}"

    def touch(self, project: Project, root: str) -> str:
        for folder, _, files in os.walk(os.path.join(root, "data")):
            for name in files:
                os.utime(os.path.join(folder, name))
        return "touch data"

    def _standing(self, root: str) -> List[str]:
        return sorted(
            os.path.join(folder, name)
            for folder, _, files in os.walk(os.path.join(root, "work"))
            for name in files
        )

    def tamper(self, project: Project, root: str) -> str:
        # What a removed step left is the user's own once it was edited: a source, of which a clean build would not know.
        made = [path for step in project.steps.values() for path in step["outputs"].values()]
        made = [os.path.join(root, path.split("${{")[0]) for path in made]
        files = [path for path in self._standing(root) if any(path.startswith(start) for start in made)]
        if not files:
            return "nothing to tamper with"
        path = self.chance.choice(files)
        with open(path, "a") as file:
            file.write("tampered\n")
        return f"tampered with {os.path.relpath(path, root)}"

    def delete_output(self, project: Project, root: str) -> str:
        files = self._standing(root)
        if not files:
            return "nothing to delete"
        path = self.chance.choice(files)
        if self.chance.random() < 0.3:
            path = os.path.dirname(path)
            shutil.rmtree(path)
        else:
            os.unlink(path)
        return f"deleted {os.path.relpath(path, root)}"

    def grow(self, project: Project, root: str) -> str:
        if len(project.steps) < MOST_STEPS + 3:
            self.add_step(project)
        return "added a step"

    def remove(self, project: Project, root: str) -> str:
        used = yaml.safe_dump(project.steps)
        free = [name for name in project.steps if used.count(name) <= 1 + used.count(f"work/{name}/")]
        free = [name for name in free if f"steps.{name}." not in used]
        if len(project.steps) > 1 and free:
            name = self.chance.choice(free)
            others = {key: value for key, value in project.steps.items() if key != name}
            # What an input names exactly stays as a source, and a renamed step may have kept its paths.
            made = [path.rstrip("/") for path in project.steps[name]["outputs"].values()]
            if any(path in yaml.safe_dump(others) for path in made):
                return "nothing to remove"
            del project.steps[name]
            return f"removed {name}"
        return "nothing to remove"

    def rename(self, project: Project, root: str) -> str:
        name = self.chance.choice(sorted(project.steps))
        self.count += 1
        new = f"{self.word()}{self.count}"
        text = yaml.safe_dump(project.steps, sort_keys=False, width=1000)
        keep_paths = self.chance.random() < 0.5
        text = text.replace(f"steps.{name}.", f"steps.{new}.").replace(f"\n{name}:", f"\n{new}:")
        if text.startswith(f"{name}:"):
            text = new + text[len(name) :]
        if not keep_paths:
            text = text.replace(f"work/{name}/", f"work/{new}/")
        project.steps = yaml.safe_load(text)
        return f"renamed {name} to {new}"
