"""Refuse labels that a decoder or a metric would silently misread."""

import numpy as np


def checked_labels(label: np.ndarray, name: str = "label") -> np.ndarray:
    """The (z, y, x) label volume in native byte order, C-contiguous; a view where it already is.

    Raises:
        ValueError: not 3-D, empty, floating point or negative ids.
    """
    label = labels_as_stored(label, name)
    return np.ascontiguousarray(label, dtype=label.dtype.newbyteorder("="))


def labels_as_stored(label: np.ndarray, name: str = "label", least: int = 0) -> np.ndarray:
    """The (z, y, x) label volume, whatever its byte order and strides: no voxel is copied.

    Args:
        label: ids.
        name: what errors call it.
        least: the smallest id that may be there; -1 where that stands for unknown.

    Raises:
        ValueError: not 3-D, empty, floating point, or ids below `least`.
    """
    label = np.asarray(label)
    if label.ndim != 3:
        raise ValueError(f"{name} of shape {label.shape} is not 3-D; expected (z, y, x)")
    if label.size == 0:
        raise ValueError(f"{name} of shape {label.shape} is empty")
    if label.dtype.kind == "b":
        label = label.view(np.uint8)
    if label.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has dtype {label.dtype}, but ids are whole numbers; a probability map is not a segmentation, "
            "and float ids above 2^24 (float32) or 2^53 (float64) are already damaged: convert where they were made"
        )
    if label.dtype.kind == "i" and label.min() < least:
        place = tuple(int(i) for i in np.unravel_index(int(np.argmin(label)), label.shape))
        raise ValueError(f"{name} holds the negative id {label.min()} at (z, y, x) = {place}; ids are 0 or positive")
    return label


def same_shape(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> None:
    """Raise ValueError, naming both, unless the two arrays cover the same voxels (last three axes)."""
    if first.shape[-3:] != second.shape[-3:]:
        raise ValueError(
            f"{names[0]} has shape {first.shape[-3:]} and {names[1]} {second.shape[-3:]} (z, y, x); use one box"
        )
