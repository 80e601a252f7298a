"""Ideal binary and contour maps of instance labels, and the erosion that parts touching instances (Lin et al. 2021)."""

import numpy as np
from scipy.ndimage import maximum_filter

from scripts.ops.label_checks import checked_labels


def label_binary(label: np.ndarray) -> np.ndarray:
    """(z, y, x) labels to (z, y, x) uint8, 1 where an object is."""
    return (checked_labels(label) > 0).view(np.uint8)


def label_contour(label: np.ndarray, thickness: int = 1) -> np.ndarray:
    """(z, y, x) labels to (z, y, x) uint8, 1 on the contours of each section, those to the background too.

    The in-plane central difference label[i + 1] - label[i - 1] (the border voxel repeated outside) is non-zero in y or
    x, dilated by a square of 2 * thickness + 1 voxels: a band of 4 voxels for thickness 1, 2 for thickness 0.

    Raises:
        ValueError: labels that are not labels, or a negative thickness.
    """
    label = checked_labels(label)
    if thickness < 0:
        raise ValueError(f"thickness {thickness} is negative; 0 gives a band of 2 voxels, 1 of 4")
    padded = np.pad(label, ((0, 0), (1, 1), (1, 1)), mode="edge")
    contour = padded[:, 2:, 1:-1] != padded[:, :-2, 1:-1]
    contour |= padded[:, 1:-1, 2:] != padded[:, 1:-1, :-2]
    width = 2 * thickness + 1
    return maximum_filter(contour.view(np.uint8), size=(1, width, width), mode="constant")


def label_erosion(label: np.ndarray, erosion: int = 1) -> np.ndarray:
    """Labels with 0 where the in-plane window of 2 * erosion + 1 voxels holds more than one positive id.

    Background does not count as an id, so a lone object keeps its size. Windows end at the border of the section.

    Raises:
        ValueError: labels that are not labels, or a negative erosion.
    """
    label = checked_labels(label)
    if erosion < 0:
        raise ValueError(f"erosion {erosion} is negative; 0 changes nothing")
    nothing = np.iinfo(label.dtype).max
    largest = _windowed(np.maximum, label, erosion)
    smallest = _windowed(np.minimum, np.where(label > 0, label, nothing), erosion)
    return np.where(largest == smallest, label, 0).astype(label.dtype)


def _windowed(extreme: np.ufunc, label: np.ndarray, reach: int) -> np.ndarray:
    """Largest or smallest id of the in-plane window, in whole numbers; the filters of scipy go through float64."""
    for axis in (1, 2):
        size = label.shape[axis]
        found = label.copy()
        for step in range(1, min(reach, size - 1) + 1):
            here = (slice(None),) * axis + (slice(None, size - step),)
            ahead = (slice(None),) * axis + (slice(step, None),)
            found[here] = extreme(found[here], label[ahead])
            found[ahead] = extreme(found[ahead], label[here])
        label = found
    return label
