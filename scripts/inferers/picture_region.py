"""Choose the box that the pictures of a pre-training show."""

import dataclasses
from collections.abc import Sequence

from scripts.data.regions.region import Region
from scripts.ops.box import Box

FIELD = (4, 96, 96)
"""A picture shows at least this many voxels (z, y, x), in as many crops side by side as that takes."""


def picture_region(regions: Sequence[Region], crop: Sequence[int]) -> Region:
    """Return the middle of the first region: whole crops (z, y, x), as many side by side as make up `FIELD` or fit."""
    region = regions[0]
    starts, stops = [], []
    for low, high, size, wanted in zip(region.box.start, region.box.stop, crop, FIELD, strict=True):
        extent = size * min(-(-wanted // size), (high - low) // size)
        starts.append(low + (high - low - extent) // 2)
        stops.append(starts[-1] + extent)
    middle = Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))
    return dataclasses.replace(region, box=middle)
