"""Manifests and keys: what makes a step run again, as tagged and sorted rows."""

from __future__ import annotations

from typing import Dict, Iterable, List, Sequence, Tuple

from mlorch.digest import digest_value
from mlorch.model import UNKNOWN, Digest, Manifest, Row, Value

KEY_VERSION = "key/1"
FAMILY_VERSION = "family/1"

STAGING_TOKEN = "mlorch-staging-key-mlorch-stagin"
"""Stands for the first 32 hexadecimal digits of the key wherever a path depends on it, until the key is known."""


def make(rows: Iterable[Row]) -> Manifest:
    """Rows sorted, each (kind, name) once."""
    unique: Dict[Tuple[str, str], Row] = {}
    for row in rows:
        unique[(row.kind, row.name)] = row
    return Manifest(tuple(unique[name] for name in sorted(unique)))


def key_of(manifest: Manifest) -> Digest:
    """The key, or an empty string while a row is unknown."""
    if not manifest.known:
        return ""
    return digest_value(KEY_VERSION, [[row.kind, row.name, row.value] for row in manifest.rows])


def family_of(command: Value, outputs: Sequence[Value]) -> Digest:
    """What all versions of one instance share: the command as written and the declared outputs."""
    return digest_value(FAMILY_VERSION, [command, list(outputs)])


def key_folder(key: Digest) -> str:
    """What replaces STAGING_TOKEN."""
    return key[7:39]


def can_match(partial: Manifest, other: Manifest) -> bool:
    """Whether what is known of a manifest agrees with a whole one."""
    whole = other.as_mapping()
    return all(
        row.value == UNKNOWN or ((row.kind, row.name) in whole and whole[(row.kind, row.name)] == row.value)
        for row in partial.rows
    )


def differences(old: Manifest, new: Manifest) -> List[Tuple[str, str, Value, Value]]:
    """(kind, name, old value, new value) of each row that is not equal; None for a row that is not there."""
    before, after = old.as_mapping(), new.as_mapping()
    found = []
    for kind, name in sorted(set(before) | set(after)):
        one, other = before.get((kind, name)), after.get((kind, name))
        if one != other or type(one) is not type(other):
            found.append((kind, name, one, other))
    return found
