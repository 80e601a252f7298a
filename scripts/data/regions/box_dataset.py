"""Complete boxes with their labels, one item a region, for validation and evaluation."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from scripts.data.regions.region import Region

MOST_VOXELS = 2 * 10**9
"""Largest box that is kept in memory with its labels and its predictions."""


class BoxDataset(Dataset[dict[str, Any]]):
    """The complete boxes of regions: {"image" (1, z, y, x), "label" (1, z, y, x), "name"}, then the transform.

    The image has the volume's dtype; the labels, where there are any, are int32 if the ids allow, else int64, and -1
    where unknown. Where a region has a mask, "unmasked" (1, z, y, x) bool is True in the voxels that count.

    Args:
        regions: one item each; none, where a process of several has no share.
        transform: a callable on the item.
        most_voxels: boxes larger than this are refused.

    Raises:
        ValueError: a box too large to keep in memory.

    Example:
        >>> item = BoxDataset(open_regions("synthetic", "validation"))[0]
        >>> item["image"].shape == item["label"].shape
        True
    """

    def __init__(
        self,
        regions: Sequence[Region],
        transform: Callable[[dict[str, Any]], Any] | None = None,
        most_voxels: int = MOST_VOXELS,
    ) -> None:
        self.regions, self.transform = tuple(regions), transform
        for region in self.regions:
            if region.box.voxels > most_voxels:
                raise ValueError(
                    f"box {region.box} of {region.title} has {region.box.voxels:,} voxels, more than the "
                    f"{most_voxels:,} that are kept in memory; give a smaller validation box, or predict it with "
                    "inference.json, which reads a volume of any size in slabs"
                )

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, index: int) -> Any:
        """Box `index`, read anew at each call.

        Raises:
            IndexError: negative, or not below the number of regions.
        """
        index = int(index)
        if not 0 <= index < len(self.regions):
            raise IndexError(f"box {index} of {len(self.regions)}")
        region = self.regions[index]
        item: dict[str, Any] = {"image": region.image[region.box.slices][None]}
        if region.label is not None:
            item["label"] = _narrow(region.label[region.box.slices])[None]
        if region.mask is not None:
            item["unmasked"] = region.mask[region.box.slices][None]
        item["name"] = f"{region.title} {region.box}"
        return item if self.transform is None else self.transform(item)


def _narrow(labels: np.ndarray) -> np.ndarray:
    fits = labels.dtype.itemsize <= 4 or max(labels.max(), -int(labels.min())) <= np.iinfo(np.int32).max
    return labels.astype(np.int32 if fits else np.int64, copy=False)
