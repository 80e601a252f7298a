"""Batches of crops gathered on the training device from volumes that fit there; the same batches as the loader's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from monai.transforms import MapTransform

from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import CropDataset
from scripts.data.sampling.loader_batches import check_length, to_device, worker_loader
from scripts.data.sampling.prefetch import prefetched
from scripts.ops.gather import gather_crops

SECTIONS_AT_ONCE = 16
"""Sections read and sent to the device at a time."""


class DeviceBatches:
    """The batches of a `CropDataset` in the order of a `GlobalBatchSampler`, gathered on the device.

    The voxels of all regions are sent there once, in their own dtype. Workers then only draw (region, corner, symmetry,
    mask); a batch of crops is gathered in one indexing operation, and each transform that touches the image does so for
    the whole batch through its method `on_batch(batch)`. A background thread keeps `ahead` batches ready. Takes the
    arguments of `LoaderBatches` and yields the same batches, to the bit.

    Raises:
        ValueError: a transform that works on the image and has no `on_batch`; labels; volumes of several dtypes, or too
            large for the device; a dataset that ends before the batches do.

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
        self.voxels, self.origins, self.strides = _upload(dataset, self.device)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield {"image": (B, 1, z, y, x), ...} with all else the items hold, and "kept" where they hold a mask."""
        plans = iter(worker_loader(self.plans, self.batches, self.workers, self.device))
        return prefetched((self._gathered(plan) for plan in plans), self.ahead, self.device)

    def _gathered(self, plan: dict[str, Any]) -> dict[str, Any]:
        batch = to_device(plan, self.device)
        region, corner = batch["region"], batch["corner"]
        strides = self.strides[region]
        first = self.origins[region] + (corner[:, :2] * strides).sum(1) + corner[:, 2]
        crops = gather_crops(self.voxels, first, strides, self.plans.size)
        batch["image"] = crops
        for method in self.on_batch:
            batch = method(batch)
        return batch


def _batch_methods(steps: list[Any]) -> list[Any]:
    for step in steps:
        if isinstance(step, MapTransform) and "image" in step.keys and not hasattr(step, "on_batch"):
            raise ValueError(
                f"{type(step).__name__} works on the image crop by crop, and the device-resident sampler has no crops; "
                "choose the loader, or give the transform a method on_batch(batch)"
            )
    return [step.on_batch for step in steps if hasattr(step, "on_batch")]


def _upload(dataset: CropDataset, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All voxels one behind the other; of each region the place of voxel (0, 0, 0) there and its z and y strides."""
    regions = dataset.regions
    if any(region.label is not None for region in regions):
        raise ValueError(
            "the device-resident sampler gathers images alone, these regions have labels; choose the loader"
        )
    if any(region.mask is not None for region in regions):
        raise ValueError("the device-resident sampler gathers images without their mask; choose the loader")
    dtypes = sorted({str(np.dtype(region.image.dtype)) for region in regions})
    if len(dtypes) > 1:
        raise ValueError(f"volumes of several dtypes {dtypes} cannot be in one block on {device}; choose the loader")
    dtype = torch.from_numpy(np.empty(0, dtype=dtypes[0])).dtype
    total = sum(region.box.voxels for region in regions)
    _check_room(total * dtype.itemsize, device)
    voxels = torch.empty(total, dtype=dtype, device=device)
    end = 0
    origins, strides = [], []
    for region in regions:
        (z0, y0, x0), (_, y, x) = region.box.start, region.box.shape
        origins.append(end - (z0 * y * x + y0 * x + x0))
        strides.append((y * x, x))
        for z in range(z0, region.box.stop[0], SECTIONS_AT_ONCE):
            _, rows, columns = region.box.slices
            slab = region.image[z : min(z + SECTIONS_AT_ONCE, region.box.stop[0]), rows, columns]
            voxels[end : end + slab.size] = torch.from_numpy(np.ascontiguousarray(slab)).flatten()
            end += slab.size
    return voxels, torch.tensor(origins, device=device), torch.tensor(strides, device=device)


def _check_room(needed: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    if needed > free / 2:
        raise ValueError(
            f"the volumes take {needed / 2**30:.1f} GiB, {device} has {free / 2**30:.1f} GiB free, half of it kept for "
            "training; choose the loader, or smaller boxes"
        )
