"""A region at a coarser resolution: image, labels and box in voxels that are blocks of the stored ones."""

import dataclasses
from collections.abc import Sequence

from scripts.data.regions.region import Region
from scripts.data.volumes.downsampled import checked_factors, downsampled_labels, downsampled_volume


def downsampled_region(region: Region, factors: Sequence[int]) -> Region:
    """The region with its image averaged over blocks of voxels, its labels taken from their middle.

    Args:
        region: in voxels as they are stored; without a labelled part.
        factors: stored voxels (z, y, x) that become one; 1, 1, 1 gives the region itself.

    Returns:
        A region whose box has the blocks that lie wholly in the stored box: two boxes that share no voxel stay apart.

    Raises:
        ValueError: factors that cannot be, see `DownsampledVolume`; a box that holds no whole block.
    """
    whole = checked_factors(factors, region.image.shape, region.title)
    image = downsampled_volume(region.image, whole)
    if image is region.image:
        return region
    label = None if region.label is None else downsampled_labels(region.label, whole)
    try:
        box = region.box.coarser(whole)
    except ValueError:
        raise ValueError(
            f"box {region.box} of {region.title} holds no whole block of reduce {list(whole)}; give a larger box, or "
            "smaller factors"
        ) from None
    return dataclasses.replace(region, image=image, label=label, box=box)
