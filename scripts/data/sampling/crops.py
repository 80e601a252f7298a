"""Random crops of volumes, in which sample i depends on the seed and on i alone.

The stream of sample i is numpy's counter-based generator Philox with the key (seed, i). From it come, in this order,
the region, the corner of each try, and whatever the random transforms of the chain draw, one after the other. Nothing
is carried from sample to sample, so workers, processes and resumed runs agree without communication.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from scripts.data.regions.chunk_memory import chunk_budget_mib
from scripts.data.regions.open_regions import region_shares
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_regions
from scripts.data.sampling.nonfinite_crops import NonFinite
from scripts.data.sampling.rejection import RejectionRule
from scripts.data.sampling.sample_chain import SampleChain
from scripts.data.volumes.chunk_cache import process_cache
from scripts.ops.box import Box, Size3, three_sizes
from scripts.ops.nonfinite import REFUSE, SKIP, NonFiniteError, checked_choice

MASK_TRIES = 20_000
"""Centres drawn for one sample until one is not masked: enough where 1 voxel in 1000 counts."""
TRIES = 1000
"""Corners drawn for one sample before its region is given up: enough where 3 % of the positions pass the rules."""


def sample_stream(seed: int, index: int) -> np.random.RandomState:
    """The generator of sample `index`, in the form MONAI's transforms draw from."""
    return np.random.RandomState(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))


class CropDataset(Dataset[dict[str, Any]]):
    """Crops at random places of one or more regions; item i is a pure function of (seed, i).

    A region is drawn in proportion to its voxels, or to its weight where weights are given, then a corner, each
    position inside the region's box as likely; where only a part of the box is labelled, each of those whose centre
    is in that part, or as near to it as the box allows. Where a region has a mask, a centre is drawn until the mask is
    not 0 there. Only the crop's own voxels are read. Where a rule rejects the
    crop another corner of the same region is drawn, up to `TRIES` times, so that regions keep their shares.

    Decoded chunks of compressed volumes are kept in a share of the memory that is free when the dataset is made, which
    loader workers divide (`chunk_budget_mib`).

    An item has "image" (1, z, y, x) in the volume's dtype, "label" likewise where the regions have labels, "index" i,
    "region" k and "corner" (3,) int64, the first voxel in the volume; where the regions have masks and no labels,
    "unmasked", bool like "image", True in the voxels that count; then the transform is applied to it.

    Args:
        regions: where crops are read.
        size: extent of a crop, (z, y, x) voxels.
        seed: 0 to 2**64 - 1.
        length: number of samples; None for no end.
        transform: a callable on the item. MONAI's random transforms are set to the sample's stream first.
        reject: rules that reject a crop, see `scripts.data.sampling.rejection`.
        nonfinite: "skip" rejects a crop with NaN or infinite values too, and the item has "skipped", the crops rejected
            for it; else such crops are left to the transform.
        read: False leaves out "image" and "unmasked" and names them in "deferred" while the transform runs; all random
            draws are the same. See `DeviceBatches`.

    Raises:
        ValueError: no region, a crop larger than a region's box, weights for some regions only, labels for some regions
            only.

    Example::

        crops = CropDataset(open_regions("synthetic", "training"), (6, 96, 96), seed=0)
        crops[0]["image"]  # (1, 6, 96, 96)
    """

    def __init__(
        self,
        regions: Sequence[Region],
        size: Sequence[int] = (6, 96, 96),
        seed: int = 0,
        length: int | None = None,
        transform: Callable[[dict[str, Any]], Any] | None = None,
        reject: RejectionRule | Sequence[RejectionRule] | None = None,
        read: bool = True,
        nonfinite: str = REFUSE,
    ) -> None:
        self.regions = tuple(regions)
        self.size = three_sizes(size, "crop size")
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0 to 2**64 - 1")
        check_regions(self.regions, self.size)
        _check_alike(self.regions)
        self.seed, self.length, self.read = int(seed), length, read
        self.chain = SampleChain(transform)
        self.rules: tuple[RejectionRule, ...] = (reject,) if callable(reject) else tuple(reject or ())
        self.skip_nonfinite = checked_choice(nonfinite) == SKIP
        if self.skip_nonfinite:
            self.rules = (NonFinite(), *self.rules)
        self.cache_mib = chunk_budget_mib()
        self._bounds = np.cumsum(region_shares(self.regions))
        self._starts, self._positions = _positions(self.regions, self.size)

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("these crops have no end; give CropDataset a length to iterate or to index all of them")
        return self.length

    def __getitem__(self, index: int) -> Any:
        """Sample `index`.

        Raises:
            IndexError: negative, or not below the length.
            ValueError: every try was rejected, or the transform raised an error; names the volume and the place.
        """
        index = int(index)
        if index < 0 or (self.length is not None and index >= self.length):
            raise IndexError(f"sample {index} of {self.length if self.length is not None else 'endless'} crops")
        process_cache(self.cache_mib)
        stream = sample_stream(self.seed, index)
        k, corner, crop, skipped = self._draw(stream, index)
        item: dict[str, Any] = {"index": index, "region": k, "corner": corner}
        if self.skip_nonfinite:
            item["skipped"] = skipped
        if self.read:
            item["image"] = (self._read(k, corner) if crop is None else crop)[None]
            label = self.regions[k].label
            mask = self.regions[k].mask
            if label is not None:
                item["label"] = label[self._box(corner).slices][None]
            elif mask is not None:
                item["unmasked"] = mask[self._box(corner).slices][None]
        else:
            voxels = ("image",) if self.regions[k].mask is None else ("image", "unmasked")
            item["deferred"] = dict.fromkeys(voxels, (1, *self.size))
        try:
            item = self.chain(item, stream)
        except ValueError as error:
            another = "; --nonfinite skip draws another crop" if isinstance(error, NonFiniteError) else ""
            raise ValueError(f"sample {index}, {self.place(k, corner)}: {error}{another}") from error
        if not self.read:
            del item["deferred"]
        return item

    def unread(self) -> "CropDataset":
        """The same samples without their voxels (`read=False`)."""
        plans = copy.copy(self)
        plans.read = False
        return plans

    def place(self, region: int, corner: Sequence[int] | np.ndarray) -> str:
        """Where a crop is, for messages: `REGION at z0:z1,y0:y1,x0:x1`."""
        return f"{self.regions[region].title} at {self._box(corner)}"

    def _draw(self, stream: np.random.RandomState, index: int) -> tuple[int, np.ndarray, np.ndarray | None, int]:
        """Region, corner, the crop where a rule read it, and the crops rejected for values that are not finite."""
        skipped = 0
        k = int(np.searchsorted(self._bounds, stream.random_sample() * self._bounds[-1], side="right"))
        for _ in range(TRIES):
            corner = self._corner(stream, k)
            if not self.rules:
                return k, corner, None, 0
            crop = self._read(k, corner)
            rejected_by = next((rule for rule in self.rules if rule(crop)), None)
            if rejected_by is None:
                return k, corner, crop, skipped
            skipped += isinstance(rejected_by, NonFinite)
        region = self.regions[k]
        raise ValueError(
            f"{rejected_by} rejected {TRIES} crops in a row of region {region.title} (box {region.box} of "
            f"'{region.image.path}') for sample {index}; choose a box with tissue, or relax the rule"
        )

    def _corner(self, stream: np.random.RandomState, k: int) -> np.ndarray:
        region = self.regions[k]
        if region.mask is None:
            return self._starts[k] + (stream.random_sample(3) * self._positions[k]).astype(np.int64)
        first, extent = np.array(region.sampling_box.start), np.array(region.sampling_box.shape)
        for _ in range(MASK_TRIES):
            centre = first + (stream.random_sample(3) * extent).astype(np.int64)
            if region.mask[tuple(map(int, centre))]:
                lowest, highest = np.array(region.box.start), np.array(region.box.stop) - self.size
                return np.clip(centre - np.array(self.size) // 2, lowest, highest)
        raise ValueError(
            f"mask {region.mask.path} was 0 at {MASK_TRIES} places in a row of {region.sampling_box} of "
            f"{region.title}; choose a smaller box around what was imaged"
        )

    def _read(self, k: int, corner: np.ndarray) -> np.ndarray:
        return self.regions[k].image[self._box(corner).slices]

    def _box(self, corner: Sequence[int] | np.ndarray) -> Box:
        z, y, x = map(int, corner)
        return Box((z, y, x), (z + self.size[0], y + self.size[1], x + self.size[2]))


def _positions(regions: Sequence[Region], size: Size3) -> tuple[np.ndarray, np.ndarray]:
    """First corner and number of corners along each axis, (regions, 3): centres in the sampling box."""
    first = np.array([region.box.start for region in regions], dtype=np.int64)
    last = np.array([region.box.stop for region in regions], dtype=np.int64) - size
    before = np.array(size) // 2
    low = np.array([region.sampling_box.start for region in regions], dtype=np.int64) - before
    high = np.array([region.sampling_box.stop for region in regions], dtype=np.int64) - 1 - before
    return np.clip(low, first, last), np.clip(high, first, last) - np.clip(low, first, last) + 1


def _check_alike(regions: Sequence[Region]) -> None:
    labelled = [region.label is not None for region in regions]
    if any(labelled) and not all(labelled):
        bare = regions[labelled.index(False)].title
        raise ValueError(f"{bare} has no labels, other regions have; give labels for all regions or for none")
    if len({region.mask is None for region in regions}) > 1:
        raise ValueError("some regions have a mask and others none; give one to each or to none")
    weighted = [region.weight is not None for region in regions]
    if any(weighted) and not all(weighted):
        raise ValueError(f"{sum(weighted)} of {len(regions)} regions have a weight; give one to each or to none")
