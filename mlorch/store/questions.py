"""Questions and answers as they are remembered: those of a whole look, or those of a look at a part put in the place of what
was remembered of it."""

from __future__ import annotations

import os
import stat
import time
from typing import AbstractSet, Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from mlorch.store.owners import SIGN, Group, Shelf, Signs, from_plain, numbered, numbers, to_plain
from mlorch.store.witness import REAL, Listed, Sign, Witness, folder_sign, racy, sign_of, unpack

OWN = ("tmp", "locks", "pending", "runs", "cache", "index.sqlite", "index.sqlite-journal")
"""What of the store changes from run to run and decides nothing; of the first two see `answers.is_quiet`."""
Questions = Dict[str, Dict[str, Tuple[Any, Optional[Group]]]]
"""Kind (`followed`, `direct`, `listed`) -> path -> its answer, and whom that concerns."""


def questions_of(witness: Witness, store: str) -> Optional[Questions]:
    """What was asked, without what the store does for itself and what tells of this process (whether the store is on a
    local disk is asked when it is opened to be written); None where an answer changed or may be about to."""
    own = tuple(os.path.join(store, name) for name in OWN)
    inside = ("/proc/self/", *(path + "/" for path in own))

    groups = {path: witness.owners.group(path, askers) for path, askers in witness.askers.items()}

    def kept(answers: Mapping[str, Optional[bytes]], read: Callable[[bytes], Any]) -> Dict[str, Any]:
        return {
            path: answer and read(answer)
            for path, answer in answers.items()
            if path not in own and not path.startswith(inside) and not _within(groups[path], witness.open)
        }

    followed, direct = kept(witness.followed, unpack), kept(witness.direct, unpack)
    listed = kept(witness.listed, Listed.unpack)
    # Records are written once, read-only, and replaced by a rename: their folder tells.
    for path in [*followed, *direct]:
        if path.startswith(os.path.join(store, "records") + "/") and os.path.dirname(path) in listed:
            followed.pop(path, None)
            direct.pop(path, None)
    if any(None in answers.values() for answers in (followed, direct, listed)):
        return None
    signs: List[Sign] = [*followed.values(), *direct.values(), *(item.sign for item in listed.values())]
    if any(sign[0] and sign[3] and racy(sign[2], sign[3], witness.began) for sign in signs):
        return None
    for path, sign in direct.items():
        if not stat.S_ISLNK(sign[0]) and followed.get(path) == sign:
            del followed[path]
    kinds: Dict[str, Mapping[str, Any]] = {"followed": followed, "direct": direct, "listed": listed}
    return {
        kind: {path: (answer, groups[path]) for path, answer in found.items()}
        for kind, found in kinds.items()
    }


def _within(group: Optional[Group], steps: AbstractSet[str]) -> bool:
    """Whether an answer concerns these steps alone."""
    return group is not None and bool(group.steps) and group.steps <= steps


def packed(questions: Questions, objects: str) -> Dict[str, Any]:
    """
    Args:
        objects: the folder of the store's objects.
    """
    known: Dict[Optional[Group], int] = {None: 0}
    shelves, direct = _shelves(questions["direct"], objects, known)
    questions = {**questions, "direct": direct}
    packed: Dict[str, Any] = {
        kind: _pack(
            {path: answer for path, (answer, _) in found.items()},
            [group for _, group in found.values()],
            known,
        )
        for kind, found in questions.items()
    }
    names = [answer.names for answer, _ in questions["listed"].values()]
    return {**packed, "shelves": shelves, "names": names, "groups": to_plain(known)}


def _shelves(
    direct: Mapping[str, Tuple[Sign, Optional[Group]]], objects: str, known: Dict[Optional[Group], int]
) -> Tuple[List[Shelf], Dict[str, Tuple[Sign, Optional[Group]]]]:
    """(objects among what was asked for, by folder; the rest). Objects are written once, read-only, and come and go by a rename:
    while their folder is unchanged, so are they. Of one that may be about to change, or that holds another object than was
    found, all stay where they are."""
    found: Dict[str, Dict[str, Tuple[Sign, Optional[Group]]]] = {}
    rest = dict(direct)
    for path, row in direct.items():
        if os.path.dirname(os.path.dirname(path)) == objects and stat.S_ISREG(row[0][0]):
            found.setdefault(os.path.dirname(path), {})[path] = row
    shelves: List[Shelf] = []
    for folder, rows in found.items():
        now, sign = time.time_ns(), folder_sign(folder)
        if racy(sign[2], sign[3], now) or not stat.S_ISDIR(sign[0]):
            continue
        # after the folder's sign: whatever changes from here on shows in that
        if all(sign_of(REAL.lstat(path)) == row[0] for path, row in rows.items()):
            answers = {path: rest.pop(path)[0] for path in rows}
            signs = _pack(answers, [group for _, group in rows.values()], known)
            shelves.append((folder, SIGN.pack(*sign), signs))
    return shelves, rest


def _pack(
    answers: Mapping[str, Any], groups: Iterable[Optional[Group]], known: Dict[Optional[Group], int]
) -> Signs:
    signs = (answer.sign if isinstance(answer, Listed) else answer for answer in answers.values())
    paths = "".join(path + "\0" for path in answers)
    return paths, b"".join(SIGN.pack(*sign) for sign in signs), numbered(groups, known)


def _unpacked(entry: Mapping[str, Any]) -> Questions:
    groups = from_plain(entry["groups"])
    found: Questions = {}
    for kind in ("followed", "direct", "listed"):
        paths, signs, owners = entry[kind]
        answers: Iterable[Any] = SIGN.iter_unpack(signs)
        if kind == "listed":
            answers = (Listed(sign, names) for sign, names in zip(answers, entry["names"]))
        rows = zip(paths.split("\0"), answers, numbers(owners))
        found[kind] = {path: (answer, groups[number]) for path, answer, number in rows}
    for _, _, (paths, signs, owners) in entry["shelves"]:
        objects = zip(paths.split("\0"), SIGN.iter_unpack(signs), numbers(owners))
        found["direct"].update({path: (sign, groups[number]) for path, sign, number in objects})
    return found


def merged(entry: Mapping[str, Any], touched: AbstractSet[str], fresh: Questions) -> Optional[Questions]:
    """The questions of a remembered entry, those of what was touched replaced by fresh ones; None where an answer that others
    depend on changed meanwhile."""
    found_now: Questions = {}
    ledger = (entry["ledger"] or [""])[0]
    for kind, found in _unpacked(entry).items():
        kept = found_now[kind] = {}
        for path, (answer, group) in found.items():
            others = None if group is None else group._replace(steps=group.steps - touched)
            if others is None or others.steps:
                kept[path] = (answer, others)
        for path, (answer, group) in fresh[kind].items():
            old = kept.get(path)
            if old is not None:
                same = old[0].names == answer.names if kind == "listed" else old[0] == answer
                if not same and path != ledger:
                    return None
                group = _both(group, old[1])
            kept[path] = (answer, group)
    return found_now


def _both(one: Optional[Group], other: Optional[Group]) -> Optional[Group]:
    if one is None or other is None:
        return None
    return Group(one.steps | other.steps, one.code or other.code)
