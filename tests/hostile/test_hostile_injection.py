"""Each hostile text through each sink: it arrives as it was, or is shown as text, and never acts."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict

from hostile_texts import TEXTS, is_inert
from victim import Victim

SCRIPT = """\
import json, os, sys
print(sys.argv[1], flush=True)
with open(sys.argv[2], "w") as file:
    json.dump({"argv": sys.argv[1], "env": os.environ.get("TEXT")}, file)
with open(sys.argv[3], "w") as file:
    json.dump({"text": sys.argv[1]}, file)
"""
PIPELINE = """\
version: 1
name: sinks
params: texts.json
steps:
  shell:
    run: python script.py ${{ matrix.text }} ${{ outputs.o }} ${{ outputs.metrics }}
    matrix: {text: "${{ params.texts }}"}
    env: {TEXT: "${{ matrix.text }}"}
    outputs: {o: "shell/${{ step.instance }}/o.json", metrics: "shell/${{ step.instance }}/m.json"}
    checks: [{assert: "${{ metrics.text == '' }}", message: "m", severity: warn}]
  argv:
    run: [python, script.py, "${{ matrix.text }}", "${{ outputs.o }}", "${{ outputs.m }}"]
    matrix: {text: "${{ params.texts }}"}
    env: {TEXT: "${{ matrix.text }}"}
    outputs: {o: "argv/${{ step.instance }}/o.json", m: "argv/${{ step.instance }}/m.json"}
"""


def test_texts_reach_steps_and_screens_as_texts(tmp_path: Path) -> None:
    unfit = re.compile(
        "[\0\ud800-\udfff\U00010000-\U0010ffff]"
    )  # for argv, for UTF-8, for YAML's own escapes
    texts = [text for text in TEXTS.values() if not unfit.search(text) and "${{" not in text]
    (tmp_path / "texts.json").write_text(json.dumps({"texts": texts}))
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "mlorch.yaml").write_text(PIPELINE)
    env: Dict[str, str] = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "80"}
    options = {"cwd": str(tmp_path), "env": env, "memory": 8 << 30, "seconds": 300, "patience": 150}
    with Victim() as victim:
        done = victim("run", "-j", "4", "--events", "events.jsonl", **options)
        assert done.code == 0, done.told[-3000:]
        assert is_inert(done.told)
        for kind in ("shell", "argv"):
            found = [json.loads(path.read_text()) for path in (tmp_path / kind).glob("*/o.json")]
            assert sorted(item["argv"] for item in found) == sorted(texts)
            assert all(item["env"] == item["argv"] for item in found)
        lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().split("\n") if line]
        assert sum("run.finished" in line.values() for line in lines) == 1
        assert sum("step.finished" in line.values() for line in lines) == 2 * len(set(texts))
        for arguments in (
            ["show"],
            ["show", "-v"],
            ["runs", "-v"],
            ["compare", "last", "shell"],
            ["artifacts"],
        ):
            done = victim(*arguments, **options)
            assert done.code == 0 and is_inert(done.told.replace("\r", "")), (arguments, done.told[:2000])
        drawn = victim("graph", "--format", "svg", "--state", "last", **options).out
        names = {element.tag.rsplit("}", 1)[-1] for element in ElementTree.fromstring(drawn).iter()}
        assert names and not names & {"script", "foreignObject", "image", "a", "use", "style"} - {"style"}
        assert victim("plan", "--check", **options).code == 0
        assert victim("verify", **options).code == 0
    assert "pwned" not in os.listdir(tmp_path)
