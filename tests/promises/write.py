"""Writes `docs/promises.md` of the promises, their tests, and the last figures of the faults and the mutants.

python tests/promises/write.py           (`make promises`)
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, List, Optional, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
PAGE = os.path.join(os.path.dirname(TESTS), "docs", "promises.md")
sys.path.insert(0, HERE)

from promises import PROMISES, Promise  # noqa: E402

HEAD = """# What mlorch promises, and how it is tested

Made by `make promises`; a test keeps it so. The figures are those of the last `make faults` and `make mutants`, and of the last
hour of `make fuzz`.

Not promised: exactly-once *side effects* of steps (publication is exactly once, attempts at least once), one store shared
by several hosts over NFS (detected and refused), defence against a hostile process of the same user.
"""
FAULTS = """
## Faults

After each fault and the run that follows: exit 0; outputs equal the reference; `verify` is clean; no leftovers; index,
records and objects agree; no step ran twice at the same time; no orphan process; a third run executes nothing and changes
nothing. A fault of the machine gives exit 8, a sentence that says what and one that says what to do.
"""


def figures(folder: str) -> Dict[str, Any]:
    with open(os.path.join(TESTS, folder, "figures.json"), encoding="utf-8") as file:
        found: Dict[str, Any] = json.load(file)
    return found


def page() -> str:
    campaigns, mutants = figures("faults")["campaigns"], figures("mutants")
    parts = [HEAD]
    parts += [section(promise, campaigns, mutants["mutants"]) for promise in PROMISES]
    done = [item for item in campaigns.values() if not item["missing"]]
    faults, others = counted(campaigns)
    minutes = sum(item["seconds"] for item in done) / 60
    last = max(item["date"] for item in done)
    parts.append(FAULTS)
    beside = ", ".join(f"{kind} {count}" for kind, count in others.items())
    parts.append(
        f"\n{sum(faults.values())} faults of {len(faults)} kinds, the last on {last}, in {minutes:.0f} minutes of one"
    )
    parts.append(f" worker on a busy machine. Beside them, and no faults: {beside}.\n\n")
    parts.append("| campaign | faults by kind |\n| --- | --- |\n")
    parts += [f"| {name} | {told(campaigns.get(name))} |\n" for name in campaign_names()]
    parts.append(
        f"\n## Mutants\n\n{len(mutants['mutants'])} deliberate defects on {mutants['date']}, all seen.\n\n"
    )
    parts.append("| defect | seen by |\n| --- | --- |\n")
    parts += [
        f"| {name} | {', '.join(map(short, item['seen by']))} |\n"
        for name, item in mutants["mutants"].items()
    ]
    parts.append(fuzzed(figures("hostile")))
    return "".join(parts)


def fuzzed(last: Dict[str, Any]) -> str:
    """What the last long run of the fuzzer found."""
    targets: Dict[str, str] = last["targets"]
    found = [name for name, what in targets.items() if what != "nothing"]
    minutes = len(targets) * last["seconds"] / 60
    how = "with coverage as the guide" if last["guided"] else "blindly"
    told = f"something in {', '.join(found)}" if found else "nothing"
    names = ", ".join(f"`{name}`" for name in targets)
    return (
        f"\n## Fuzzing\n\n{len(targets)} targets {how}, {last['seconds']} seconds each ({minutes:.0f} minutes of one worker), on "
        f"{last['date']}: found {told}. No crash, hang or more than 512 MB of memory: {names}.\n"
    )


def counted(campaigns: Dict[str, Any]) -> Tuple[Dict[str, int], Dict[str, int]]:
    """(faults, what else was done), by kind."""
    sys.path.insert(0, os.path.join(TESTS, "faults"))
    from bench import DISTURBANCES

    faults: Dict[str, int] = {}
    others: Dict[str, int] = {}
    for name, item in campaigns.items():
        for kind, count in () if item["missing"] else item["faults"].items():
            if kind in DISTURBANCES:
                others[kind] = others.get(kind, 0) + count
            else:
                faults[f"{name}: {kind}"] = count
    return faults, others


def section(promise: Promise, campaigns: Dict[str, Any], mutants: Dict[str, Any]) -> str:
    lines: List[str] = [f"\n## {promise.number}\n\n{promise.text}\n\n"]
    lines += [f"- `tests/{test}`\n" for test in promise.tests]
    injected = [
        f"{name} ({sum(counted({name: item})[0].values())})"
        for name, item in campaigns.items()
        if promise.number in item["promises"] and not item["missing"]
    ]
    dead = [name for name, item in mutants.items() if promise.number in item["promises"]]
    if injected:
        lines.append(f"- faults: {', '.join(injected)}\n")
    if dead:
        lines.append(f"- mutants that they see: {', '.join(dead)}\n")
    return "".join(lines)


def campaign_names() -> List[str]:
    sys.path.insert(0, os.path.join(TESTS, "faults"))
    from suite import campaigns

    return [campaign.name for campaign in campaigns()]


def told(campaign: Optional[Dict[str, Any]]) -> str:
    if campaign is None:
        return "no figures yet: `make faults`"
    if campaign["missing"]:
        return f"not done: {campaign['missing']}"
    return ", ".join(f"{kind} {count}" for kind, count in campaign["faults"].items())


def short(test: str) -> str:
    return "`" + test.split("::")[-1] + "`"


if __name__ == "__main__":
    with open(PAGE, "w", encoding="utf-8") as output:
        output.write(page())
    print("wrote docs/promises.md")
