"""The report in a real browser: nothing fails, slider and errors move it, a click prints ids, it fits a telephone.

Chromium is driven through a pipe by its own protocol, so nothing beyond the browser is needed. REPORT_SCREENSHOTS=DIR
keeps pictures of the page at both widths.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine; apt-get install chromium to test the page in a browser"
)


class Browser:
    """One page of a headless chromium, spoken to in JSON with a NUL after each message."""

    def __init__(self, profile: Path, flags: Sequence[str] = FLAGS) -> None:
        to_read, self._send = os.pipe()
        self._receive, to_write = os.pipe()
        os.set_blocking(self._receive, False)
        command = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", CHROMIUM, *flags, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._left, self._number, self._session, self.events = b"", 0, None, []
        pages = [one for one in self.ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        target = {"targetId": pages[0]["targetId"], "flatten": True}
        self._session = self.ask("Target.attachToTarget", **target)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params):
        """Result of a command; what happens meanwhile is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, path: Path, width: int, dark: bool = False) -> None:
        """Show a file in a window so wide, and wait until it is loaded."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._message())

    def value(self, expression: str):
        """What an expression is in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """A key, as from a keyboard."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def click(self, element: str, x: float, y: float) -> None:
        """The mouse, at a share of an element's width and height."""
        box = f"(box => [box.left, box.top, box.width, box.height])({element}.getBoundingClientRect())"
        self.value(f"{element}.scrollIntoView({{block: 'center'}})")
        left, top, width, height = self.value(box)
        at = {"x": round(left + x * width), "y": round(top + y * height), "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, **at)

    def complaints(self) -> list:
        """Messages of the console above information, and exceptions."""
        found = [event for event in self.events if event.get("method") == "Runtime.exceptionThrown"]
        entries = [event["params"]["entry"] for event in self.events if event.get("method") == "Log.entryAdded"]
        calls = [event["params"] for event in self.events if event.get("method") == "Runtime.consoleAPICalled"]
        found += [entry for entry in entries if entry["level"] in ("warning", "error")]
        return found + [call for call in calls if call["type"] in ("warning", "error", "assert")]

    def loaded(self) -> set[str]:
        """Addresses that the page asked for."""
        asked = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return {event["params"]["request"]["url"] for event in asked}

    def close(self) -> None:
        """End the browser."""
        os.close(self._send)
        os.close(self._receive)
        self.process.terminate()
        self.process.wait(timeout=20)

    def _message(self) -> dict:
        limit = time.monotonic() + PATIENCE
        while b"\0" not in self._left:
            assert self.process.poll() is None, f"chromium ended with {self.process.returncode}"
            assert time.monotonic() < limit, "chromium does not answer"
            try:
                self._left += os.read(self._receive, 2**20)
            except BlockingIOError:
                time.sleep(0.01)
        whole, self._left = self._left.split(b"\0", 1)
        return json.loads(whole)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def keep_view(browser, name):
    """What the window shows."""
    keep_picture(browser, name, whole=False)


def keep_picture(browser, name, whole=True):
    if folder := os.environ.get("REPORT_SCREENSHOTS"):
        picture = browser.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_and_its_text_can_be_read(browser, report_page, width):
    browser.open(report_page, width)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    small = """[...document.querySelectorAll('body *')].filter(one =>
        !['SCRIPT', 'STYLE'].includes(one.tagName) && one.getClientRects().length &&
        [...one.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
        .map(one => [one.tagName, one.textContent.slice(0, 30), parseFloat(getComputedStyle(one).fontSize) *
          (one.ownerSVGElement ? one.getScreenCTM().a : 1)])
        .filter(([tag, words, size]) => size < 11)"""
    assert browser.value(small) == []
    cut = """[...document.querySelectorAll('figure, h1, h2, h3, p, .controls, .scale, pre, .wide')].filter(one =>
        one.getClientRects().length && one.getBoundingClientRect().right > innerWidth + 0.5)
        .map(one => one.outerHTML.slice(0, 80))"""
    assert browser.value(cut) == []
    keep_picture(browser, f"report_{width}")


def test_nothing_fails_and_nothing_is_loaded_from_elsewhere(browser, report_page):
    browser.open(report_page, 1280)
    broken = "[...document.images].filter(one => !(one.complete && one.naturalWidth)).length"
    assert browser.value("Promise.all([...document.images].map(one => one.decode().catch(() => 0))).then(() => 1)") == 1
    assert browser.value(broken) == 0
    assert browser.value("document.images.length") > 10
    assert {address.split(":")[0] for address in browser.loaded()} <= {"file", "data"}
    assert browser.complaints() == []


def test_the_slider_moves_every_picture_to_another_section(browser, report_page):
    browser.open(report_page, 1280)
    viewer = "document.querySelector('#segmentation .viewer')"
    state = f"""[{viewer}.querySelector('output').textContent,
        {viewer}.querySelector('input[type=range]').getAttribute('aria-valuetext'),
        [...{viewer}.querySelectorAll('img.base')].map(one => one.src)]"""
    stored = f"""(layers => [...{viewer}.querySelectorAll('img')].every(one =>
        one.src === layers[one.dataset.layer][3]))(JSON.parse({viewer}.querySelector('script').textContent).layers)"""
    begin = browser.value(state)
    assert begin[:2] == ["12", "section 12"]
    browser.value(f"{viewer}.querySelector('input[type=range]').focus()")
    browser.press("ArrowRight", 39)
    moved = browser.value(state)
    assert moved[:2] == ["13", "section 13"]
    assert all(now != before for now, before in zip(moved[2], begin[2], strict=True))
    assert browser.value(stored)
    browser.press("Home", 36)
    assert browser.value(state)[0] == "10"
    assert browser.value(f"{viewer}.querySelector('img').alt").endswith("section 10")
    assert browser.complaints() == []


VIEWER = "document.querySelector('#segmentation .viewer')"
STATUS = f"{VIEWER}.querySelector('.status').textContent"
ERRORS = f"JSON.parse({VIEWER}.querySelector('script').textContent).errors"
MARKED = f"""[...{VIEWER}.querySelectorAll('.stack')].every(stack => (mark => mark && mark.toDataURL() !==
    Object.assign(document.createElement('canvas'), {{width: mark.width, height: mark.height}}).toDataURL()
)(stack.querySelector('canvas')))"""


def wait_until(browser, expression):
    """Wait for what the page does after a click or a key."""
    limit = time.monotonic() + PATIENCE
    while not browser.value(expression):
        assert time.monotonic() < limit, f"never true: {expression}"
        time.sleep(0.02)


def test_buttons_and_keys_go_to_the_next_and_the_previous_error(browser, report_page):
    browser.open(report_page, 1280)
    errors = browser.value(ERRORS)
    assert len(errors) > 2

    def shown(number):
        z, y, x = errors[number]["position"]
        wait_until(browser, f"{STATUS}.startsWith('error {number + 1} of {len(errors)}')")
        assert browser.value(STATUS).endswith(f"{errors[number]['words']}, at z {z}, y {y}, x {x}")
        assert browser.value(f"{VIEWER}.querySelector('output').textContent") == str(z)

    browser.click(f"{VIEWER}.querySelectorAll('button')[1]", 0.5, 0.5)
    shown(0)
    browser.press("n", 78)
    shown(1)
    browser.press("p", 80)
    shown(0)
    browser.press("p", 80)
    shown(len(errors) - 1)
    wait_until(browser, MARKED)  # a ring in each picture
    keep_view(browser, "report_error")
    assert browser.complaints() == []


def test_an_error_among_the_scores_opens_the_pictures_at_its_error(browser, report_page):
    browser.open(report_page, 1280)
    browser.click("document.querySelectorAll('#errors a')[1]", 0.5, 0.5)
    wait_until(browser, f"{STATUS}.startsWith('error 2 of')")
    layer = next(name for name in browser.value(ERRORS)[1]["ids"] if name != "labels")
    picture = f"""{VIEWER}.querySelector('img[data-layer="{layer}"]').getBoundingClientRect()"""
    bar = f"{VIEWER}.querySelector('.controls').getBoundingClientRect()"
    wait_until(browser, f"{picture}.top >= {bar}.bottom && {picture}.bottom <= innerHeight")
    words = browser.value("document.querySelectorAll('#errors a')[1].textContent")
    assert words in browser.value(STATUS)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_click_prints_the_voxel_and_the_ids_of_truth_and_instances_there(browser, report_page, runs, width):
    browser.open(report_page, width)
    with h5py.File(runs.scratch_0 / "evaluation" / "evaluation.h5") as file:
        labels, instances = file["labels"][2], file["instances"][2]
    stacks = f"{VIEWER}.querySelectorAll('.stack')"
    for panel, y, x in ((0, 40, 40), (1, 70, 11), (3, 90, 60)):
        browser.click(f"{stacks}[{panel}]", (x + 0.5) / 96, (y + 0.5) / 96)
        wait_until(browser, f"{STATUS}.startsWith('z 12, y {y}, x {x}: ')")
        found = dict(part.rsplit(" ", 1) for part in browser.value(STATUS).split(": ")[1].split(", "))
        assert list(found) == ["truth", "pretrained_0", "pretrained_1", "scratch_0", "scratch_1"]
        assert found["truth"] == (str(labels[y, x]) if labels[y, x] > 0 else "none")
        assert found["scratch_0"] == (str(instances[y, x]) if instances[y, x] > 0 else "none")
    keep_view(browser, f"report_click_{width}")
    assert browser.complaints() == []


def test_colours_can_be_taken_off_the_image(browser, report_page):
    browser.open(report_page, 390)
    over = "getComputedStyle(document.querySelector('#segmentation .over')).visibility"
    assert browser.value(over) == "visible"
    browser.value("document.querySelector('#segmentation input[type=checkbox]').click()")
    assert browser.value(over) == "hidden"


def test_dark_windows_get_light_text_on_a_dark_page(browser, report_page):
    light = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / 3"
    browser.open(report_page, 1280, dark=True)
    assert browser.value(light) < 60
    keep_picture(browser, "report_dark")
    browser.open(report_page, 1280)
    assert browser.value(light) > 200
