"""After an execution: each output against what was recorded."""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Optional, Tuple

from mlorch import store as stores
from mlorch.digest import tag_floats, tagged_float
from mlorch.engine.recipe import Recipe
from mlorch.errors import EnvironmentFault, MlorchError
from mlorch.model import Artifact, BoundOutput, Content, Ended, Entry, FunctionCommand, Record, Value
from mlorch.reproduce.differ import Located, locate, locate_folders
from mlorch.reproduce.results import Difference
from mlorch.reproduce.scratch import Scratch
from mlorch.store import files
from mlorch.store.local import LocalStore

RETURNED = "metrics"
"""How metrics that a function returned, without a file for them, are called."""


def differences(
    store: LocalStore, record: Record, recipe: Recipe, scratch: Scratch, ended: Ended
) -> List[Difference]:
    """The outputs that differ, in the order of their names."""
    found: List[Difference] = []
    there = scratch.contents()
    for output in sorted(recipe.invocation.outputs, key=lambda item: item.name):
        recorded = record.outputs.get(output.name)
        if recorded is None:
            continue
        difference = _Output(store, there, scratch, output, recorded).difference()
        if difference is not None:
            found.append(difference)
    if isinstance(recipe.invocation.command, FunctionCommand) and RETURNED not in record.outputs:
        found += _returned(record.metrics, tag_floats(dict(ended.metrics or {})))
    return found


def _returned(old: Mapping[str, Value], new: Mapping[str, Value]) -> List[Difference]:
    before, after = _flat(old), _flat(new)
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        if one != other or type(one) is not type(other):
            text = f"{one!r} → {other!r}"
            return [Difference(RETURNED, "(returned)", "json", f"$.{name}", text)]
    return []


def _flat(values: Mapping[str, Value], prefix: str = "") -> Dict[str, Value]:
    flat: Dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and tagged_float(value) is None:
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


class _Output:
    """One output, as recorded and as it was made again."""

    def __init__(
        self, store: LocalStore, there: LocalStore, scratch: Scratch, output: BoundOutput, recorded: Artifact
    ) -> None:
        self._store = store
        self._there = there
        self._scratch = scratch
        self._output = output
        self._recorded = recorded
        self._path = output.staging if output.staged else output.path

    def difference(self) -> Optional[Difference]:
        try:
            content = self._there.content(self._path, self._recorded.exclude)
        except EnvironmentFault as error:
            return self._told(None, Located("kind", "", error.message))
        old = self._recorded.content
        if content is None:
            return self._told(None, Located("missing", "", "it was not written"))
        if content.identity == old.identity and content.kind == old.kind:
            return None
        if content.kind != old.kind:
            return self._told(content, Located("kind", "", f"{old.kind} → {content.kind}"))
        if content.digest == old.digest:
            words = ["executable" if item.executable else "not executable" for item in (old, content)]
            return self._told(content, Located("mode", "", f"{words[0]} → {words[1]}"))
        try:
            return self._told(content, self._folder(content) if old.kind == "folder" else self._file())
        except MlorchError as error:
            note = "its recorded content is not in the store (`store: false`?), so where it differs can't be told"
            return self._told(content, Located("bytes", "", error.message, note=note))

    def _told(self, content: Optional[Content], located: Located) -> Difference:
        return Difference(
            self._output.name,
            self._recorded.path + ("/" if self._output.folder else ""),
            located.kind,
            located.where,
            located.text,
            located.lines,
            located.note,
            self._recorded.content.digest,
            content.digest if content is not None else "",
        )

    def _file(self) -> Located:
        """Raises MlorchError where the recorded content is lost."""
        old = os.path.join(self._scratch.top, "recorded", self._output.name)
        stores.export(self._store, self._recorded, old)
        try:
            return locate(
                old, os.path.join(self._scratch.root, self._path), os.path.basename(self._recorded.path)
            )
        finally:
            files.remove(old)

    def _folder(self, content: Content) -> Located:
        del content
        old = {entry.path: entry for entry in self._store.members(self._recorded.content.digest)}
        new = self._members()
        return locate_folders(
            {name: _identity(entry) for name, entry in old.items()},
            {name: _identity(entry) for name, entry in new.items()},
            lambda name: self._member(old[name], new[name]),
        )

    def _members(self) -> Dict[str, Entry]:
        from mlorch.store.tree import parse_listing

        _, data = self._there.contents.listing(self._path, self._recorded.exclude)
        return {entry.path: entry for entry in parse_listing(data)}

    def _member(self, old: Entry, new: Entry) -> Optional[Located]:
        if old.kind != new.kind or old.kind != "file" or old.digest == new.digest:
            return Located("folder", "", f"{_words(old)} → {_words(new)}")
        place = os.path.join(self._scratch.top, "recorded", "member")
        files.make_folders(os.path.dirname(place))
        try:
            self._store.objects.copy_to(old.digest, place, 0o644)
            return locate(
                place, os.path.join(self._scratch.root, self._path, new.path), os.path.basename(new.path)
            )
        except MlorchError:
            return None  # a folder with `store: false` keeps only its listing
        finally:
            files.remove(place)


def _identity(entry: Entry) -> str:
    return f"{entry.kind} {entry.digest}{'+x' if entry.executable else ''}"


def _words(entry: Entry) -> str:
    if entry.kind == "link":
        return f"a link to {entry.digest}"
    return f"{'an executable ' if entry.executable else 'a '}{entry.kind}"


def outputs_outside(recipe: Recipe) -> Tuple[str, ...]:
    """Outputs that the step writes in place outside the root: a scratch place can't stand in for them."""
    return tuple(
        item.path for item in recipe.invocation.outputs if not item.staged and os.path.isabs(item.path)
    )
