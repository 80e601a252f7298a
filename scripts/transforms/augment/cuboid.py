"""A random cuboid inside an item, for what happens to a part of it."""

import numpy as np

from scripts.ops.box import Size3

Cuboid = tuple[slice, slice, slice]


def draw_cuboid(stream: np.random.RandomState, extent: Size3, share: float) -> Cuboid:
    """Slices (z, y, x) of a cuboid with `share` of each side, rounded down, at least a voxel; each place as likely."""
    lengths = [max(1, int(share * size)) for size in extent]
    starts = [int(stream.randint(size - length + 1)) for size, length in zip(extent, lengths, strict=True)]
    z, y, x = (slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
    return z, y, x
