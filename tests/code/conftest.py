"""A small project on disk, and a reader of its code over real files."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Optional, Sequence

import pytest

from mlorch.digest import digest_file
from mlorch.model import FunctionRef, Place
from mlorch.plan.code import CodeQuery, CodeReader, Interpreter, Reach, find_interpreter


class Project:
    """Files below a root, the outputs that steps declare, and the files that git tracks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outputs: Dict[str, str] = {}
        self.tracked: FrozenSet[str] = frozenset()
        self.environment = root / "env"
        self.site = self.environment / "lib" / "python3.11" / "site-packages"
        self.site.mkdir(parents=True)
        (self.environment / "bin").mkdir()
        (self.environment / "bin" / "python").symlink_to(sys.executable)
        home = os.path.dirname(os.path.realpath(sys.executable))
        (self.environment / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.11.4\n")
        self.interpreter_asked = 0
        self.reader = CodeReader(
            str(root), self.interpreter, self.producer_of, self.digest_of, self.is_tracked
        )

    def interpreter(self) -> Interpreter:
        self.interpreter_asked += 1
        return find_interpreter(str(self.root), "env", {})

    def producer_of(self, path: str) -> Optional[str]:
        while path:
            if path in self.outputs:
                return self.outputs[path]
            path = path.rpartition("/")[0]
        return None

    def digest_of(self, path: str) -> Optional[str]:
        full = str(self.root / path)
        return digest_file(full) if os.path.isfile(full) else None

    def is_tracked(self, path: str) -> bool:
        return path in self.tracked

    def write(self, path: str, text: str = "") -> str:
        """Write a file (dedented) and tell the reader to look anew."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        self.reader.forget(installed=True)
        return path

    def install(
        self, name: str, version: str, files: Sequence[str] = (), requires: Sequence[str] = ()
    ) -> None:
        """Put a distribution into site-packages, as an installer does."""
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", "Name: " + name, "Version: " + version]
        lines.extend("Requires-Dist: " + item for item in requires)
        (info / "METADATA").write_text("\n".join(lines) + "\n\nA description.\nRequires-Dist: not-this-one\n")
        for file in files:
            (self.site / file).parent.mkdir(parents=True, exist_ok=True)
            (self.site / file).write_text("")
        recorded = [*files, info.name + "/METADATA"]
        (info / "RECORD").write_text("".join(file + ",sha256=x,1\n" for file in recorded))
        self.reader.forget(installed=True)

    def run(self, text: str, **more: Any) -> Reach:
        return self.reader.reach(CodeQuery(text=text, **more))

    def call(self, ref: str, **more: Any) -> Reach:
        module, _, function = ref.partition(":")
        return self.reader.reach(
            CodeQuery(call=FunctionRef(module, function, Place("mlorch.yaml", 3, 5)), **more)
        )

    def rows(self, own: Reach, upstream: Sequence[Reach] = (), pickles: bool = False) -> Dict[str, Any]:
        return {row.name: row.value for row in self.reader.rows(own, upstream, pickles=pickles)}

    def call_rows(self, ref: str, upstream: Sequence[str] = (), pickles: bool = False) -> Dict[str, Any]:
        return self.rows(self.call(ref), [self.call(other) for other in upstream], pickles)

    def files(self, reach: Reach) -> List[str]:
        return sorted(reach.files)


@pytest.fixture()
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)
