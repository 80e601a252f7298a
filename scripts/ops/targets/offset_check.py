"""Whether affinities contradict their offsets: four edges around a square never have exactly one that is cut."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scripts.ops.targets.affinity_convention import AffinityConvention

SAMPLE = (16, 192, 192)
"""Voxels (z, y, x) in the middle of the volume that are checked."""
CLEARLY = 0.9
"""Other offsets are reported where their inconsistency is below this share of that of the stated ones.

Maps of the shipped network gave 1.30 and more with the right offsets stated, at most 0.77 with wrong ones (AC4, FIB-25,
gala); noised affinities of labels 1.04 and more, at most 0.89 (AC4, FIB-25). Of sparse mitochondria (CDeep3M) the
right ones gave 0.995 and more, and some wrong ones 1: these go unnoticed. Labels of gala, FIB-25 and pinky40 with
white, smooth, flipped or blurred noise gave 0.996 and more with the right ones, at any strength; wrong ones go
unnoticed where the noise is about as large as the difference between cut and whole edges.
"""

Steps = tuple[tuple[int, int, int], ...]


def better_offsets(affinities: np.ndarray, convention: AffinityConvention) -> Steps | None:
    """Nearest-neighbour offsets that fit the affinities clearly better than those of the convention; None if there are
    none.

    If three of the edges v - v+a, v - v+b, v+a - v+a+b and v+b - v+a+b join their voxels, so does the fourth. How much
    a cut edge misses by is summed over the squares of all three planes, under the stated offsets, with each channel
    stored at the other end of its edge, and with the order of the channels reversed.

    Args:
        affinities: (channels, z, y, x), floats or uint8.
        convention: with a nearest-neighbour channel for each axis, else nothing is checked.
    """
    channels = _nearest_channels(convention)
    if channels is None or min(affinities.shape[1:]) < 4:
        return None
    sizes = zip(affinities.shape[1:], SAMPLE, strict=True)
    middle = [slice(max(0, (extent - size) // 2), (extent + size) // 2) for extent, size in sizes]
    sample = np.stack([affinities[channel][tuple(middle)] for channel in channels]).astype(np.float32)
    stated: Steps = tuple(convention.offsets[channel] for channel in channels)
    found = {offsets: _inconsistency(sample, offsets) for offsets in _candidates(stated)}
    best = min(found, key=lambda offsets: found[offsets])
    return best if found[best] < CLEARLY * found[stated] else None


def _nearest_channels(convention: AffinityConvention) -> list[int] | None:
    """The first channel of a step of one voxel for each axis, in the order of the channels."""
    channels: dict[tuple[int, ...], int] = {}
    for channel, offset in enumerate(convention.offsets):
        if sum(map(abs, offset)) == 1:
            channels.setdefault(tuple(map(abs, offset)), channel)
    return sorted(channels.values()) if len(channels) == 3 else None


def _candidates(stated: Steps) -> list[Steps]:
    """Each sign of each channel, in the stated order and in the reversed one; the stated offsets first."""
    signs = list(product((1, -1), repeat=3))
    return [
        tuple((sign * z, sign * y, sign * x) for sign, (z, y, x) in zip(turned, order, strict=True))
        for order in (stated, stated[::-1])
        for turned in signs
    ]


def _inconsistency(sample: NDArray[np.float32], offsets: Sequence[tuple[int, int, int]]) -> float:
    """Mean over all squares of what the weakest of four edges lacks to the second weakest."""
    forward = [np.empty(0, np.float32)] * 3
    for edges, offset in zip(sample, offsets, strict=True):
        axis = next(axis for axis, step in enumerate(offset) if step)
        # Edges of v and v + 1 stored at v: one section, row or column is lost at the end, for both directions alike.
        forward[axis] = edges if offset[axis] > 0 else np.roll(edges, -1, axis)
    total, squares = 0.0, 0
    for a, b in ((0, 1), (0, 2), (1, 2)):
        inner = tuple(slice(1, -2) for _ in range(3))
        pairs = [(forward[first], np.roll(forward[first], -1, other)) for first, other in ((a, b), (b, a))]
        low, high = zip(*[(np.minimum(*pair)[inner], np.maximum(*pair)[inner]) for pair in pairs], strict=True)
        weakest, second = np.minimum(*low), np.minimum(np.maximum(*low), np.minimum(*high))
        total += float((second - weakest).sum(dtype=np.float64))
        squares += weakest.size
    return total / max(1, squares)
