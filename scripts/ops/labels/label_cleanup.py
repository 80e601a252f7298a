"""What labs do to a segmentation before they use it: small objects, holes, consecutive ids, a border to crop."""

from collections.abc import Sequence

import numpy as np

from scripts.ops.labels.connected_components import connected_components
from scripts.ops.labels.label_checks import checked_labels


def remove_small_objects(label: np.ndarray, smallest: int) -> np.ndarray:
    """(z, y, x) labels with ids of fewer than `smallest` voxels set to 0; the other ids and the dtype stay.

    Raises:
        ValueError: labels that are not labels, or a negative size.
    """
    label = checked_labels(label)
    if smallest < 0:
        raise ValueError(f"smallest {smallest} is a voxel count, 0 or more")
    ids, dense = _dense(label)
    sizes = np.bincount(dense.reshape(-1), minlength=ids.size)
    result: np.ndarray = np.where(sizes >= smallest, ids, 0).astype(label.dtype)[dense]
    return result


def relabel_consecutive(label: np.ndarray) -> np.ndarray:
    """(z, y, x) labels as 0, 1, 2, ... in the order of the old ids, in the smallest unsigned dtype that holds them.

    Raises:
        ValueError: labels that are not labels.
    """
    ids, dense = _dense(checked_labels(label))
    return dense.astype(np.min_scalar_type(max(ids.size - 1, 1)))


def fill_holes(label: np.ndarray) -> np.ndarray:
    """(z, y, x) labels with every hole given to the object around it.

    A hole is a 6-connected piece of background that touches neither the border of the volume nor two different objects.

    Raises:
        ValueError: labels that are not labels.
    """
    label = checked_labels(label)
    pieces, count = connected_components(label == 0, 6)
    owner, open_ = surrounding_objects(pieces, label, count)
    for axis in range(3):
        for border in (0, -1):
            open_[np.unique(np.take(pieces, border, axis))] = True
    owner[open_] = 0
    return np.where(pieces > 0, owner[pieces], label).astype(label.dtype)


def surrounding_objects(pieces: np.ndarray, label: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For pieces 0, 1, ... of background an object that touches it, 0 for none, and whether several do.

    Args:
        pieces: (z, y, x) ids 1 to count of background, 0 elsewhere.
        label: (z, y, x) labels, 0 in every piece.
        count: largest id.
    """
    owner = np.zeros(count + 1, dtype=label.dtype)
    several = np.zeros(count + 1, dtype=bool)
    for axis in range(3):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        for here, there in ((ahead, behind), (behind, ahead)):
            touches = (pieces[here] > 0) & (label[there] > 0)
            piece, neighbour = pieces[here][touches], label[there][touches]
            # The last writer wins; a piece with two neighbours is then found by comparing all of them with the winner.
            untouched = owner[piece] == 0
            owner[piece[untouched]] = neighbour[untouched]
            several[piece[owner[piece] != neighbour]] = True
    return owner, several


def crop_border(label: np.ndarray, border: Sequence[int]) -> np.ndarray:
    """(z, y, x) labels without `border` = (z, y, x) voxels at both ends of each axis; a fresh array.

    Raises:
        ValueError: labels that are not labels, a negative border, or one that leaves nothing.
    """
    label = checked_labels(label)
    if len(border) != 3 or min(border) < 0 or any(2 * b >= size for b, size in zip(border, label.shape, strict=True)):
        raise ValueError(f"border {tuple(border)} (z, y, x) does not fit a volume of shape {label.shape}")
    return label[tuple(slice(b, size - b) for b, size in zip(border, label.shape, strict=True))].copy()


def _dense(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids, 0 first, and every voxel's position among them."""
    highest = int(label.max())
    if highest <= max(2**16, label.size // 4):
        present = np.zeros(highest + 1, dtype=bool)
        present[label.reshape(-1)] = True
        present[0] = True
        position = np.cumsum(present) - 1
        return np.flatnonzero(present).astype(label.dtype), position[label]
    ids, dense = np.unique(label, return_inverse=True)
    dense = dense.reshape(label.shape)
    return (ids, dense) if ids[0] == 0 else (np.concatenate((np.zeros(1, ids.dtype), ids)), dense + 1)
