"""How large to read a crop so that augmentations find true voxels around it, inside the box that may be read."""

from collections.abc import Sequence

from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_regions
from scripts.ops.box import Size3, three_sizes

UNSEEN = (0.125, 0.25, 0.25)
"""Largest share of a labelled extent (z, y, x) that margins may keep out of the crops' centres: sections are few."""


def read_size(regions: Sequence[Region], crop: Sequence[int], margin: Sequence[int]) -> Size3:
    """Voxels (z, y, x) to read for a crop with a margin around it: `crop + 2 * margin`, or less in thin regions.

    Crops are read wholly inside a region's box, so a margin keeps the labels near the border of the box out of the
    crops' centres, unless the box extends beyond the labels. The margin is cut where it does not fit the box, or where
    more than `UNSEEN` of the labelled extent would never be in a centre. What is cut is the same on both sides: the
    crop is always the exact middle, `start = (read - crop) // 2`.

    Args:
        regions: where crops are read; one size serves them all.
        crop: voxels (z, y, x) that the network sees.
        margin: voxels (z, y, x) wanted on each side.

    Raises:
        ValueError: a crop that does not fit a region, a negative margin.
    """
    margin = three_sizes(margin, "margin", 0)
    check_regions(regions, crop)
    z, y, x = (
        crop[axis] + 2 * min(_largest(region, crop[axis], margin[axis], axis) for region in regions)
        for axis in range(3)
    )
    return z, y, x


def _largest(region: Region, crop: int, margin: int, axis: int) -> int:
    room = min(margin, (region.box.shape[axis] - crop) // 2)
    before = region.sampling_box.start[axis] - region.box.start[axis]
    after = region.box.stop[axis] - region.sampling_box.stop[axis]
    allowed = UNSEEN[axis] * region.sampling_box.shape[axis]
    return max(m for m in range(room + 1) if max(0, m - before) + max(0, m - after) <= allowed)
