"""Ideal binary and contour maps of instance labels, and the erosion that parts touching instances (Lin et al. 2021)."""

from typing import Any

import numba
import numpy as np

from scripts.ops.box import Window, whole
from scripts.ops.labels.label_checks import checked_labels, labels_as_stored


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


def label_erosion(label: np.ndarray, erosion: int = 1, inner: Window | None = None) -> np.ndarray:
    """Labels with 0 where the in-plane window of 2 * erosion + 1 voxels holds more than one positive id.

    Background does not count as an id, so a lone object keeps its size. Windows end at the border of the section.

    Labels may be -1 where unknown, and stay so. Background stays background whatever is beside it, and two known ids in
    a window clear it; any other voxel with an unknown one in its window is not decided, so -1 too.

    Args:
        label: instances.
        erosion: voxels that a window reaches to each side.
        inner: the requested part; labels around it are read too.

    Raises:
        ValueError: labels that are not labels, or a negative erosion.
    """
    label = labels_as_stored(label, least=-1)
    if erosion < 0:
        raise ValueError(f"erosion {erosion} is negative; 0 changes nothing")
    sections, *axes = inner or whole(label.shape)
    around = tuple(
        slice(max(0, part.start - erosion), min(size, part.stop + erosion))
        for part, size in zip(axes, label.shape[1:], strict=True)
    )
    top, left = (part.start - near.start for part, near in zip(axes, around, strict=True))
    height, width = (part.stop - part.start for part in axes)
    native = label.dtype.newbyteorder("=")
    eroded = np.empty((sections.stop - sections.start, height, width), native)
    for section, found in zip(label[(sections, *around)], eroded, strict=True):  # a section at a time stays in cache
        section = np.ascontiguousarray(section, native)
        partly = native.kind == "i" and bool(section.min() < 0)
        _erode(section, found, top, left, erosion, partly)
    return eroded


@numba.njit(nogil=True, cache=True)
def _erode(section: Any, eroded: Any, top: int, left: int, reach: int, partly: bool) -> None:
    """Fill `eroded`, whose first voxel is (top, left) of `section`, whole rows at a time; `partly` looks for -1."""
    rows, columns = section.shape
    height, width = eroded.shape
    seen = np.empty(width, np.uint8)  # in the window of each voxel: 1 another id, 2 an unknown one, 3 both
    for y in range(height):
        seen[:] = 0
        here = section[top + y, left : left + width]
        for j in range(max(0, top + y - reach), min(rows, top + y + reach + 1)):
            for step in range(-reach, reach + 1):
                first, last = max(0, -left - step), min(width, columns - left - step)
                own, found = here[first:last], seen[first:last]
                there = section[j, left + step + first : left + step + last]
                if partly:
                    for x in range(last - first):
                        found[x] |= ((there[x] > 0) & (there[x] != own[x])) | ((there[x] < 0) << 1)
                else:
                    for x in range(last - first):
                        found[x] |= (there[x] != 0) & (there[x] != own[x])
        for x in range(width):
            eroded[y, x] = here[x]
            if here[x] > 0 and seen[x]:
                eroded[y, x] = 0 if seen[x] & 1 else -1


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
