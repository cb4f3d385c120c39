"""Our `dataclass` behaves as the standard one does."""

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

import mlorch
from mlorch import small, values


def _classes(decorator: Any) -> Dict[str, Any]:
    @decorator(frozen=True)
    class Plain:
        name: str
        items: Tuple[int, ...] = ()
        label: str = dataclasses.field(default="", compare=False)
        hidden: str = dataclasses.field(default="h", repr=False)

    @decorator
    class Open:
        rows: Dict[str, int] = dataclasses.field(default_factory=dict)

    @decorator(frozen=True, eq=False)
    class Same:
        name: str

    @decorator(frozen=True, order=True)
    class Ordered:
        one: str
        two: int = 1

    @decorator(frozen=True)
    class Empty:
        pass

    @decorator(frozen=True)
    class Hashed:
        rows: Dict[str, int]

        def __hash__(self) -> int:
            return 5

    return {item.__name__: item for item in (Plain, Open, Same, Ordered, Empty, Hashed)}


OURS, THEIRS = _classes(values.dataclass), _classes(dataclasses.dataclass)
CASES = [
    ("Plain", [("a",), ("a",), ("b",), ("a", (1,)), ("a", (), "other"), ("a", (), "", "seen")]),
    ("Open", [(), ({"a": 1},), ({"a": 1},)]),
    ("Same", [("a",), ("a",)]),
    ("Ordered", [("a",), ("b", 0), ("a", 2), ("a", 1)]),
    ("Empty", [(), ()]),
    ("Hashed", [({},), ({"a": 1},), ({},)]),
]


def _told(classes: Dict[str, Any], name: str, rows: Any) -> Any:
    """Everything that can be asked of instances, but their identity."""
    made = [classes[name](*row) for row in rows]
    told = [[one == other for other in made] + [one != other for other in made] for one in made]
    shown = [repr(one).split("<locals>.")[1] for one in made]
    hashes = []
    for one in made:
        try:
            hashes.append([hash(one) == hash(other) for other in made])
        except TypeError as error:
            hashes.append([str(error)])
    return told, shown, hashes, [one == "other" for one in made]


@pytest.mark.parametrize("name, rows", CASES, ids=[name for name, _ in CASES])
def test_instances_compare_hash_and_show_as_standard_ones(name: str, rows: Any) -> None:
    assert _told(OURS, name, rows) == _told(THEIRS, name, rows)


def test_order_is_that_of_the_fields() -> None:
    def told(classes: Dict[str, Any]) -> Any:
        made = [classes["Ordered"](*row) for row in dict(CASES)["Ordered"]]
        pairs = [[one < two, one <= two, one > two, one >= two] for one in made for two in made]
        return pairs, [(item.one, item.two) for item in sorted(made)]

    assert told(OURS) == told(THEIRS)
    with pytest.raises(TypeError):
        OURS["Ordered"]("a") < "a"  # noqa: B015


def test_a_frozen_one_is_hashed_by_its_fields_and_an_open_one_not_at_all() -> None:
    assert {OURS["Plain"]("a"): 1}[OURS["Plain"]("a")] == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(OURS["Open"]())


@values.dataclass(frozen=True)
class Shared:
    name: str
    rows: Tuple[int, ...] = ()


def test_it_is_replaced_copied_pickled_and_listed() -> None:
    one = Shared("a", (1, 2))
    assert dataclasses.replace(one, name="b") == Shared("b", (1, 2))
    assert copy.deepcopy(one) == one and pickle.loads(pickle.dumps(one)) == one
    assert dataclasses.asdict(one) == {"name": "a", "rows": (1, 2)}
    assert dataclasses.is_dataclass(one) and [item.name for item in dataclasses.fields(one)] == [
        "name",
        "rows",
    ]


def test_every_room_uses_it() -> None:
    top = Path(mlorch.__file__).parent
    told = [
        str(path.relative_to(top))
        for path in sorted(top.rglob("*.py"))
        if "from dataclasses import dataclass" in path.read_text(encoding="utf-8")
    ]
    # what others import is guarded where it runs, too
    assert told == ["api.py", "values.py"]


def _counting() -> Tuple[Any, Dict[str, int]]:
    made = {"factory": 0}

    def factory() -> int:
        made["factory"] += 1
        return made["factory"]

    @values.dataclass
    class Counted:
        name: str
        number: int = dataclasses.field(default_factory=factory)
        nothing: Any = None

    return Counted, made


def test_its_init_is_made_once_and_takes_arguments_as_the_standard_one_does() -> None:
    counted, made = _counting()
    before = counted.__init__
    one = counted("a")
    assert counted.__init__ is not before
    after = counted.__init__
    two = counted(name="b", nothing=0)
    assert counted.__init__ is after
    assert [(item.name, item.number, item.nothing) for item in (one, two)] == [("a", 1, None), ("b", 2, 0)]
    assert counted("c", 7).number == 7 and made["factory"] == 2
    for wrong in ((), ("a", 1, 2, 3)):
        with pytest.raises(TypeError):
            counted(*wrong)
    with pytest.raises(TypeError):
        counted("a", other=1)


def test_it_is_made_for_classes_that_were_made_of_one_or_inherit_from_one() -> None:
    counted, _ = _counting()
    slotted = small.slotted(counted)

    class Below(counted):  # type: ignore[misc]
        pass

    assert Below("a").name == "a" and "__init__" not in vars(Below)
    assert vars(counted)["__init__"] is not vars(slotted)["__init__"]
    first = vars(slotted)["__init__"]
    assert slotted("b").name == "b" and vars(slotted)["__init__"] is not first
    with pytest.raises(TypeError):
        counted()
