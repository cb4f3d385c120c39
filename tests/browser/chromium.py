"""A headless Chromium, driven over two pipes with the DevTools protocol: nothing to install but the browser.

Messages are JSON, each ended by a NUL; one page at a time is enough here.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

DEADLINE = 120.0
"""Seconds for anything at all, on a machine that does many other things."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)


def find() -> Optional[str]:
    """The browser's path, None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Chromium:
    """One browser process. `open` a page, then ask it things; `events` are what it told meanwhile."""

    def __init__(self, program: str, folder: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # the shell puts the two pipes where Chromium looks for them
        script = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer = b""
        self._count = 0
        self._session = ""
        self._target = ""
        self.events: List[Dict[str, Any]] = []

    def close(self) -> None:
        """End the browser and its children, and wait for it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    # ------------------------------------------------------------------------------------------- protocol

    def call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """Send a command and wait for its answer."""
        self._count += 1
        message: Dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode("ascii") + b"\0")
        while True:
            answer = self._next(DEADLINE)
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def wait(self, method: str) -> Dict[str, Any]:
        """The parameters of the next event of this name, one that came already too."""
        for index, event in enumerate(self.events):
            if event.get("method") == method:
                return self.events.pop(index)["params"]
        while True:
            event = self._next(DEADLINE)
            if event.get("method") == method:
                return event["params"]
            self.events.append(event)

    def _next(self, seconds: float) -> Dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready = select.select([self._in], [], [], max(0.0, until - time.monotonic()))[0]
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "Chromium said nothing for too long, or has ended"
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    # ----------------------------------------------------------------------------------------------- pages

    def open(
        self,
        path: Union[Path, str],
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        hash: str = "",
    ) -> None:
        """A new page with this file (or what is at an address) in it; what was told about the one before is forgotten."""
        before, self._target = self._target, self.call("Target.createTarget", url="about:blank")["targetId"]
        if before:
            self.call("Target.closeTarget", targetId=before)
        self._session = self.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.media("screen", scheme)
        self.load(path, hash)

    def load(self, path: Union[Path, str], hash: str = "") -> None:
        self.call("Page.navigate", url=(path if isinstance(path, str) else path.as_uri()) + hash)
        self.wait("Page.loadEventFired")
        self.until("!document.getElementById('list') || 'ready' in document.documentElement.dataset")

    def media(self, kind: str, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to. The page's policy does not count."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + DEADLINE
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.02)

    def press(self, key: str, shift: bool = False) -> None:
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        codes = {
            "Tab": 9,
            "Enter": 13,
            " ": 32,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }
        shared = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": codes.get(key, 0),
            "modifiers": 8 if shift else 0,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def said(self) -> List[str]:
        """Everything that the page wrote on its console, refused, threw or asked for, but for the page itself."""
        self.evaluate("new Promise((resume) => requestAnimationFrame(() => setTimeout(resume)))")
        found = []
        for event in self.events:
            method, data = event.get("method", ""), event.get("params", {})
            if method == "Runtime.consoleAPICalled":
                found.append(f"console: {data['args']}")
            elif method == "Log.entryAdded":
                found.append(f"log: {data['entry']['text']}")
            elif method == "Runtime.exceptionThrown":
                found.append(f"thrown: {data['exceptionDetails']}")
            elif method == "Page.javascriptDialogOpening":
                found.append(f"dialog: {data['message']}")
            elif method == "Network.requestWillBeSent" and data.get("type") != "Document":
                address = data["request"]["url"]
                if not address.startswith("data:"):
                    found.append(f"request: {address}")
            elif method == "Page.frameRequestedNavigation":
                found.append(f"navigation: {data['url']}")
        return found
