"""Record docs/beside.md: the same small project in mlorch, DVC and Snakemake, each verb's way of doing a thing really tried.

    make beside                                 in all three (some minutes)
    .venv/bin/python docs/beside/record.py mlorch    in mlorch alone, what the others said stays

What is done and said stands in `scenario.yaml`, what came of it in `recorded.json`, and the page is made of both. Outputs are
those of the programs, shortened, without Snakemake's banner, and with this machine's names taken out. DVC and Snakemake are
installed at pinned versions, each in an environment of its own under .bench/ (see benchmarks/environments.py).
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Sequence

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = HERE.parent / "beside.md"
RECORDED = HERE / "recorded.json"
TOOLS = {"mlorch": "mlorch", "dvc": "DVC", "snakemake": "Snakemake"}
FILES = (("mlorch/mlorch.yaml", "yaml"), ("dvc/dvc.yaml", "yaml"), ("snakemake/Snakefile", "python"))
LINES = 24
"""How many lines of an output are shown."""
BANNER = re.compile(r"Assuming unrestricted shared filesystem usage\.\n+SNAKEMAKE\n=+\n(?:  .*\n)+\n*")
LEFT_OUT = re.compile(
    r"\[\d+/\d+\+?\] |\S+ · \d+ steps? ·|Building DAG of jobs|Using shell: |Rules claiming more"
)

HEAD = """# Beside DVC and Snakemake

Every verb of mlorch, and how the same is done with [DVC](https://dvc.org) and [Snakemake](https://snakemake.github.io), in one
small project of three steps (prepare, train, evaluate), tried in all three: {versions}. `make beside` writes this page. Outputs
are what the programs printed; `…` stands where they are shortened, and Snakemake's banner is left out. What is done,
step by step, is in `docs/beside/`.

Both do much that mlorch does not: DVC shares data and models along with git and has experiments of its own, Snakemake sends
jobs to clusters and clouds and brings environments for each rule. This page goes along mlorch's verbs, so it shows none of that.

| what | mlorch | DVC | Snakemake |
| --- | --- | --- | --- |
"""
PROJECT = """
## The project

`prepare.py`, `train.py` and `evaluate.py` are the same for all; `train.py` and `evaluate.py` import `fitting.py`.

"""


class Scratch:
    """A tool's own copy of the project, in a git repository, and a shell in it."""

    def __init__(self, tool: str, folder: Path, program: Path) -> None:
        self.tool = tool
        self.top = folder / tool
        self.folder = self.top / "line"
        for source in ("project", tool):
            shutil.copytree(HERE / source, self.folder, dirs_exist_ok=True)
        binaries = self.top / "bin"
        binaries.mkdir()
        # the tool, and a Python that is the same for all; nothing else of the tool's environment
        for name, target in ((tool, program), ("python", sys.executable)):
            (binaries / name).symlink_to(target)
        self.env = {
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.top),
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "DVC_NO_ANALYTICS": "1",
            **{f"GIT_{who}_{what}": "you" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        self.do("git init -q -b main && printf '.mlorch/\\n.snakemake/\\n__pycache__/\\n' > .gitignore")
        self.do("git add -A && git commit -qm project")

    def do(self, command: str) -> str:
        """What a command prints, on both streams, without colours and without this machine's names."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout).replace("\r", "\n")
        for path, name in ((self.folder, "~/line"), (self.top, "~"), (sys.prefix, "~/venv")):
            text = text.replace(str(path), name)
        text = re.sub(rf"(?<=\s){re.escape(socket.gethostname())}$", "host", text, flags=re.M)
        text = re.sub(r"^(user +)\w+$", r"\1you", text, flags=re.M)
        return re.sub(r"\bLinux-[\w.-]+", "Linux", BANNER.sub("", text))

    def screen(self, commands: Sequence[str]) -> str:
        return "".join(f"$ {command}\n{shortened(self.do(command))}" for command in commands)

    def record(self, entries: Sequence[Dict[str, Any]]) -> List[str]:
        """What the commands of each entry of the scenario print in this tool."""
        help_text = self.do(f"{self.tool} --help")
        screens = []
        for entry in entries:
            part = entry[self.tool]
            for word in part.get("absent", ()):
                assert not re.search(re.escape(word) + r"\b", help_text), (self.tool, word)
            for command in part.get("quietly", ()):
                self.do(command)
            screens.append(self.screen(part.get("run", ())))
            for command in part.get("after", ()):
                self.do(command)
            print(f"{self.tool}: {entry['title']}", file=sys.stderr)
        return screens


def shortened(output: str) -> str:
    """The first lines, as far as they say something; progress of runs is left out."""
    lines = [line.rstrip()[:130] for line in output.splitlines() if not LEFT_OUT.match(line)]
    lines = "\n".join(lines).strip("\n").splitlines()
    return "".join(line + "\n" for line in (lines if len(lines) <= LINES else [*lines[:LINES], "…"]))


def scenario() -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = yaml.safe_load((HERE / "scenario.yaml").read_text(encoding="utf-8"))
    return found


# -------------------------------------------------------------------------------------------------- the page


def page(recorded: Dict[str, Any]) -> str:
    """`docs/beside.md`, of the scenario and what was recorded."""
    rows, parts = [], []
    for number, entry in enumerate(scenario()):
        title = entry["title"]
        anchor = re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())
        rows.append(
            f"| [{title}](#{anchor}) | " + " | ".join(cell(tool, entry[tool]) for tool in TOOLS) + " |\n"
        )
        parts.append(f"\n## {title}\n\n" + (entry["about"] + "\n\n" if entry["about"] else ""))
        for tool in TOOLS:
            parts.append(told(tool, entry[tool], recorded[tool]["screens"][number]))
    files = "".join(
        f'```{language} title="{path.rpartition("/")[2]}"\n{(HERE / path).read_text(encoding="utf-8")}```\n\n'
        for path, language in FILES
    )
    versions = ", ".join(f"{name} {recorded[tool]['version']}" for tool, name in TOOLS.items())
    return (
        HEAD.format(versions=versions) + "".join(rows) + PROJECT + files + "".join(parts).strip("\n") + "\n"
    )


def cell(tool: str, part: Dict[str, Any]) -> str:
    """The tool's own commands of an entry, for the table; two will do."""
    found = [re.search(rf"\b{tool} [^|;]+", command) for command in part.get("run", ())]
    commands = list(dict.fromkeys(match.group().strip() for match in found if match))[:2]
    return ", ".join(f"`{command}`" for command in commands) or "–"


def told(tool: str, part: Dict[str, Any], screen: str) -> str:
    text = f"**{TOOLS[tool]}**\n\n"
    if screen:
        text += f"```text\n{screen}```\n\n"
    return text + "".join(part[key] + "\n\n" for key in ("none", "say") if key in part)


# -------------------------------------------------------------------------------------------------- recording


def program(tool: str) -> Path:
    if tool == "mlorch":
        return Path(sys.executable).parent / tool
    sys.path.insert(0, str(ROOT))
    from benchmarks.environments import environment
    from benchmarks.peers import dvc, snakemake

    wanted = {
        "dvc": dvc.TOOL.requirement,
        "snakemake": snakemake.TOOL.requirement.replace("==", "[reports]=="),
    }
    return environment(wanted[tool]) / "bin" / tool


def record(tool: str, folder: Path) -> Dict[str, Any]:
    scratch = Scratch(tool, folder, program(tool))
    version = scratch.do(f"{tool} --version").split()[-1]
    return {"version": version, "screens": scratch.record(scenario())}


def main(tools: Sequence[str]) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    with tempfile.TemporaryDirectory(prefix="beside-") as folder:
        for tool in tools or TOOLS:
            recorded[tool] = record(tool, Path(folder))
    RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(recorded), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
