"""One language server for each folder and settings; without it the tests are skipped, and say so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from language_server import ROOT, LanguageServer, find

Start = Callable[[Path, Dict[str, Any]], LanguageServer]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts the server for a folder, with settings as VS Code's `settings.json` has them."""
    command = find()
    if command is None:
        pytest.skip(
            "yaml-language-server is not there: `sh tools/editors.sh` installs it where Node and npm are"
        )
    if not Path(sys.prefix).samefile(ROOT / ".venv"):
        pytest.skip("the schema is the same whichever Python runs mlorch: tested with that of .venv only")
    started: List[LanguageServer] = []

    def for_folder(folder: Path, settings: Dict[str, Any]) -> LanguageServer:
        started.append(LanguageServer(command, folder, settings))
        return started[-1]

    yield for_folder
    for server in started:
        server.close()
