"""What does not fit the schema, in words for people: none of jsonschema's own."""

from __future__ import annotations

import difflib
import json
from itertools import islice
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Set, Tuple

from mlorch.spec.nodes import Map, Node, Seq, find, key_spot
from mlorch.spec.problems import LONGEST, Problems, UnreadableError, suggest
from mlorch.spec.schema import Violation, describe, violations
from mlorch.spec.text import Spot

Path = Tuple[Any, ...]

MOST = 2000
"""Violations that are looked at."""
RESERVED: FrozenSet[str] = frozenset(
    (
        "approval",
        "environment",
        "model",
        "partitions",
        "profiles",
        "runs_on",
        "schedule",
        "search",
        "triggers",
    )
)
ELSEWHERE = {
    "depends_on": "needs",
    "deps": "inputs",
    "outs": "outputs",
    "cmd": "run",
    "command": "run",
    "script": "run",
    "function": "call",
    "args": "with",
    "kwargs": "with",
    "parameters": "params",
    "environment_variables": "env",
    "retries": "retry",
    "strategy": "matrix",
    "foreach": "matrix",
    "stages": "steps",
    "tasks": "steps",
    "jobs": "steps",
    "when": "if",
    "condition": "if",
    "vars": "params",
    "input": "inputs",
    "output": "outputs",
}
"""What other tools call a key of ours."""


def validate(node: Node, definition: str, problems: Problems) -> Set[Path]:
    """Check a document against a definition of the schema (`""`: the whole), and take out what does not fit.

    Returns the paths that were taken out or are incomplete, so that nobody complains of them again.
    Raises UnreadableError where too much is unfit.
    """
    broken: Set[Path] = set()
    found = list(islice(violations(node.plain, definition), MOST))
    for violation in sorted(found, key=lambda item: [str(part) for part in item.path]):
        _tell(node, violation, definition, problems, broken)
    if len(found) == MOST:
        raise UnreadableError  # what follows relies on everything unfit being taken out
    _prune(node, broken)
    return broken


def _tell(node: Node, violation: Violation, definition: str, problems: Problems, broken: Set[Path]) -> None:
    path = violation.path
    if violation.of_key:
        name = violation.instance
        broken.add((*path, name))
        expected = describe(path, definition)["propertyNames"]["title"]
        hint = f"use {expected}"
        problems.error(
            "E106",
            f"the key `{name}` can't be {_name_of(path)}",
            key_spot(node, (*path, name)),
            hint,
        )
    elif violation.keyword == "additionalProperties":
        _unknown_keys(node, violation, problems, broken)
    elif violation.keyword == "required":
        _missing(node, violation, definition, problems, broken)
    else:
        broken.add(path)
        _unfit(node, violation, definition, problems)


def _name_of(path: Path) -> str:
    return {
        "steps": "a step id",
        "env": "a variable",
        "matrix": "an axis",
        "inputs": "an input's name",
        "outputs": "an output's name",
        "resources": "a resource",
        "capacity": "a resource",
    }.get(str(path[-1]) if path else "", "a name")


def _owner(path: Path) -> str:
    """` in step `clean``: to whom a key belongs."""
    if len(path) >= 2 and path[0] == "steps":
        inner = "`{}` of ".format(".".join(str(part) for part in path[2:])) if len(path) > 2 else ""
        return f" in {inner}step `{path[1]}`"
    if path:
        return " in `{}`".format(".".join(str(part) for part in path))
    return ""


def _unknown_keys(node: Node, violation: Violation, problems: Problems, broken: Set[Path]) -> None:
    known = list(violation.rule.get("properties", {}))
    for name in violation.instance:
        if name in known:
            continue
        path = (*violation.path, name)
        broken.add(path)
        if problems.full:
            continue
        spot = key_spot(node, path)
        if name in RESERVED and _is_step_or_top(violation.path):
            hint = "take it out; a key of your own may begin with `x-`"
            problems.error("E103", f"the key `{name}` is taken for a later version", spot, hint)
            continue
        other = meant(name, known)
        hint = f"did you mean `{other}`?" if other else suggest(name, known, what="keys here")
        problems.error("E102", f"unknown key `{name}`{_owner(violation.path)}", spot, hint)


def meant(name: str, known: Sequence[str]) -> str:
    """The known key that an unknown one stands for, or nothing."""
    other = ELSEWHERE.get(name, "")
    if other in known:
        return other
    near = difflib.get_close_matches(name[:LONGEST], known, n=1, cutoff=0.6)
    return near[0] if near else ""


def _is_step_or_top(path: Path) -> bool:
    return not path or (len(path) == 2 and path[0] == "steps")


def _missing(
    node: Node, violation: Violation, definition: str, problems: Problems, broken: Set[Path]
) -> None:
    path = violation.path
    unknown = list(
        islice((name for name in violation.instance if name not in violation.rule["properties"]), 20)
    )
    for name in violation.rule["required"]:
        if name in violation.instance:
            continue
        if any(meant(other, list(violation.rule["properties"])) == name for other in unknown):
            continue  # its misspelt form is told already
        broken.add((*path, name))
        example = _example(describe((*path, name), definition))
        hint = f"add `{name}: {example}`" if example else f"add `{name}:`"
        spot = Spot(node.place) if not path else key_spot(node, path)
        where = _owner(path) or " at the top"
        problems.error("E104", f"the key `{name}` is missing{where}", spot, hint)


def _unfit(node: Node, violation: Violation, definition: str, problems: Problems) -> None:
    found = find(node, violation.path)
    spot = key_spot(node, violation.path) if found is None or isinstance(found, Map) else found.spot
    if isinstance(found, Seq) or violation.instance is None:
        spot = key_spot(node, violation.path)
    if isinstance(found, Map) and not found.entries and found.source.text.startswith("{{", found.start):
        return  # a key that is a mapping is told already
    rule = describe(violation.path, definition) or violation.rule
    name = _dotted(violation.path)
    expected = rule.get("title", "something else")
    code, message = _sentence(violation, name, expected)
    hint = ""
    if violation.keyword == "enum":
        hint = suggest(str(violation.instance), rule["enum"], what="values")
    if not hint:
        example = _example(rule)
        hint = f"for example `{example}`" if example else f"write {expected}"
        if code == "E118":
            hint = "write `version: 1`"
        if violation.instance is None and len(violation.path) > 0:
            hint = (hint + ", or take the key out") if hint else "give it a value, or take the key out"
    problems.error(code, message, spot, hint)


def _dotted(path: Path) -> str:
    """`timeout.after`: the key as its step sees it; an element of a list by the name of the list."""
    inner: List[str] = [str(part) for part in (path[2:] if len(path) > 2 and path[0] == "steps" else path)]
    return ".".join(inner)


def _sentence(violation: Violation, name: str, expected: str) -> Tuple[str, str]:
    instance, keyword = violation.instance, violation.keyword
    subject = f"`{name}`" if name else "the file"
    if instance is None:
        return "E105", f"{subject} is empty; it must be {expected}"
    if keyword == "const" or (name == "version" and keyword == "type"):
        return "E118", f"version {_shown(instance)} of the language is not known; this mlorch reads version 1"
    if keyword == "type":
        return "E105", f"{subject} must be {expected}, not {_kind(instance)}"
    if keyword in ("minItems", "minProperties", "minLength"):
        return "E106", f"{subject} is empty; it must be {expected}"
    return "E106", f"{subject} must be {expected}, not {_shown(instance)}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shown(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "`{}`".format(text if len(text) <= 40 else text[:39] + "…")


def _example(rule: Mapping[str, Any]) -> str:
    examples: Sequence[Any] = rule.get("examples", ())
    text = flow(examples[0]) if examples else ""
    return text if len(text) <= 60 else ""


def flow(value: Any, inside: bool = False) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item, True)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, True) for item in value) + "]"
    if isinstance(value, str):
        special = inside and any(character in value for character in "{}[],:#&*!|>'\"%@`")
        return (
            f'"{value}"'
            if special or value in ("true", "false") or (value[:1].isdigit() and value.isdigit())
            else value
        )
    return json.dumps(value)


def _prune(node: Node, broken: Set[Path]) -> None:
    elements: Dict[int, Tuple[Seq, Set[int]]] = {}
    for path in broken:
        parent = find(node, path[:-1]) if path else None
        if isinstance(parent, Map):
            parent.entries.pop(str(path[-1]), None)
        elif isinstance(parent, Seq):
            elements.setdefault(id(parent), (parent, set()))[1].add(path[-1])
    for parent, positions in elements.values():
        parent.items = [item for position, item in enumerate(parent.items) if position not in positions]
