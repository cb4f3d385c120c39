"""Fuzz the targets for some seconds: with coverage as the guide where atheris is installed, else with blind mutations.

    python tests/hostile/fuzz.py SECONDS [TARGET…]

What makes one fail is written to `build/fuzz/`, and the exit code is 1 then. Each target has a process of its own with
at most 512 MB of memory. What came of an hour or more over all targets is kept in `figures.json`, for `docs/promises.md`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Iterator, List

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus")
FOUND = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "fuzz")
LONGEST = 4096
FIGURES = os.path.join(HERE, "figures.json")
WORTH_KEEPING = 3600
"""Seconds of a run over all targets whose result is kept."""
AT_ONCE = 2
MEMORY_MB = 512


def corpus(target: str) -> List[bytes]:
    """The committed inputs of a target: one a file, `corpus/TARGET/`."""
    folder = os.path.join(CORPUS, target)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            found.append(file.read())
    return found or [b""]


def mutated(seed: bytes, chosen: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chosen.randint(1, 6)):
        at = chosen.randint(0, len(data))
        kind = chosen.randrange(4)
        if kind == 0:
            data[at:at] = bytes(
                chosen.choice(b"\0\xff{}[]:,&*!\"'$ \n-.0aA9\\") for _ in range(chosen.randint(1, 4))
            )
        elif kind == 1:
            del data[at : at + chosen.randint(1, 8)]
        elif kind == 2 and data:
            data[min(at, len(data) - 1)] = chosen.randrange(256)
        else:
            data[at:at] = data[at : at + chosen.randint(1, 20)] * chosen.randint(1, 3)
    return bytes(data[:LONGEST])


def main(seconds: int, targets: List[str]) -> int:
    os.makedirs(FOUND, exist_ok=True)
    each = max(1, seconds * AT_ONCE // max(1, len(targets)))
    waiting, running, failed = list(targets), {}, []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            name = waiting.pop(0)
            running[name] = subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), "--one", str(each), name]
            )
        time.sleep(0.5)
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                print(f"{name}: {'ok' if process.returncode == 0 else 'FAILED'}", flush=True)
                failed += [name] if process.returncode else []
    print(
        f"{len(targets)} targets, {each} s each, {len(failed)} failed"
        + "".join(f" {name}" for name in failed)
    )
    if seconds >= WORTH_KEEPING and set(targets) == set(all_targets()):
        write_figures(each, targets, failed)
    return 1 if failed else 0


def write_figures(each: int, targets: List[str], failed: List[str]) -> None:
    """Keep what came of a run.

    Args:
        each: seconds that each target had.
    """
    guided = importlib.util.find_spec("atheris") is not None
    figures: Dict[str, Any] = {"date": time.strftime("%Y-%m-%d"), "seconds": each, "guided": guided}
    figures["targets"] = {name: "failed" if name in failed else "nothing" for name in targets}
    with open(FIGURES, "w", encoding="utf-8") as file:
        file.write(json.dumps(figures, indent=1) + "\n")


def all_targets() -> List[str]:
    import targets

    return list(targets.TARGETS)


def one(seconds: int, name: str) -> int:
    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    try:
        import atheris
    except ImportError:
        return blindly(seconds, name)
    with atheris.instrument_imports(include=["mlorch"]):
        import targets
    own = tempfile.mkdtemp(prefix="mlorch-corpus-")
    for number, data in enumerate(corpus(name)):
        with open(os.path.join(own, str(number)), "wb") as file:
            file.write(data)
    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={LONGEST}",
    ]
    atheris.Setup(
        [sys.argv[0], own, f"-artifact_prefix={FOUND}/{name}-", "-verbosity=0", *options],
        targets.TARGETS[name],
    )
    atheris.Fuzz()
    return 0


def blindly(seconds: int, name: str) -> int:
    import resource

    import targets

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))
    chosen = random.Random(0)
    seeds = corpus(name)
    for data in attempts(seeds, chosen, time.monotonic() + seconds):
        try:
            targets.TARGETS[name](data)
        except BaseException:
            with open(os.path.join(FOUND, f"{name}-{chosen.getrandbits(32):08x}"), "wb") as file:
                file.write(data)
            raise
    return 0


def attempts(seeds: List[bytes], chosen: random.Random, until: float) -> Iterator[bytes]:
    yield from seeds
    while time.monotonic() < until:
        yield mutated(chosen.choice(seeds), chosen)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        sys.exit(one(int(sys.argv[2]), sys.argv[3]))
    sys.path[:0] = [HERE, os.path.dirname(HERE)]
    sys.exit(main(int(sys.argv[1]), sys.argv[2:] or all_targets()))
