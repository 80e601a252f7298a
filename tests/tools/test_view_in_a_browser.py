"""Neuroglancer, served by `view`, in a headless Chromium that draws WebGL in software: a section is seen first.

VIEW_SCREENSHOTS=DIR keeps the pictures.
"""

import base64
import io
import os
import time
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from scripts.tools.view import prepare_view
from scripts.visualize.local_viewer import open_viewer
from tests.tools.test_report_in_a_browser import CHROMIUM, FLAGS, Browser

WEBGL = [flag for flag in FLAGS if flag != "--disable-gpu"] + ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
PATIENCE = 120.0
"""Seconds until the viewer has drawn; it is some ten on a machine that does nothing else."""
PANEL = (slice(100, 700), slice(100, 600))
"""Pixels of the section, away from the buttons and the list of errors."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; apt-get install chromium")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The viewer with an image, maps that are 1 along x alone, and instances that merge two cells."""
    pytest.importorskip("neuroglancer", reason="the extra view is not installed")
    folder = tmp_path_factory.mktemp("shown")
    image = np.random.default_rng(0).integers(60, 200, (6, 90, 90), dtype=np.uint8)
    truth = np.zeros(image.shape, np.uint16)
    truth[:, :, :45], truth[:, :, 45:] = 3, 8
    with h5py.File(folder / "v.h5", "w") as file:
        file["raw"], file["labels"], file["instances"] = image, truth, np.full(image.shape, 7, np.uint8)
        file.attrs["resolution"] = (30.0, 6.0, 6.0)
    with h5py.File(folder / "maps.h5", "w") as file:
        maps = np.zeros((3, *image.shape), np.float16)
        maps[2] = 1
        file["prediction"] = maps
    names = {"image": "v.h5:raw", "prediction": "maps.h5", "instances": "v.h5:instances", "truth": "v.h5:labels"}
    with ExitStack() as opened:
        state, data, _ = prepare_view(opened, {name: f"{folder}/{path}" for name, path in names.items()})
        yield open_viewer(state, data)


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"), WEBGL)
    drawn = "document.createElement('canvas').getContext('webgl2') !== null"
    browser.ask("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    if not browser.value(drawn):
        browser.close()
        pytest.skip("this chromium draws no WebGL")
    browser.ask("Page.navigate", url=str(shown))
    limit = time.monotonic() + PATIENCE
    while browser.value("document.readyState") != "complete":  # before that there is no picture to take
        assert time.monotonic() < limit, "the page of the viewer is not loaded"
        time.sleep(0.2)
    yield browser
    browser.close()


def picture_when(page, name, there):
    """The pixels (y, x, 3) of the panel as soon as they are as expected."""
    limit = time.monotonic() + PATIENCE
    while True:
        content = base64.b64decode(page.ask("Page.captureScreenshot", format="png")["data"])
        if "VIEW_SCREENSHOTS" in os.environ:
            (Path(os.environ["VIEW_SCREENSHOTS"]) / f"{name}.png").write_bytes(content)
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)[PANEL]
        if there(pixels):
            return pixels
        assert time.monotonic() < limit, f"{name} is not drawn after {PATIENCE:.0f} s"
        time.sleep(0.5)


def coloured(pixels):
    """Share of pixels that are not grey."""
    return float((np.ptp(pixels, axis=2) > 25).mean())


def test_a_section_with_its_instances_and_its_worst_error_is_seen_first(page):
    pixels = picture_when(page, "instances", lambda found: coloured(found) > 0.25)
    yellow = (pixels[..., 0] > 200) & (pixels[..., 1] > 200) & (pixels[..., 2] < 90)
    assert yellow.any(), "no annotation at an error"
    assert pixels.mean(axis=2).std() > 10, "the image is not seen under the instances"
    text = page.value("document.body.innerText")
    assert "1. id 7 merges truth " in text
    assert " bits" in text


def test_affinities_are_colours_x_in_red(page, shown):
    with shown.txn() as state:
        state.layers["prediction"].visible, state.layers["instances"].visible = True, False
        state.layers["image"].visible = False
    pixels = picture_when(page, "prediction", lambda found: (found[..., 0] - found[..., 2] > 100).mean() > 0.3)
    red = pixels[pixels[..., 0] - pixels[..., 2] > 100]
    assert red[:, 1].mean() < 60
