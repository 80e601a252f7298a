"""Ideal affinities of instance labels: does a voxel belong to the same object as the voxel one step away?"""

import numpy as np

from scripts.ops.box import Window, whole
from scripts.ops.labels.label_checks import checked_labels, labels_as_stored
from scripts.ops.targets.affinity_convention import NEAREST, AffinityConvention


def label_affinities(
    label: np.ndarray, convention: AffinityConvention = NEAREST, inner: Window | None = None
) -> np.ndarray:
    """(z, y, x) instance labels to (channels, z, y, x) uint8 affinities, 1 or 0.

    1 where v and v + offset carry the same non-zero label; where v + offset is outside the volume, 1 where v is
    foreground (Lin et al. 2021).

    Args:
        label: instances.
        convention: what the channels mean.
        inner: the requested window; labels around it are read too.

    Raises:
        ValueError: labels that are not 3-D, not whole numbers, negative or empty.
    """
    return _affinities(checked_labels(label), convention, inner, np.uint8)


def affinity_maps(
    label: np.ndarray, convention: AffinityConvention = NEAREST, inner: Window | None = None
) -> np.ndarray:
    """As `label_affinities`, in float32, of labels that may be -1 where unknown: 0 where v or v + offset is."""
    return _affinities(labels_as_stored(label, least=-1), convention, inner, np.float32)


def affinities_known(
    known: np.ndarray, convention: AffinityConvention = NEAREST, inner: Window | None = None
) -> np.ndarray:
    """(z, y, x) bool, where labels are known, to (channels, z, y, x) bool: v and v + offset both are.

    Outside the volume counts as known, as the affinity there is that of v alone. `inner` is as for the affinities.
    """
    if known.all():
        shape = known.shape if inner is None else [part.stop - part.start for part in inner]
        return np.ones((convention.channels, *shape), dtype=bool)
    return _affinities(known, convention, inner, np.bool_)


def offset_slices(shape: tuple[int, ...], offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all v for which v + offset is inside, and of those v + offset."""
    here = tuple(slice(max(0, -step), max(0, min(size, size - step))) for size, step in zip(shape, offset, strict=True))
    there = tuple(slice(max(0, step), max(0, min(size, size + step))) for size, step in zip(shape, offset, strict=True))
    return here, there


def _affinities(label: np.ndarray, convention: AffinityConvention, inner: Window | None, dtype: type) -> np.ndarray:
    """Channel by channel straight into the array that is wanted: fresh memory costs more than the comparisons."""
    inner = inner or whole(label.shape)
    first, own = [part.start for part in inner], label[inner]
    foreground = own > 0
    same = np.empty_like(foreground)
    affinities = np.empty((convention.channels, *own.shape), dtype)
    for offset, found in zip(convention.offsets, affinities, strict=True):
        here, _ = offset_slices(label.shape, offset)
        both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(here, inner, strict=True))
        np.copyto(same, foreground)
        if all(part.start < part.stop for part in both):
            near = tuple(slice(part.start - a, part.stop - a) for part, a in zip(both, first, strict=True))
            far = tuple(slice(part.start + a, part.stop + a) for part, a in zip(both, offset, strict=True))
            same[near] &= own[near] == label[far]
        np.copyto(found, same)
    return affinities
