"""Chromium, driven over a pipe by its own protocol (Chrome DevTools Protocol): one page, asked in JavaScript."""

import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

# Pictures by software alone: no machine that runs tests has to have a graphics card.
OPTIONS: Final = (
    *("--headless", "--no-sandbox", "--no-first-run", "--no-proxy-server", "--disable-dev-shm-usage"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=1200,900", "--remote-debugging-pipe"),
)
PATIENCE: Final = 120.0


class Page:
    """The only page of a browser; `complaints` are errors on its console, and what it could not load."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._numbers, self._rest, self._session = itertools.count(1), b"", ""
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def go(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:  # Any: JSON
        """The value of an expression, or of the promise that it is; raises AssertionError where it fails."""
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression: str, *, what: str, seconds: float = PATIENCE) -> Any:  # Any: JSON
        """What it is as soon as it is true."""
        end = time.monotonic() + seconds
        while not (value := self.ask(expression)):
            assert time.monotonic() < end, f"{what} never came; {self.complaints[-8:]}; {self.text()[:600]}"
            time.sleep(0.25)
        return value

    def text(self) -> str:
        """What can be read on it."""
        return str(self.ask("document.body ? document.body.innerText : ''"))

    def click(self, element: str, *, times: int = 1) -> None:
        """Press and let go in the middle of an element, as a hand does."""
        rectangle = f"(({element}).scrollIntoView(), ({element}).getBoundingClientRect())"
        box = self.ask(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({rectangle})")
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                place = {"x": box[0], "y": box[1], "button": "left", "clickCount": count}
                self._call("Input.dispatchMouseEvent", type=kind, **place)

    def _call(self, method: str, **params: object) -> Any:  # Any: JSON
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        for heard in self._hear():
            if heard.get("id") == number:
                assert "error" not in heard, (method, heard["error"])
                return heard["result"]
            self._note(heard)
        raise AssertionError(f"the browser ended before it answered {method}")

    def _hear(self) -> Iterator[dict[str, Any]]:  # Any: JSON
        """Messages as they come; what is not taken stays for the next call."""
        end = time.monotonic() + PATIENCE
        while True:
            message, separator, rest = self._rest.partition(b"\0")
            if separator:
                self._rest = rest
                yield json.loads(message)
                continue
            ready, _, _ = select.select([self._reader], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser says nothing"
            piece = os.read(self._reader, 1 << 20)
            if not piece:
                return
            self._rest += piece

    def _note(self, heard: dict[str, Any]) -> None:  # Any: JSON
        params = heard.get("params", {})
        match heard.get("method"):
            case "Runtime.consoleAPICalled" if params["type"] == "error":
                values = (str(one.get("value", one.get("description", ""))) for one in params["args"])
                self.complaints.append(" ".join(values)[:400])
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(str(details.get("exception", {}).get("description", details["text"]))[:400])
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}"[:400])


@contextmanager
def opened(program: str, folder: Path) -> Iterator[Page]:
    """A browser of its own, gone at the end of the block."""
    to_read, to_write = os.pipe()
    from_us, for_us = os.pipe()
    shell = f'exec "$@" 3<&{from_us} 4>&{to_write}'
    command = [
        "bash",
        "-c",
        shell,
        "browser",
        program,
        *OPTIONS,
        f"--user-data-dir={folder / 'profile'}",
        "about:blank",
    ]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=(from_us, to_write), stdout=log, stderr=log, start_new_session=True
        )
    os.close(from_us)
    os.close(to_write)
    try:
        yield Page(to_read, for_us)
    finally:
        process.terminate()
        process.wait(timeout=60)
        os.close(to_read)
        os.close(for_us)
