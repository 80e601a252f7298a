"""Ideal affinities of instance labels: does a voxel belong to the same object as the voxel one step away?"""

import numpy as np

from scripts.ops.affinity_convention import NEAREST, AffinityConvention
from scripts.ops.label_checks import checked_labels


def label_affinities(label: np.ndarray, convention: AffinityConvention = NEAREST) -> np.ndarray:
    """(z, y, x) instance labels to (channels, z, y, x) uint8 affinities, 1 or 0.

    1 where v and v + offset carry the same non-zero label; where v + offset lies outside the volume, 1 where v is
    foreground (Lin et al. 2021).

    Raises:
        ValueError: labels that are not 3-D, not whole numbers, negative or empty.
    """
    label = checked_labels(label)
    foreground = label > 0
    affinities = np.repeat(foreground[None], convention.channels, axis=0)
    for channel, offset in enumerate(convention.offsets):
        here, there = steps(label.shape, offset)
        affinities[channel][here] &= label[here] == label[there]
    return affinities.view(np.uint8)


def affinities_known(known: np.ndarray, convention: AffinityConvention = NEAREST) -> np.ndarray:
    """(z, y, x) bool, where labels are known, to (channels, z, y, x) bool: v and v + offset both are.

    Outside the volume counts as known, as the affinity there is that of v alone.
    """
    decided = np.repeat(known[None], convention.channels, axis=0)
    for channel, offset in enumerate(convention.offsets):
        here, there = steps(known.shape, offset)
        decided[channel][here] &= known[there]
    return decided


def steps(shape: tuple[int, ...], offset: tuple[int, int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all v for which v + offset is inside, and of those v + offset."""
    here = tuple(slice(max(0, -step), max(0, min(size, size - step))) for size, step in zip(shape, offset, strict=True))
    there = tuple(slice(max(0, step), max(0, min(size, size + step))) for size, step in zip(shape, offset, strict=True))
    return here, there
