"""Refuse predictions that a decoder would silently misread: logits, NaN, a missing channel, the wrong number type."""

from typing import Any

import numba
import numpy as np

ROUNDING = 1e-3
"""A value this near to its range left it by rounding."""
RANGES = {"probability": (0.0, 1.0), "distance": (-1.0, 1.0)}


def checked_prediction(prediction: np.ndarray, channels: int | None = None, name: str = "prediction") -> np.ndarray:
    """A (channels, z, y, x) prediction, C-contiguous, native float32 or uint8; a view where it already is.

    uint8 stands for value / 255. float16 and float64 are converted to float32.

    Raises:
        ValueError: not 4-D, empty, another number of channels, or another dtype.
    """
    prediction = np.asarray(prediction)
    if prediction.ndim != 4:
        raise ValueError(f"{name} of shape {prediction.shape} is not 4-D; expected (channels, z, y, x)")
    if prediction.size == 0:
        raise ValueError(f"{name} of shape {prediction.shape} is empty")
    if channels is not None and prediction.shape[0] != channels:
        raise ValueError(f"{name} of shape {prediction.shape} has {prediction.shape[0]} channels, expected {channels}")
    if prediction.dtype == np.uint8:
        return _for_kernels(np.ascontiguousarray(prediction))
    if prediction.dtype.kind != "f":
        raise ValueError(f"{name} has dtype {prediction.dtype}; expected floats in [0, 1], or uint8 for value / 255")
    return _for_kernels(np.ascontiguousarray(prediction, dtype=np.float32))


class _Writable:
    """The memory of a read-only array under the type of a writable one."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        interface = array.__array_interface__
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def _for_kernels(prediction: np.ndarray) -> np.ndarray:
    """A view that numba takes for writable: it compiles every kernel anew for read-only arrays; none writes here."""
    return prediction if prediction.flags.writeable else np.asarray(_Writable(prediction))


def check_range(channel: np.ndarray, kind: str = "probability", name: str = "prediction") -> None:
    """Raise ValueError, naming the first value outside the range (or NaN) and its place, else return.

    Args:
        channel: any C-contiguous array; integers pass.
        kind: 'probability' for [0, 1], 'distance' for [-1, 1] (tanh).
    """
    if channel.dtype.kind != "f":
        return
    low, high = RANGES[kind]
    if _inside(channel.reshape(-1), np.float32(low), np.float32(high)):
        return
    wrong = int(np.argmax(~((channel >= low) & (channel <= high))))
    place = tuple(int(i) for i in np.unravel_index(wrong, channel.shape))
    value = float(channel.reshape(-1)[wrong])
    axes = "(channel, z, y, x)" if channel.ndim == 4 else "(z, y, x)"
    if np.isnan(value):
        raise ValueError(f"{name} holds NaN at {axes} = {place}; correct the inference that wrote it")
    remedy = "logits? apply " + ("a sigmoid first" if kind == "probability" else "tanh first")
    if min(abs(value - low), abs(value - high)) < ROUNDING:
        remedy = f"it was rounded there; clip the maps to [{low:g}, {high:g}]"
    raise ValueError(f"{name} holds {_digits(value)} at {axes} = {place}, outside [{low:g}, {high:g}]: {remedy}")


def _digits(value: float) -> str:
    """Four digits, or as many as a float32 needs where these would round to a whole number."""
    short = f"{value:.4g}"
    plain = not float(short).is_integer() or np.float32(short) == np.float32(value)
    return short if plain else str(np.float32(value))


def threshold_in(value: float, name: str, low: float = 0.0, high: float = 1.0) -> float:
    """The threshold as a float.

    Raises:
        ValueError: outside [low, high], or not a number.
    """
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"{name} {value} is outside [{low:g}, {high:g}]")
    return number


def levels(dtype: Any, threshold: float) -> tuple[float, float]:
    """The threshold in the prediction's own numbers: (v is above when v > first, v reaches it when v >= second).

    For uint8 the comparison of v / 255 is turned into one of whole numbers; for float32 the threshold is rounded to
    float32, so that a stored 0.1 is not above 0.1.
    """
    if np.dtype(dtype) == np.uint8:
        values = np.arange(256) / 255
        return float(np.searchsorted(values, threshold, "right") - 1), float(np.searchsorted(values, threshold, "left"))
    return float(np.float32(threshold)), float(np.float32(threshold))


@numba.njit(cache=True, nogil=True)
def _inside(values: np.ndarray, low: np.float32, high: np.float32) -> bool:
    wrong = 0
    for i in range(values.size):
        wrong += not (values[i] >= low and values[i] <= high)
    return wrong == 0
