"""What a split of regions must have before training begins: weights for all or none, a grey range, room for a crop."""

from collections.abc import Sequence

import numpy as np

from scripts.data.regions.region import Region
from scripts.ops.box import AXES


def check_weights(regions: Sequence[Region]) -> None:
    """Raise ValueError, naming two of them, where some regions have a weight and others none."""
    weighted = [region for region in regions if region.weight is not None]
    if weighted and len(weighted) < len(regions):
        bare = next(region.title for region in regions if region.weight is None)
        raise ValueError(f"{weighted[0].title} has a weight, {bare} has none; give a weight to every volume or to none")


def check_grey(regions: Sequence[Region], low: float | None, high: float | None) -> None:
    """Refuse volumes whose grey values have no declared range, before training.

    Raises:
        ValueError: a volume that is not uint8, with no range given; or half a range.
    """
    if (low is None) != (high is None):
        raise ValueError(
            f"grey_low {low}, grey_high {high}: give both, the values that are black and white, or neither"
        )
    for region in regions:
        if low is None and np.dtype(region.image.dtype) != np.uint8:
            white = 65535 if np.dtype(region.image.dtype) == np.uint16 else 1
            raise ValueError(
                f"{region.image.path} has {region.image.dtype} grey values: name black and white, for example "
                f"--grey_low 0 --grey_high {white}"
            )


def check_regions(regions: Sequence[Region], size: Sequence[int]) -> None:
    """Make sure that a crop of `size` (z, y, x) voxels fits every region.

    Raises:
        ValueError: no regions, or one that is smaller along some axis; names volume, box, axis and both sizes.
    """
    if not regions:
        raise ValueError("there is no region to take crops from")
    asked = " x ".join(f"{edge:g}" for edge in size)
    for region in regions:
        for axis, want, have in zip(AXES, size, region.box.shape, strict=True):
            if want > have:
                raise ValueError(
                    f"a crop of {asked} voxels does not fit box {region.box} of {region.title} (volume of shape "
                    f"{tuple(region.image.shape)}): {want} voxels along {axis}, the box has {have}; "
                    f"make the crop smaller or the box larger"
                )
