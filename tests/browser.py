"""Headless Chromium for the tests, spoken to in its own protocol: no driver between.

Installed by ``tests/install_servers.sh`` (Debian's ``chromium``).
"""

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-extensions", "--disable-sync", "--no-proxy-server",
    "--remote-debugging-port=0", "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip
KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9}


class PageError(RuntimeError):
    """A script of the page, or of the test on it, failed."""


class Page:
    """One tab: addresses are opened, keys pressed, scripts run, pictures taken."""

    def __init__(self, socket):
        self._socket = socket
        self._number = 0
        self.said = []  # errors of the page: uncaught ones, refused by its policy, not loaded
        self.requests = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send one command and wait for its answer; events on the way are kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            found = json.loads(self._socket.recv(timeout=60))
            if found.get("id") == self._number:
                if "error" in found:
                    raise PageError(f"{method}: {found['error']['message']}")
                return found["result"]
            self._event(found)

    def _event(self, event):
        told = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.said.append(details.get("exception", details).get("description", details["text"]))
        elif event["method"] == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.said.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif event["method"] == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    def run(self, script):
        """Value of an expression in the page; a promise is waited for."""
        told = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def open(self, address):
        """Open an address and wait until all of it is there."""
        self.send("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({json.dumps(address.split('#')[0])})"
                  " && document.readyState === 'complete'")  # fmt: skip

    def wait(self, script, seconds=30.0):
        """Wait until an expression is true in the page."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(PageError):  # between two pages
                if self.run(f"Boolean({script})"):
                    return
            if time.monotonic() > end:
                raise PageError(f"never true: {script}; said: {self.said[-3:]}")
            time.sleep(0.01)

    def press(self, *keys):
        """Press keys one after the other, as a person does."""
        for key in keys:
            letter = key if len(key) == 1 else ""
            code = ord(key.upper()) if letter else KEYS[key]
            told = {"key": key, "windowsVirtualKeyCode": code}
            told |= {"text": letter} if letter else {"text": "\r"} if key == "Enter" else {}
            self.send("Input.dispatchKeyEvent", type="keyDown", **told)
            self.send("Input.dispatchKeyEvent", type="keyUp", **told | {"text": ""})

    def click(self, selector):
        """Click the middle of the first element of a selector."""
        at = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1
            )

    def wheel(self, selector, by):
        """Turn the wheel over the first element of a selector."""
        x, y = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + 20]; })()"
        )
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)

    def look(self, width, height=900, *, dark=False, touch=False):
        """Be a screen of that size and theme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=touch,
        )  # fmt: skip
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch)
        value = "dark" if dark else "light"
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": value}],
        )

    def shot(self, path, *, whole=True):
        """Take a picture of the page."""
        told = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(told["data"]))

    def log_in(self, server, account):
        """Take the account's cookie, as Airflow's login sets it; None: nobody's."""
        self.send("Network.clearBrowserCookies")
        if account is not None:
            token = server.token(account)
            self.send("Network.setCookie", name="_token", value=token, url=server.address)


@contextlib.contextmanager
def chromium(folder, program="chromium"):
    """Start the browser with an empty profile; give its first tab."""
    profile = Path(folder) / "profile"
    command = [shutil.which(program) or program, *OPTIONS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        file = profile / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not (file.is_file() and file.read_text().count("\n") >= 1):
            if time.monotonic() > end or process.poll() is not None:
                raise PageError("Chromium did not start")
            time.sleep(0.05)
        port = file.read_text().split()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        with connect(
            tabs[0]["webSocketDebuggerUrl"], max_size=None, proxy=None, ping_interval=None
        ) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(20)
