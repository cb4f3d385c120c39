"""The fault suite: injects faults by kind, checks the oracle after each, counts, and fails when too few were injected.

    python tests/faults/suite.py                   all of it (`make faults`)
    python tests/faults/suite.py points loops      some campaigns
    python tests/faults/suite.py --share 'fault points:0:40:0'     one share, in this process

Each share of a campaign runs in a process of its own, so that a failure ends that share only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Sequence, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIGURES = os.path.join(HERE, "figures.json")
LIMIT = 1500
"""Seconds that one share may take before it counts as hung."""
sys.path.insert(0, HERE)

from bench import DISTURBANCES, MEANT, Bench, Campaign  # noqa: E402
from lab import Lab, sleep, warm_up, warm_up_more  # noqa: E402


def campaigns() -> List[Campaign]:
    import points

    found = [*points.CAMPAIGNS]
    for name in ("strace", "loops", "machines", "together"):
        if os.path.exists(os.path.join(HERE, name + ".py")):
            found += __import__(name).CAMPAIGNS
    return found


def scratch() -> str:
    """Where projects are made: memory, where there is some, as most faults need no disk."""
    chosen = os.environ.get("TMPDIR")
    if chosen is None and os.access("/dev/shm", os.W_OK):
        chosen = "/dev/shm"
    made = tempfile.mkdtemp(prefix="mlorch-faults-", dir=chosen)
    os.chmod(made, 0o755)  # another user is to get there
    return made


def prepare_environment() -> None:
    for name in list(os.environ):
        if name.startswith("MLORCH_") or name == "NAP":
            del os.environ[name]
    os.environ["VIRTUAL_ENV"] = sys.prefix


# --------------------------------------------------------------------------------------------------- one share


def run_share(name: str, share: int, shares: int, rounds: int) -> Dict[str, Any]:
    """In this (warm) process. Returns {"tally", "error", "seconds"}."""
    campaign = next(item for item in campaigns() if item.name == name)
    folder = scratch()
    bench = Bench(name, folder, share, shares, rounds)
    began = time.monotonic()
    error = ""
    try:
        campaign.strike(bench)
    except AssertionError as failed:
        error = str(failed) or "an assertion failed"
    except Exception:
        import traceback

        error = traceback.format_exc()
    if not error or not os.environ.get("MLORCH_FAULTS_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        error += f"\nkept: {folder}"
    return {"tally": dict(bench.tally), "error": error, "seconds": time.monotonic() - began}


def warm() -> None:
    prepare_environment()
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:
        time.sleep = sleep  # libfaketime breaks the real one
    warm_up()
    folder = scratch()
    os.makedirs(os.path.join(folder, "warm"))
    warm_up_more(Lab(os.path.join(folder, "warm"), folder))
    shutil.rmtree(folder)


def start_share(name: str, share: int, shares: int, rounds: int) -> Dict[str, Any]:
    """In a process of its own."""
    return start_shares([(name, share, shares, rounds)])[0]


def start_shares(wanted: Sequence[Tuple[str, int, int, int]]) -> List[Dict[str, Any]]:
    """One after the other in one process of their own."""
    command = [sys.executable, os.path.abspath(__file__)]
    for item in wanted:
        command += ["--share", ":".join(map(str, item))]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return [{"tally": {}, "error": f"{item} hung for {LIMIT} s", "seconds": LIMIT} for item in wanted]
    lines = [
        line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith('{"tally"')
    ]
    answers: List[Dict[str, Any]] = [json.loads(line) for line in lines]
    told = (done.stdout + done.stderr).decode("utf-8", "replace")[-4000:]
    for item in wanted[len(answers) :]:
        answers.append({"tally": {}, "error": f"{item} ended with {done.returncode}: {told}", "seconds": 0.0})
    return answers


# ---------------------------------------------------------------------------------------------------- all of it


def shares_of(campaign: Campaign) -> List[Tuple[str, int, int, int]]:
    """Shares of about 25 faults."""
    rounds = campaign.rounds
    shares = max(2, -(-rounds // 25)) if rounds else 24
    each = -(-rounds // shares)
    return [(campaign.name, share, shares, each) for share in range(shares)]


def run_all(chosen: Sequence[Campaign], workers: int) -> int:
    """One campaign after the other; each that holds leaves its figures at once."""
    began = time.monotonic()
    broken: List[str] = []
    injected: Counter[str] = Counter()
    for campaign in chosen:
        tally, seconds, failures = run_campaign(campaign, workers)
        lacking = campaign.missing()
        failures += report(campaign, tally, lacking, seconds)
        faults = {kind: count for kind, count in tally.items() if kind not in DISTURBANCES}
        injected.update({f"{campaign.name}: {kind}": count for kind, count in faults.items()})
        if failures:
            broken.append(campaign.name)
        else:
            write_figures(campaign, tally, lacking, seconds)
    took = time.monotonic() - began
    print(
        f"{sum(injected.values())} faults of {len(injected)} kinds in {took:.0f} s; failed: {', '.join(broken) or 'none'}"
    )
    complete = len(chosen) == len(campaigns()) and not any(campaign.missing() for campaign in chosen)
    if complete and sum(injected.values()) < MEANT:
        print(f"fewer faults than the {MEANT} that were meant")
        return 1
    return 1 if broken else 0


def run_campaign(campaign: Campaign, workers: int) -> Tuple[Counter[str], float, List[str]]:
    """(faults by kind, seconds of all its shares, what failed)."""
    tally: Counter[str] = Counter()
    seconds = 0.0
    failures: List[str] = []
    work = [] if campaign.missing() else shares_of(campaign)
    with ThreadPoolExecutor(workers) as pool:
        for share, answer in zip(work, pool.map(lambda item: start_share(*item), work)):
            tally.update(answer["tally"])
            seconds += answer["seconds"]
            told = f"{share[0]} {share[1] + 1}/{share[2]}"
            if answer["error"]:
                failures.append(answer["error"])
                print(f"FAILED {told}: {answer['error']}", flush=True)
            else:
                print(f"{told}: {sum(answer['tally'].values())} faults", flush=True)
    return tally, seconds, failures


def report(campaign: Campaign, tally: Counter[str], lacking: str, seconds: float) -> List[str]:
    """Print how many of each kind; returns those of which there were too few."""
    if lacking:
        print(f"{campaign.name}: not done on this machine, {lacking}")
        print(
            f"    {sum(campaign.kinds.values())} faults of {len(campaign.kinds)} kinds are missing for it",
            flush=True,
        )
        return []
    print(f"{campaign.name}: {sum(tally.values())} faults ({seconds:.0f} s)")
    too_few = []
    for kind, meant in campaign.kinds.items():
        note = f" (too few: {meant} were meant)" if tally[kind] < meant else ""
        print(f"    {kind}: {tally[kind]}{note}", flush=True)
        too_few += [kind] if note else []
    return too_few


def write_figures(campaign: Campaign, tally: Counter[str], lacking: str, seconds: float) -> None:
    """For `docs/promises.md`: of this campaign, beside what is known of others."""
    with open(FIGURES + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known: Dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError), open(FIGURES, encoding="utf-8") as file:
            known = json.load(file)["campaigns"]
        known[campaign.name] = {
            "promises": list(campaign.promises),
            "faults": {kind: tally[kind] for kind in campaign.kinds},
            "missing": lacking,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "seconds": round(seconds),
        }
        names = [item.name for item in campaigns() if item.name in known]
        document = {"schema": "mlorch.faults/1", "campaigns": {name: known[name] for name in names}}
        with open(FIGURES, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    os.unlink(FIGURES + ".lock")


def main(argv: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="campaigns by the beginning of their names")
    parser.add_argument("--share", action="append", help="NAME:SHARE:SHARES:ROUNDS, in this process")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(argv)
    if given.share:
        warm()
        for text in given.share:
            name, share, shares, rounds = text.rsplit(":", 3)
            print(json.dumps(run_share(name, int(share), int(shares), int(rounds))), flush=True)
        return 0
    prepare_environment()
    chosen = [item for item in campaigns() if not given.names or item.name.startswith(tuple(given.names))]
    return run_all(chosen, given.workers)


if __name__ == "__main__":
    sys.exit(main())
