"""How much larger than the crop an item must be read, so that a list of augmentations finds true voxels everywhere."""

from collections.abc import Callable, Sequence
from typing import Any

from monai.transforms import Compose

from scripts.ops.box import Size3, three_sizes


def augmentation_margin(augmentations: Sequence[Any] | Compose, crop: Sequence[int]) -> Size3:
    """(z, y, x) voxels to read on each side of a crop.

    Reads the list from its end: each geometric augmentation states how large an item it needs so that what is left is
    what the next one needs. Margins add up, but a rescale multiplies. What is not geometric needs none.

    Args:
        augmentations: in the order they are applied, a list or MONAI's `Compose`; other transforms may be among them.
        crop: (z, y, x) voxels wanted after the last one, with whatever margin the targets need.

    Raises:
        ValueError: a crop that is not three voxel counts.
    """
    extent = three_sizes(crop, "crop")
    for step in reversed(Compose(augmentations).flatten().transforms):
        before: Callable[[Size3], Size3] | None = getattr(step, "extent_before", None)
        extent = extent if before is None else before(extent)
    z, y, x = (-(-(size - wanted) // 2) for size, wanted in zip(extent, crop, strict=True))
    return z, y, x
