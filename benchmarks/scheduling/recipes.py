"""Runs in the environment of `wfcommons`: writes task graphs of its recipes as WfFormat.

recipes.py FOLDER SEED RECIPE-SIZE…
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy
from wfcommons import WorkflowGenerator
from wfcommons.wfchef import recipes


def main() -> None:
    folder, seed, *wanted = sys.argv[1:]
    for word in wanted:
        recipe, _, size = word.partition("-")
        random.seed(f"{seed} {word}")
        numpy.random.seed(int(seed))
        try:
            work = WorkflowGenerator(
                getattr(recipes, recipe + "Recipe").from_num_tasks(int(size))
            ).build_workflow()
        except Exception as error:  # a recipe that can't make this size must not cost the others
            print(f"left out: {word}: {error}", file=sys.stderr)
            continue
        part = Path(folder) / f"{word}.part"
        work.write_json(part)
        part.replace(part.with_suffix(".json"))


if __name__ == "__main__":
    main()
