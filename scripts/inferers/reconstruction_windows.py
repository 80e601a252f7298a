"""Cut a box of a volume into windows of the network's size, side by side, the last ones padded by reflection."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from scripts.data.regions.region import Region
from scripts.data.sampling.crops import sample_stream
from scripts.data.sampling.sample_chain import SampleChain


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

    Example:
        >>> from scripts.data.regions.region import Region
        >>> from scripts.data.volumes import ArrayVolume
        >>> from scripts.ops.box import Box
        >>> region = Region(ArrayVolume(np.zeros((4, 10, 8), np.uint8)), Box((0, 0, 0), (4, 10, 8)))
        >>> windows = BoxWindows(region, window=(4, 8, 8))
        >>> second = windows[1]  # padded along y
        >>> len(windows), second["image"].shape, second["inside"].tolist()
        (2, (1, 4, 8, 8), [4, 2, 8])
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
