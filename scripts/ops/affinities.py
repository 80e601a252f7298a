"""Ideal affinities of instance labels: does a voxel belong to the same object as the voxel one step away?"""

import numpy as np

from scripts.ops.affinity_convention import NEAREST, AffinityConvention
from scripts.ops.label_checks import checked_labels


def label_affinities(
    label: np.ndarray, convention: AffinityConvention = NEAREST, inner: tuple[slice, slice, slice] | None = None
) -> np.ndarray:
    """(z, y, x) instance labels to (channels, z, y, x) uint8 affinities, 1 or 0.

    1 where v and v + offset carry the same non-zero label; where v + offset lies outside the volume, 1 where v is
    foreground (Lin et al. 2021).

    Args:
        label: instances.
        convention: what the channels mean.
        inner: the window that is asked for; labels around it are looked at all the same.

    Raises:
        ValueError: labels that are not 3-D, not whole numbers, negative or empty.
    """
    label = checked_labels(label)
    inner = inner or (slice(0, label.shape[0]), slice(0, label.shape[1]), slice(0, label.shape[2]))
    first, own = [part.start for part in inner], label[inner]
    affinities = np.repeat((own > 0)[None], convention.channels, axis=0)
    for channel, offset in enumerate(convention.offsets):
        here, _ = steps(label.shape, offset)
        both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(here, inner, strict=True))
        if all(part.start < part.stop for part in both):
            near = tuple(slice(part.start - a, part.stop - a) for part, a in zip(both, first, strict=True))
            far = tuple(slice(part.start + a, part.stop + a) for part, a in zip(both, offset, strict=True))
            affinities[channel][near] &= own[near] == label[far]
    return affinities.view(np.uint8)


def affinities_known(
    known: np.ndarray, convention: AffinityConvention = NEAREST, inner: tuple[slice, slice, slice] | None = None
) -> np.ndarray:
    """(z, y, x) bool, where labels are known, to (channels, z, y, x) bool: v and v + offset both are.

    Outside the volume counts as known, as the affinity there is that of v alone. `inner` is as for the affinities.
    """
    if known.all():
        shape = known.shape if inner is None else [part.stop - part.start for part in inner]
        return np.ones((convention.channels, *shape), dtype=bool)
    return label_affinities(known.view(np.uint8), convention, inner).view(bool)


def steps(shape: tuple[int, ...], offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all v for which v + offset is inside, and of those v + offset."""
    here = tuple(slice(max(0, -step), max(0, min(size, size - step))) for size, step in zip(shape, offset, strict=True))
    there = tuple(slice(max(0, step), max(0, min(size, size + step))) for size, step in zip(shape, offset, strict=True))
    return here, there
