"""The real yaml-language-server, which VS Code and most other editors ask, spoken to over its stdin and stdout.

Messages are JSON-RPC with a `Content-Length` header, as the language server protocol has them.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

DEADLINE = 120.0
"""Seconds for any one answer, on a machine that does many other things."""
ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".venv" / "editors" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
"""Where `tools/editors.sh` puts it."""


def find() -> Optional[List[str]]:
    """The command that starts the server, None where it or Node is missing."""
    node = shutil.which("node")
    return [node, str(SERVER), "--stdio"] if node and SERVER.is_file() else None


def nested(settings: Dict[str, Any]) -> Dict[str, Any]:
    """`{"yaml.schemas": x}`, as it stands in `settings.json`, to `{"yaml": {"schemas": x}}`, as the server asks."""
    found: Dict[str, Any] = {}
    for name, value in settings.items():
        part = found
        *sections, last = name.split(".")
        for section in sections:
            part = part.setdefault(section, {})
        part[last] = value
    return found


def line_and_message(diagnostic: Dict[str, Any]) -> Tuple[int, str]:
    return diagnostic["range"]["start"]["line"] + 1, diagnostic["message"]


class LanguageServer:
    """One server process that knows a folder and the settings which the editor would give it."""

    def __init__(self, command: List[str], folder: Path, settings: Dict[str, Any]) -> None:
        self._settings = nested({"yaml.schemaStore.enable": False, **settings})
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._out, self._in = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._buffer = b""
        self._count = 0
        self._version = 0
        self._diagnostics: Dict[str, List[Dict[str, Any]]] = {}
        self._configured = False
        folders = [{"uri": folder.as_uri(), "name": folder.name}]
        document = {
            "synchronization": {},
            "publishDiagnostics": {},
            "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
            "hover": {"contentFormat": ["markdown"]},
        }
        workspace = {"configuration": True, "workspaceFolders": True}
        self.ask(
            "initialize",
            processId=os.getpid(),
            rootUri=folder.as_uri(),
            workspaceFolders=folders,
            capabilities={"textDocument": document, "workspace": workspace},
        )
        self._tell("initialized")
        self._tell("workspace/didChangeConfiguration", settings=self._settings)
        self._wait_until(lambda: self._configured)  # before that it offers nothing of any schema

    def close(self) -> None:
        """End the server and its children, and wait for it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    # ------------------------------------------------------------------------------------------------- questions

    def diagnostics(self, *paths: Path) -> List[List[str]]:
        """What an editor underlines in each of these files, opened together: `LINE: message`, from line 1, sorted."""
        for path in paths:
            self._open(path, path.read_text(encoding="utf-8"))
        self._wait_until(lambda: all(path.as_uri() in self._diagnostics for path in paths))
        found = [self._diagnostics[path.as_uri()] for path in paths]
        for path in paths:
            self._close(path)
        return [
            [f"{line}: {message}" for line, message in sorted(map(line_and_message, each))] for each in found
        ]

    def completion(self, path: Path, text: str) -> List[Dict[str, Any]]:
        """What is offered where `|` stands in the text."""
        answer = self._at(path, text, "completion")
        return answer["items"] if isinstance(answer, dict) else answer

    def hover(self, path: Path, text: str) -> str:
        """What is shown over the place where `|` stands, as Markdown."""
        answer = self._at(path, text, "hover")
        return answer["contents"]["value"] if answer else ""

    def _at(self, path: Path, text: str, question: str) -> Any:
        before, after = text.split("|", 1)
        self._open(path, before + after)
        self._wait_until(lambda: path.as_uri() in self._diagnostics)  # it knows the file's schema then
        place = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        answer = self.ask(f"textDocument/{question}", textDocument={"uri": path.as_uri()}, position=place)
        self._close(path)
        return answer

    def _open(self, path: Path, text: str) -> None:
        self._version += 1  # what the server has read stays with it by name and version
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": self._version, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)

    def _close(self, path: Path) -> None:
        """Close a file. The server takes back what it underlined; what comes after this is of the next opening."""
        document = {"uri": path.as_uri()}
        self._tell("textDocument/didClose", textDocument=document)
        self.ask("textDocument/hover", textDocument=document, position={"line": 0, "character": 0})
        self._diagnostics.pop(path.as_uri(), None)

    # -------------------------------------------------------------------------------------------------- protocol

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a request and wait for its answer."""
        self._count += 1
        self._send({"id": self._count, "method": method, "params": parameters})
        until = time.monotonic() + DEADLINE
        while True:
            message = self._next(until)
            if message.get("id") == self._count and "method" not in message:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._handle(message)

    def _wait_until(self, reached: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE
        while not reached():
            self._handle(self._next(until))

    def _tell(self, method: str, **parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _handle(self, message: Dict[str, Any]) -> None:
        """What the server says or asks on its own: diagnostics, and the editor's settings."""
        method, parameters = message.get("method"), message.get("params")
        if method == "textDocument/publishDiagnostics":
            self._diagnostics[parameters["uri"]] = parameters["diagnostics"]
        elif method == "workspace/configuration":
            found = [self._settings.get(item["section"].strip("[]")) for item in parameters["items"]]
            self._send({"id": message["id"], "result": found})
            self._configured = True
        elif "id" in message:
            self._send({"id": message["id"], "result": None})

    def _send(self, message: Dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode("utf-8")
        data = b"Content-Length: %d\r\n\r\n" % len(data) + data
        while data:
            data = data[os.write(self._out, data) :]

    def _next(self, until: float) -> Dict[str, Any]:
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            length = int(head.split(b":")[1].split()[0]) if found else 0
            if found and len(rest) >= length:
                self._buffer = rest[length:]
                return json.loads(rest[:length])
            ready = select.select([self._in], [], [], max(0.0, until - time.monotonic()))[0]
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "the language server said nothing for too long, or has ended"
            self._buffer += data
