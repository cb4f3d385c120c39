"""Many instances, much output, and no instance that is silently missing, whatever fails."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Set, Tuple

import pytest
from kit import Project

MB = 1_000_000

# ------------------------------------------------------------------------------------------------------------ outcomes

ENDINGS = {
    "fine": "true",
    "fails": "exit 3",
    "killed": "kill -9 $$",
    "no output": "rm -f ${{ outputs.o }}; exit 0",
    "flaky": "test $MLORCH_ATTEMPT = 2",
    "no program": "./no-such-program",
}


SEEDS = int(os.environ.get("SEEDS_PER_TEST", "0")) or 4


class Wild:
    """A random pipeline, and how many instances it has."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.instances = 0
        self.size: Dict[str, int] = {}
        self.steps: List[str] = []
        for number in range(self.random.randint(4, 9)):
            self.steps.append(self._step(f"s{number}"))
        self.text = "defaults: {retry: {max_attempts: 2, delay: 0}}\nsteps:\n" + "".join(self.steps)

    def _step(self, name: str) -> str:
        draw = self.random
        upstream = draw.sample(sorted(self.size), draw.randint(0, min(2, len(self.size))))
        size = draw.choice([0, 0, 3])  # shared axes must agree
        write = "echo x > ${{ outputs.o }}"
        ending = ENDINGS[draw.choice([*ENDINGS, *(["fine"] * 6)])]
        if size and draw.random() < 0.5:  # only one of the instances ends so
            ending = f"test ${{{{ matrix.n }}}} != 1 || {{ {ending}; }}"
        lines = [f"  {name}:", f"    run: {write}; {ending}"]
        path = f"out/{name}-${{{{ matrix.n }}}}" if size else f"out/{name}"
        lines.append(f'    outputs: {{o: "{path}"}}')
        if size:
            lines.append(f"    matrix: {{n: {list(range(size))}}}")
        inputs = [item for item in upstream if draw.random() < 0.6]
        if inputs:
            lines.append("    inputs:")
            lines += [f'      {item}: "${{{{ steps.{item}.outputs.o }}}}"' for item in inputs]
        needs = [item for item in upstream if item not in inputs]
        if needs:
            lines.append(f"    needs: {needs}")
        condition = draw.choice(["", "", "", "always()", "failure()", "not failure()", "1 > 2"])
        if condition:
            lines.append(f"    if: ${{{{ {condition} }}}}")
        if draw.random() < 0.2:
            lines.append("    continue_on_error: true")
        self.size[name] = size
        self.instances += max(1, size)
        return "\n".join(lines) + "\n"


@pytest.mark.parametrize("keep_going", [False, True])
@pytest.mark.parametrize("part", range(3))
def test_outcomes_add_up_whatever_fails(project: Project, part: int, keep_going: bool) -> None:
    for seed in range(part * SEEDS, (part + 1) * SEEDS):
        wild = Wild(seed)
        project.pipeline(wild.text)
        for _ in range(2):
            ran = project.run(code=None, keep_going=keep_going, jobs=random.choice([1, 2, 4]))
            totals = ran.summary.totals()
            assert len(ran.outcomes) == wild.instances, (seed, wild.text, ran.outcomes)
            assert sum(totals.values()) == wild.instances, (seed, totals)
            failed = {name for name, outcome in ran.outcomes.items() if outcome == "failed"}
            assert ran.code == (1 if any(not ran[name].tolerated for name in failed) else 0), (
                seed,
                wild.text,
            )
            _explained(ran.outcomes, seed, wild, keep_going)


def _explained(outcomes: Dict[str, str], seed: int, wild: Wild, keep_going: bool) -> None:
    allowed = {"succeeded", "cached", "failed", "skipped", "blocked"} | (
        set() if keep_going else {"cancelled"}
    )
    assert set(outcomes.values()) <= allowed, (seed, wild.text, outcomes)
    if "failed" not in outcomes.values():
        assert not {"blocked", "cancelled"} & set(outcomes.values()), (seed, wild.text, outcomes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_outcomes_add_up_after_a_signal_at_any_moment(project: Project, number: int) -> None:
    wild = Wild(random.randrange(1 << 30))
    project.pipeline(wild.text.replace("run: ", "run: sleep 0.1; "))
    process = project.start("run", "-k", "--json", "--progress", "jsonl")
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(random.random() * 0.6)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 128 + number), err
    document = json.loads(out)
    assert len(document["steps"]) == sum(document["totals"].values()) == wild.instances, (wild.text, out)
    ran = project.run(code=None, keep_going=True)
    assert len(ran.outcomes) == wild.instances and "cancelled" not in ran.outcomes.values()


# ---------------------------------------------------------------------------------------------------------------- sizes


def test_three_hundred_instances_flow_into_one_step(project: Project) -> None:
    project.pipeline(
        """
        steps:
          make: {run: [cp, in.txt, "${{ outputs.o }}"], matrix: {a: "${{ range(20) }}", b: "${{ range(15) }}"}, inputs: {i: in.txt}, outputs: {o: "parts/${{ matrix.a }}/${{ matrix.b }}.txt"}}
          join: {run: "cat ${{ inputs.all }} | wc -l > ${{ outputs.n }}", inputs: {all: "${{ steps.make.outputs.o }}"}, outputs: {n: n.txt}}
        """  # noqa: E501
    )
    project.write("in.txt", "x\n")
    ran = project.run()
    assert len(ran.outcomes) == 301 and project.read("n.txt").strip() == "300"
    assert project.run().executed == set()
    os.unlink(str(project.root / "parts/7/7.txt"))
    ran = project.run()
    assert ran.executed == set() and project.read("parts/7/7.txt") == "x\n"


def test_a_folder_of_many_files_flows_from_one_step_into_another(project: Project) -> None:
    project.write(
        "lib.py",
        """
        def make(out):
            for number in range(2000):
                (out / f"{number:04d}.txt").write_text(str(number % 7))

        def total(files, out):
            out.write_text(str(sum(int(file.read_text()) for file in files)))
        """,
    )
    project.pipeline(
        """
        steps:
          make: {call: "lib:make", outputs: {out: many/}}
          total: {call: "lib:total", inputs: {files: "many/*.txt"}, outputs: {out: total.txt}}
        """
    )
    project.run()
    assert project.read("total.txt") == str(sum(number % 7 for number in range(2000)))
    assert project.run().executed == set()


def _peak(project: Project, *arguments: str, **env: str) -> Tuple[int, float]:
    """(bytes of memory that mlorch or a process of its run held at most, seconds)."""
    began = time.time()
    process = subprocess.Popen(
        project.command("run", *arguments),
        cwd=str(project.root),
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), time.time() - began


SPEAK = 'head -c {} /dev/zero | tr "\\\\0" x; echo; echo the end >&2'


@pytest.mark.parametrize("secrets", ["", "secrets: [TOKEN]"])
def test_two_hundred_megabytes_of_output_cost_no_memory_and_are_whole(project: Project, secrets: str) -> None:
    def speak(size: int) -> None:
        project.pipeline(f"steps:\n  a:\n    run: {SPEAK.format(size)}\n    " + secrets)

    speak(10)
    little, _ = _peak(project, TOKEN="not-in-the-output")
    speak(200 * MB)
    much, seconds = _peak(project, TOKEN="not-in-the-output")
    assert much - little < 20 * MB, (little, much)
    assert seconds < 60
    run = json.loads(project.cli("show", "--json").stdout)
    log = project.root / run["steps"][0]["log"]
    with open(str(log), "rb") as file:
        count = sum(chunk.count(b"x") for chunk in iter(lambda: file.read(MB), b""))
        size = file.tell()
        file.seek(-9, os.SEEK_END)
        assert file.read() == b"\nthe end\n"[-9:]
    assert (count, size) == (200 * MB, 200 * MB + 9)
    os.unlink(str(log))


def test_a_run_leaves_no_descriptor_and_no_child_behind(project: Project) -> None:
    """The engine inside one process, many times: a server may do this for weeks."""
    project.write("lib.py", "def f():\n    return {'n': 1}\n")
    project.pipeline(
        'steps: {a: {run: "true", cache: false}, b: {call: "lib:f", cache: false}, c: {run: "exit 1"}}'
    )

    def open_files() -> Set[str]:
        folder = Path("/proc/self/fd")
        return {os.readlink(str(item)) for item in folder.iterdir() if os.path.lexists(str(item))}

    project.run(code=1, keep_going=True)
    before, children = open_files(), _children()
    for _ in range(3):
        project.run(code=1, keep_going=True)
    assert not {item for item in open_files() - before if str(project.root) in item}
    assert len(open_files()) <= len(before) + 2
    assert _children() == children
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > len(before)


def _children() -> List[str]:
    tasks = Path("/proc/self/task")
    return sorted(pid for task in tasks.iterdir() for pid in (task / "children").read_text().split())
