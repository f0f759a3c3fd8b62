"""A real browser without a network, driven from tests: opens a file, runs, clicks, looks.

Chromium speaks its DevTools protocol over two pipes (JSON that ends in a zero byte), so nothing
but the browser itself is needed. CHROME names it where it is not on the path.
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio"),
    *("--hide-scrollbars", "--force-color-profile=srgb", "--force-device-scale-factor=1"),
    *("--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
# The browser reads commands from descriptor 3 and answers on 4.
START = """import fcntl, os, sys
spare = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
os.dup2(spare[0], 3), os.dup2(spare[1], 4)
os.execv(sys.argv[3], sys.argv[3:])"""
PATIENCE = 60.0  # seconds for one answer, on a machine with much else to do


def find() -> str:
    """The browser's path; skips the test where there is none."""
    for name in (os.environ.get("CHROME"), *NAMES):
        if name and (path := shutil.which(name)):
            return path
    pytest.skip("no browser here: install chromium, or say its path in CHROME")


class Browser:
    """One headless browser with a profile of its own; `with Browser() as b: b.open(path)`."""

    def __enter__(self) -> "Browser":
        path = find()
        self._profile = tempfile.mkdtemp(prefix="browser-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs_in), str(theirs_out), path, *FLAGS,
             f"--user-data-dir={self._profile}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in), os.close(theirs_out)
        self._out, self._in = ours_out, ours_in
        self._number, self._read = 0, b""
        self.pages: dict[str, Page] = {}
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(Exception):
            self.send("Browser.close")
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        os.close(self._out), os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    @contextlib.contextmanager
    def open(self, path, width: int = 1200, height: int = 900, ready: str = "true"):
        """A page that shows a file, loaded, and `ready` (an expression) true."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        try:
            page.resize(width, height)
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.send(f"{domain}.enable")
            page.send("Network.emulateNetworkConditions", offline=True, latency=0,
                      downloadThroughput=0, uploadThroughput=0)  # fmt: skip
            page.send("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
            page.wait("location.protocol == 'file:' && document.readyState == 'complete'")
            page.wait(ready)
            yield page
        finally:
            del self.pages[session]
            self.send("Target.closeTarget", targetId=target)

    def send(self, method: str, session: str | None = None, **params) -> dict:
        """One command and its answer; what happens meanwhile is told to the pages."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        until = time.monotonic() + PATIENCE
        while True:
            found = self._next(until, method)
            if found.get("id") == self._number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                return found["result"]
            if page := self.pages.get(found.get("sessionId")):
                page.told(found["method"], found["params"])

    def _next(self, until: float, waiting_for: str) -> dict:
        while b"\0" not in self._read:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._in], [], [], left)[0]:
                raise TimeoutError(f"the browser did not answer {waiting_for} in {PATIENCE:.0f} s")
            data = os.read(self._in, 1 << 20)
            if not data:
                raise RuntimeError(f"the browser ended at {waiting_for}")
            self._read += data
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)


class Page:
    """One open file, with all that its console complained of and all that it asked for."""

    def __init__(self, browser: Browser, session: str):
        self._browser, self._session = browser, session
        self._errors: list[str] = []
        self._requests: list[str] = []

    def send(self, method: str, **params) -> dict:
        """A command of the DevTools protocol to this page."""
        return self._browser.send(method, self._session, **params)

    def told(self, event: str, params: dict) -> None:
        """Keep what tests ask about."""
        if event == "Runtime.exceptionThrown":
            said = params["exceptionDetails"]
            self._errors.append(said.get("exception", {}).get("description") or said["text"])
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            words = [str(a.get("value", a.get("description"))) for a in params["args"]]
            self._errors.append(" ".join(words))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self._errors.append(f"{entry['text']} {entry.get('url', '')}".strip())
        elif event == "Network.requestWillBeSent":
            self._requests.append(params["request"]["url"])

    @property
    def errors(self) -> list[str]:
        """Console errors, uncaught exceptions and failed loads so far."""
        self.run("0")  # whatever happened before this has been told when it is answered
        return list(self._errors)

    @property
    def outside(self) -> list[str]:
        """Addresses that are no file and stand in no file: what a network would be needed for."""
        self.run("0")
        return [a for a in self._requests if not a.startswith(("file:", "data:", "blob:"))]

    @property
    def files(self) -> list[str]:
        """Addresses of the files that were asked for, the page's own first."""
        self.run("0")
        return [a for a in self._requests if a.startswith("file:")]

    def run(self, expression: str):
        """The value of a JavaScript expression, of what it promises where it is a promise."""
        found = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            said = found["exceptionDetails"]
            raise RuntimeError(said.get("exception", {}).get("description") or said["text"])
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 20.0) -> None:
        """Until the expression is true."""
        until = time.monotonic() + seconds
        while not self.run(expression):
            if time.monotonic() > until:
                raise TimeoutError(f"not true after {seconds:.0f} s: {expression}")
            time.sleep(0.02)

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """A mouse click on an element, at these shares of its width and height."""
        where = json.dumps(selector)
        self.run(f"document.querySelector({where}).scrollIntoView({{block: 'center'}})")
        box = self.run(f"document.querySelector({where}).getBoundingClientRect().toJSON()")
        at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            held = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, **at, **held)

    def press(self, key: str) -> None:
        """A key by its name in the protocol: Tab, Enter, ArrowRight, a."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38,
                "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35}.get(key, 0)  # fmt: skip
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode=code, **more)  # fmt: skip

    def resize(self, width: int, height: int) -> None:
        """Another window; a phone is 390 by 844."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def media(self, kind: str = "", dark: bool = False) -> None:
        """Show it as `print` would, or as dark as the page can."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def screenshot(self, path, whole: bool = True) -> bytes:
        """A PNG of the whole page, or of what the window shows, written and given."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                          **(self._clip() if whole else {}))  # fmt: skip
        data = base64.b64decode(found["data"])
        pathlib.Path(path).write_bytes(data)
        return data

    def pdf(self, path) -> bytes:
        """The page as it prints, on A4."""
        found = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69,
                          printBackground=False)  # fmt: skip
        data = base64.b64decode(found["data"])
        pathlib.Path(path).write_bytes(data)
        return data

    def _clip(self) -> dict:
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "scale": 1,
                         "width": size["width"], "height": size["height"]}}  # fmt: skip
