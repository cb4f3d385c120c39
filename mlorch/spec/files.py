"""Files that a pipeline is read from: bytes to text, within limits."""

from __future__ import annotations

import os
import re
import stat
from typing import Optional

from mlorch.errors import EnvironmentFault
from mlorch.model import Place
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.text import Source, Spot

MAX_BYTES = 4 * 1024 * 1024
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


def read_source(
    path: str, name: str, problems: Problems, scope: str = "", at: Optional[Spot] = None
) -> Source:
    """The text of a file (absolute path), called `name` to people.

    `at` is where the file is named; problems of a missing file stand there. Raises UnreadableError after
    noting a problem, and EnvironmentFault where the file can't be read for lack of permission.
    """
    spot = Spot(Place(name)) if at is None else at
    data = _read(path, name, problems, spot)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        place = Source(name, before).place(len(before))
        problems.error("E109", f"`{name}` is not UTF-8 text", Spot(place), "save the file as UTF-8")
        raise UnreadableError from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    source = Source(name, text, scope)
    problems.sources.append(source)
    control = _CONTROL.search(text)
    if control is not None:
        message = f"the control character U+{ord(control.group()):04X} can't stand here"
        spot = source.spot(control.start(), control.end())
        problems.error("E109", message, spot, 'take it out, or write it as an escape in double quotes: "\\e"')
        raise UnreadableError
    return source


def _read(path: str, name: str, problems: Problems, spot: Spot) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        hint = "check the name; paths are relative to the project root"
        problems.error("E117", f"there is no file `{name}`", spot, hint)
        raise UnreadableError from None
    except OSError as error:
        reason = (error.strerror or "it can't be opened").lower()
        message = f"`{name}` can't be read: {reason}"
        raise EnvironmentFault(message, "check its permissions and those of the folders above it") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        problems.error("E117", f"`{name}` is not a file", spot, "name a YAML file")
        raise UnreadableError
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        message = f"`{name}` is larger than 4 MB"
        problems.error("E108", message, spot, "keep data in files of its own and name their paths")
        raise UnreadableError
    return data
