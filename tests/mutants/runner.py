"""Applies each deliberate defect to a copy of the tree and sees that the named tests fail (`make mutants`).

    python tests/mutants/runner.py [NAME…]

A defect that the tests do not see survives: a test is missing. One whose text is no longer there exactly once is an
error that names it. What was found goes into `figures.json`, of which `docs/promises.md` is made.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Dict, List, Optional, Sequence, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIGURES = os.path.join(HERE, "figures.json")
LEFT_OUT = (
    ".git",
    ".venv*",
    ".mlorch",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
    "build",
)
LIMIT = 600
FAILED = 1
"""pytest's exit code for tests that failed; others mean that they did not even run."""
sys.path.insert(0, HERE)

from mutants import MUTANTS, Mutant  # noqa: E402


def mutated(root: str, mutant: Mutant) -> Dict[str, str]:
    """The changed files, by path. Raises ValueError where a text is not there exactly once."""
    changed: Dict[str, str] = {}
    for path, old, new in mutant.edits:
        if path not in changed:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                changed[path] = file.read()
        count = changed[path].count(old)
        if count != 1:
            raise ValueError(
                f"`{mutant.name}` no longer applies: {path} holds its text {count} times: {old!r}"
            )
        changed[path] = changed[path].replace(old, new)
    return changed


def run_tests(root: str, tests: Sequence[str], *options: str) -> Tuple[int, str]:
    """In a tree of its own, whatever is installed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLORCH_")}
    env["PYTHONPATH"] = root
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *options, *tests]
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return FAILED, f"FAILED {tests[0]} - it hung"
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def copy_tree() -> str:
    place = tempfile.mkdtemp(prefix="mlorch-mutants-")
    tree = os.path.join(place, "tree")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    return tree


def try_one(mutant: Mutant, root: str) -> Tuple[str, List[str]]:
    """(what went wrong, the tests that saw it)."""
    try:
        changed = mutated(root, mutant)
    except ValueError as error:
        return str(error), []
    before = {}
    for path, text in changed.items():
        full = os.path.join(root, path)
        with open(full, encoding="utf-8") as file:
            before[full] = file.read()
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
    try:
        code, told = run_tests(root, mutant.tests)
    finally:
        for full, text in before.items():
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
    if code == 0:
        return f"`{mutant.name}` survived: {', '.join(mutant.tests)} passed", []
    if code != FAILED:
        return f"`{mutant.name}`: the tests did not run (pytest: {code}): {told[-1500:]}", []
    failed = re.findall(r"^FAILED (\S+?)(?:\[| |$)", told, re.MULTILINE)
    return "", sorted(set(failed))


def run_all(chosen: Sequence[Mutant], workers: int) -> int:
    trees = [copy_tree() for _ in range(workers)]
    free: SimpleQueue[str] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def judge(mutant: Optional[Mutant]) -> Tuple[str, List[str]]:
        tree = free.get()
        try:
            if mutant is None:
                code, told = run_tests(tree, sorted({test for item in chosen for test in item.tests}))
                return ("" if code == 0 else f"the tests fail without any defect: {told[-3000:]}"), []
            return try_one(mutant, tree)
        finally:
            free.put(tree)

    try:
        with ThreadPoolExecutor(workers) as pool:
            untouched = pool.submit(judge, None)
            found = {item.name: pool.submit(judge, item) for item in chosen}
            problems = [untouched.result()[0]]
            for name, answer in found.items():
                problem, failed = answer.result()
                print(f"{name}: {problem or 'seen by ' + ', '.join(failed)}", flush=True)
                problems.append(problem)
    finally:
        for tree in trees:
            shutil.rmtree(os.path.dirname(tree), ignore_errors=True)
    problems = [problem for problem in problems if problem]
    print("\n".join(problems) or f"all {len(chosen)} defects were seen", flush=True)
    if not problems:
        write_figures({name: answer.result()[1] for name, answer in found.items()})
    return 1 if problems else 0


def write_figures(found: Dict[str, List[str]]) -> None:
    """Of these defects, beside what is known of others."""
    known: Dict[str, List[str]] = {}
    with contextlib.suppress(FileNotFoundError), open(FIGURES, encoding="utf-8") as file:
        known = {name: item["seen by"] for name, item in json.load(file)["mutants"].items()}
    known.update(found)
    mutants = {
        item.name: {"promises": list(item.promises), "seen by": known[item.name]}
        for item in MUTANTS
        if item.name in known
    }
    document = {
        "schema": "mlorch.mutants/1",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "mutants": mutants,
    }
    with open(FIGURES, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def main() -> int:
    chosen = [item for item in MUTANTS if not sys.argv[1:] or item.name in sys.argv[1:]]
    return run_all(chosen, min(len(chosen), os.cpu_count() or 1))


if __name__ == "__main__":
    sys.exit(main())
