"""The floors of the house: a room imports only rooms below it, never a sibling."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS: Dict[str, float] = {
    "small": -1,
    "__init__": 0,
    "values": -1,
    "model": 0,
    "errors": 0,
    "compat": 0,
    "timing": 0,
    "asking": 0,
    "ports": 1,
    "digest": 1,
    "rows": 1.5,
    "expressions": 1,
    "shell": 1,
    "settings": 1,
    "spec": 2,
    "plan": 2,
    "store": 2,
    "engine": 3,
    "report": 4,
    "notify": 4.5,
    # What earlier runs left behind, read only. The wiring asks it for a record; it never asks back.
    "history": 5,
    # A verb about the past that executes: it uses the engine, and neither pipelines nor a plan.
    "reproduce": 5.2,
    "app": 5.5,
    "cli": 6,
    "api": 6,
    "__main__": 7,
}
SAME_ROOM = dict.fromkeys(
    (
        "alerting",
        "caller",
        "causes",
        "claims",
        "closing",
        "commit",
        "execute",
        "in_the_way",
        "lastused",
        "partly",
        "session",
        "steady",
    ),
    "app",
)
"""Modules that are parts of the room of another module."""
WITHIN_A_FLOOR = {("errors", "model"), ("__init__", "api"), ("__init__", "errors")}
"""The errors of a pipeline file carry the frozen types of its problems. The package's own names are imported at first
use, so that `import mlorch` and the command line stay light."""
ONLY_IN = {"joblib": "mlorch/engine/launch.py", "graphlib": "mlorch/plan/"}
MOST_LINES = 400
REASON = "# Over 400 lines because "


def modules() -> List[str]:
    """Every module of the package (`mlorch/plan/graph.py`); what `init` copies into projects is data."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "mlorch").rglob("*.py"))
    return [name for name in found if not name.startswith("mlorch/templates/")]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def own_name(name: str) -> str:
    """`mlorch/plan/graph.py` -> `plan`, `mlorch/model.py` -> `model`."""
    return name.split("/")[1].replace(".py", "")


def room_of(dotted: str) -> str:
    """`mlorch.plan.code.tree` -> `plan`."""
    parts = dotted.split(".")
    room = parts[1] if len(parts) > 1 else "__init__"
    return SAME_ROOM.get(room, room)


def imports(name: str, text: str) -> Iterator[Tuple[int, str]]:
    """(line, dotted name) of every import, those inside functions and for type checking too."""
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name}:{node.lineno}: a relative import"
            if node.module == "mlorch":
                for alias in node.names:
                    yield node.lineno, "mlorch" if alias.name.startswith("__") else "mlorch." + alias.name
            else:
                yield node.lineno, node.module


def misplaced(name: str, text: str) -> List[str]:
    """The imports of a module that its floor does not allow."""
    room = SAME_ROOM.get(own_name(name), own_name(name))
    assert room in FLOORS, f"{name} is in a room without a floor: add it to FLOORS"
    found: List[str] = []
    for line, dotted in imports(name, text):
        where = f"{name}:{line} imports {dotted}"
        root = dotted.split(".")[0]
        if root in ONLY_IN and not name.startswith(ONLY_IN[root]):
            found.append(f"{where}, which only {ONLY_IN[root]} may")
        if root != "mlorch" or room_of(dotted) == room:
            continue
        other = room_of(dotted)
        assert other in FLOORS, f"{where}, a room without a floor"
        if FLOORS[other] >= FLOORS[room] and (room, other) not in WITHIN_A_FLOOR:
            found.append(f"{where}: floor {FLOORS[room]:g} may not use floor {FLOORS[other]:g}")
    return found


def test_rooms_import_only_rooms_below() -> None:
    found = [wrong for name in modules() for wrong in misplaced(name, text_of(name))]
    assert not found, "\n" + "\n".join(found)


def test_every_room_of_the_table_exists() -> None:
    assert set(FLOORS) | set(SAME_ROOM) == {own_name(name) for name in modules()}


def too_long(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) > MOST_LINES and not any(line.startswith(REASON) for line in lines[:40])


def test_long_files_give_a_reason() -> None:
    found = [name for name in modules() if too_long(text_of(name))]
    assert not found, f"over {MOST_LINES} lines: split, or say near the top `{REASON}…`: " + ", ".join(found)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mlorch/engine/wrong.py", "from mlorch.report import lines", "floor 3 may not use floor 4"),
        ("mlorch/plan/wrong.py", "def f():\n    import mlorch.store.local", "floor 2 may not use floor 2"),
        ("mlorch/store/wrong.py", "from mlorch import plan", "floor 2 may not use floor 2"),
        ("mlorch/shell/wrong.py", "from mlorch.expressions import to_text", "floor 1 may not use floor 1"),
        ("mlorch/engine/wrong.py", "import joblib.parallel", "only mlorch/engine/launch.py may"),
        ("mlorch/engine/wrong.py", "from graphlib import TopologicalSorter", "only mlorch/plan/ may"),
    ],
)
def test_what_is_wrong_is_seen(name: str, text: str, message: str) -> None:
    assert [message in found for found in misplaced(name, text)] == [True]
    assert misplaced(name, "from mlorch.model import Place\nimport json\n") == []


def test_a_long_file_is_seen() -> None:
    assert too_long("x = 1\n" * 401)
    assert not too_long("x = 1\n" * 400)
    assert not too_long(REASON + "it is a table.\n" + "x = 1\n" * 401)
