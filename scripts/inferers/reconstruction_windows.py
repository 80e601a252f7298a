"""Cut a box of a volume into windows of the network's size, side by side, the last ones padded by reflection."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from scripts.data.regions.open_regions import open_regions
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey
from scripts.data.sampling.crops import sample_stream
from scripts.data.sampling.sample_chain import SampleChain
from scripts.data.volumes.downsampled import AS_STORED


def reconstruction_region(
    volume: str | os.PathLike[str],
    box: str | None,
    grey_low: float | None = None,
    grey_high: float | None = None,
    reduce: Sequence[int] = AS_STORED,
) -> Region:
    """Return the box of a volume to reconstruct: the one given, else the volume's validation part.

    Args:
        volume: a path, a data manifest or `synthetic`, as in `scripts.data.open_regions`; of several volumes the first.
        box: `z0:z1,y0:y1,x0:x1` in voxels, or null.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        reduce: stored voxels (z, y, x) that are averaged into one; the box counts the larger voxels.

    Raises:
        ValueError: no such box, no grey range, or impossible factors.
    """
    region = dataclasses.replace(open_regions(volume, "validation", box, section_depth=1, reduce=reduce)[0], label=None)
    check_grey([region], grey_low, grey_high)
    return region


class BoxWindows(Dataset[dict[str, Any]]):
    """Windows that cover a box without overlap, z slowest; what a transform draws for window i depends on (seed, i)
    alone.

    An item has "image" (1, z, y, x), mirrored beyond the end of the box, "corner" (3,) int64 and "inside" (3,) int64:
    the window's first voxel in the box, and how many of its voxels along each axis belong to the box.

    Args:
        region: the box and its volume.
        window: voxels (z, y, x).
        transform: of each item.
        seed: of the masks.
    """

    def __init__(
        self,
        region: Region,
        window: Sequence[int],
        transform: Callable[[dict[str, Any]], Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.volume, self.box = region.image, region.box
        self.window = np.array([int(size) for size in window])
        self.counts = tuple(int(n) for n in -(-np.array(self.box.shape) // self.window))
        self.chain, self.seed = SampleChain(transform), seed

    def __len__(self) -> int:
        return int(np.prod(self.counts))

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        corner = np.array(np.unravel_index(index, self.counts)) * self.window
        inside = np.minimum(self.window, np.array(self.box.shape) - corner)
        first = np.array(self.box.start) + corner
        crop = self.volume[tuple(slice(int(a), int(a + n)) for a, n in zip(first, inside, strict=True))]
        padding = [(0, int(size - n)) for size, n in zip(self.window, inside, strict=True)]
        item = {
            "image": np.pad(crop, padding, mode="reflect")[None],
            "corner": corner.astype(np.int64),
            "inside": inside.astype(np.int64),
        }
        return self.chain(item, sample_stream(self.seed, index))
