"""How much larger than the crop an item must be read, so that a list of augmentations finds true voxels everywhere."""

from collections.abc import Callable, Sequence
from typing import Any

from monai.transforms import Compose

from scripts.transforms.augment.augmentation import Extent


def augmentation_margin(augmentations: Sequence[Any] | Compose, crop: Sequence[int]) -> Extent:
    """(z, y, x) voxels to read on each side of a crop.

    Goes through the list from its end: each geometric augmentation says how large an item it needs to leave what the
    next one needs. Margins add up, but a rescale multiplies. What is not geometric needs none.

    Args:
        augmentations: in the order they are applied, a list or MONAI's `Compose`; other transforms may be among them.
        crop: (z, y, x) voxels wanted after the last one, with whatever margin the targets need.

    Raises:
        ValueError: a crop that is not three voxel counts.
    """
    if len(crop) != 3 or any(int(size) != size or size < 1 for size in crop):
        raise ValueError(f"crop {tuple(crop)} must be three whole voxel counts of at least 1: z, y, x")
    extent: Extent = (int(crop[0]), int(crop[1]), int(crop[2]))
    for step in reversed(Compose(augmentations).flatten().transforms):
        before: Callable[[Extent], Extent] | None = getattr(step, "extent_before", None)
        extent = extent if before is None else before(extent)
    z, y, x = (-(-(size - wanted) // 2) for size, wanted in zip(extent, crop, strict=True))
    return z, y, x
