"""Ideal binary and contour maps of instance labels, and the erosion that parts touching instances (Lin et al. 2021)."""

from typing import Any

import numba
import numpy as np

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
    return _windowed(np.maximum, contour.view(np.uint8), thickness)


def contour_known(known: np.ndarray, thickness: int = 1) -> np.ndarray:
    """(z, y, x) bool, where labels are known, to where `label_contour` is: no label that it looks at is unknown.

    Those are the differences' cross dilated by the square: a square of 2 * thickness + 3 voxels without its corners.
    """
    if known.all():
        return known
    unknown = ~known
    touched = unknown.copy()
    for axis in (1, 2):
        here, ahead = _shifted(axis, unknown.shape[axis], 1)
        touched[here] |= unknown[ahead]
        touched[ahead] |= unknown[here]
    return ~_windowed(np.maximum, touched, thickness)


def label_erosion(label: np.ndarray, erosion: int = 1) -> np.ndarray:
    """Labels with 0 where the in-plane window of 2 * erosion + 1 voxels holds more than one positive id.

    Background does not count as an id, so a lone object keeps its size. Windows end at the border of the section.

    Raises:
        ValueError: labels that are not labels, or a negative erosion.
    """
    label = checked_labels(label)
    if erosion < 0:
        raise ValueError(f"erosion {erosion} is negative; 0 changes nothing")
    eroded = label.copy()
    if erosion:
        _clear_crowded(label, eroded, erosion)
    return eroded


def erosion_known(eroded: np.ndarray, known: np.ndarray, erosion: int = 1) -> np.ndarray:
    """Where `label_erosion` of labels that are partly unknown is decided: (z, y, x) bool.

    A background voxel stays background whatever is beside it, and two known ids in a window clear it; any other voxel
    needs its whole window.

    Args:
        eroded: `label_erosion` of the labels with 0 where unknown.
        known: bool of the same shape.
        erosion: that of `label_erosion`.
    """
    whole = ~_windowed(np.maximum, ~known, erosion)
    return known & (whole | (eroded == 0))


@numba.njit(nogil=True, cache=True)
def _clear_crowded(label: Any, eroded: Any, reach: int) -> None:
    """Set to 0 in `eroded` what has another positive id than its own in its window; whole rows at a time."""
    sections, rows, columns = label.shape
    crowded = np.empty(columns, np.uint8)
    for z in range(sections):
        for y in range(rows):
            crowded[:] = 0
            for j in range(max(0, y - reach), min(rows, y + reach + 1)):
                for step in range(-min(reach, columns - 1), min(reach, columns - 1) + 1):
                    first, length = max(0, -step), columns - abs(step)
                    here = label[z, y, first : first + length]
                    there = label[z, j, first + step : first + step + length]
                    found = crowded[first : first + length]
                    for x in range(length):
                        found[x] |= (there[x] != 0) & (there[x] != here[x])
            for x in range(columns):
                if crowded[x]:
                    eroded[z, y, x] = 0


def _windowed(extreme: np.ufunc, label: np.ndarray, reach: int) -> np.ndarray:
    """Largest or smallest value of the in-plane window; windows end at the border of the section."""
    for axis in (1, 2):
        found = label.copy()
        for step in range(1, min(reach, label.shape[axis] - 1) + 1):
            here, ahead = _shifted(axis, label.shape[axis], step)
            found[here] = extreme(found[here], label[ahead])
            found[ahead] = extreme(found[ahead], label[here])
        label = found
    return label


def _shifted(axis: int, size: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all voxels with one `step` ahead along the axis, and of those ahead."""
    before = (slice(None),) * axis
    return (*before, slice(None, size - step)), (*before, slice(step, None))
