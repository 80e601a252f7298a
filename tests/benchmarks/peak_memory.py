"""Bytes a function needs beyond its input and its result, measured in a process of its own (Linux)."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def peak_bytes(function: Callable[[Any], Any], path: str, warm: Callable[[Any], Any]) -> float:
    """Peak resident bytes during function(array at path), less what was resident before and the bytes of the result.

    `warm` gets the whole array first and should call the function on a small part, so that compiling is not counted.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (function, path, warm))


def _measured(function: Callable[[Any], Any], path: str, warm: Callable[[Any], Any]) -> float:
    array = np.load(path)
    warm(array)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is resident now
    before = _resident("VmRSS")
    result = function(array)
    return _resident("VmHWM") - before - getattr(result, "nbytes", 0)


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * float(next(line.split()[1] for line in lines if line.startswith(name)))
