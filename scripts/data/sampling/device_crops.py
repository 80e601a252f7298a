"""Batches of crops gathered on the training device from volumes that fit there; the same batches as the loader's."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform

from scripts.data.regions.region import Region
from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import CropDataset
from scripts.data.sampling.loader_batches import check_length, to_device, worker_loader
from scripts.data.sampling.prefetch import prefetched
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box
from scripts.ops.gather import gather_crops

GATHERED = {"image", "unmasked"}
"""What is gathered on the device; the rest of an item is drawn by the workers."""
SECTIONS_AT_ONCE = 16
"""Sections read and sent to the device at a time."""


class DeviceBatches:
    """The batches of a `CropDataset` in the order of a `GlobalBatchSampler`, gathered on the device.

    The voxels of all regions are sent there once, in their own dtype, and those of their masks as bool. Workers then
    only draw (region, corner, symmetry, token mask); a batch of crops is gathered in one indexing operation, and each
    transform that touches the image or its mask does so for the whole batch through its method `on_batch(batch)`. A
    background thread keeps `ahead` batches ready. Takes the arguments of `LoaderBatches` and yields the same batches,
    to the bit.

    Raises:
        ValueError: a transform that works on the image or its mask and has no `on_batch`; labels; volumes of several
            dtypes, or too large for the device; a dataset that ends before the batches do.

    Example::

        batches = DeviceBatches(dataset, GlobalBatchSampler(batch=128, iterations=1000), device="cuda")
    """

    def __init__(
        self,
        dataset: CropDataset,
        batches: GlobalBatchSampler,
        workers: int = 0,
        device: torch.device | str = "cpu",
        ahead: int = 2,
    ) -> None:
        check_length(dataset, batches)
        self.plans, self.batches = dataset.unread(), batches
        self.workers, self.device, self.ahead = workers, torch.device(device), ahead
        self.on_batch = _batch_methods(dataset.chain.steps)
        _check_regions(dataset.regions, self.device)
        self.origins, self.strides = _places(dataset.regions, self.device)
        boxes = [region.box for region in dataset.regions]
        self.voxels = {"image": _uploaded([region.image for region in dataset.regions], boxes, self.device)}
        masks = [region.mask for region in dataset.regions if region.mask is not None]
        if masks:
            self.voxels["unmasked"] = _uploaded(masks, boxes, self.device)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield {"image": (B, 1, z, y, x), ...} with all else the items hold, "kept" where they hold a token mask."""
        plans = iter(worker_loader(self.plans, self.batches, self.workers, self.device))
        return prefetched((self._gathered(plan) for plan in plans), self.ahead, self.device)

    def _gathered(self, plan: dict[str, Any]) -> dict[str, Any]:
        batch = to_device(plan, self.device)
        region, corner = batch["region"], batch["corner"]
        strides = self.strides[region]
        first = self.origins[region] + (corner[:, :2] * strides).sum(1) + corner[:, 2]
        batch |= {key: gather_crops(voxels, first, strides, self.plans.size) for key, voxels in self.voxels.items()}
        for method in self.on_batch:
            batch = method(batch)
        return batch


def _batch_methods(steps: list[Any]) -> list[Any]:
    for step in steps:
        if isinstance(step, MapTransform) and set(step.keys) & GATHERED and not hasattr(step, "on_batch"):
            raise ValueError(
                f"{type(step).__name__} works on the image crop by crop, and the device-resident sampler has no crops; "
                "choose the loader, or give the transform a method on_batch(batch)"
            )
    return [step.on_batch for step in steps if hasattr(step, "on_batch")]


def _check_regions(regions: Sequence[Region], device: torch.device) -> None:
    if any(region.label is not None for region in regions):
        raise ValueError(
            "the device-resident sampler gathers images alone, these regions have labels; choose the loader"
        )
    dtypes = sorted({str(np.dtype(region.image.dtype)) for region in regions})
    if len(dtypes) > 1:
        raise ValueError(f"volumes of several dtypes {dtypes} cannot be in one block on {device}; choose the loader")
    bytes_of = [np.dtype(region.image.dtype).itemsize + (region.mask is not None) for region in regions]
    _check_room(sum(region.box.voxels * each for region, each in zip(regions, bytes_of, strict=True)), device)


def _places(regions: Sequence[Region], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each region, the place of voxel (0, 0, 0) in the block of all voxels, and its z and y strides there."""
    end = 0
    origins, strides = [], []
    for region in regions:
        (z0, y0, x0), (_, y, x) = region.box.start, region.box.shape
        origins.append(end - (z0 * y * x + y0 * x + x0))
        strides.append((y * x, x))
        end += region.box.voxels
    return torch.tensor(origins, device=device), torch.tensor(strides, device=device)


def _uploaded(volumes: Sequence[Volume], boxes: Sequence[Box], device: torch.device) -> torch.Tensor:
    """(N,) the voxels of a box of each volume, one behind the other, of the dtype of the first volume."""
    dtype = torch.from_numpy(np.empty(0, dtype=volumes[0].dtype)).dtype
    voxels = torch.empty(sum(box.voxels for box in boxes), dtype=dtype, device=device)
    end = 0
    for volume, box in zip(volumes, boxes, strict=True):
        _, rows, columns = box.slices
        for z in range(box.start[0], box.stop[0], SECTIONS_AT_ONCE):
            slab = volume[z : min(z + SECTIONS_AT_ONCE, box.stop[0]), rows, columns]
            voxels[end : end + slab.size] = torch.from_numpy(np.ascontiguousarray(slab)).flatten()
            end += slab.size
    return voxels


def _check_room(needed: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free / 2:
        raise ValueError(
            f"the volumes take {needed / 2**30:.1f} GiB, {device} has {free / 2**30:.1f} GiB free, half of it kept for "
            "training; choose the loader, or smaller boxes"
        )
