"""Batches of crops from worker processes: read, augmented and stacked there, delivered on the training device."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate

from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import CropDataset
from scripts.networks.tokens import kept_tokens

BY_VALUE = 2**18
"""Bytes up to which a tensor of a batch is sent to the parent by value."""


class LoaderBatches:
    """The batches of a `CropDataset` in the order of a `GlobalBatchSampler`, read by worker processes.

    For volumes of any size. `DeviceBatches` takes the same arguments and yields the same batches, to the bit.

    Args:
        dataset: where samples come from.
        batches: which samples make up which batch.
        workers: processes that prepare batches; 0 prepares them in this one.
        device: where batches are delivered.

    Raises:
        ValueError: a dataset that ends before the batches do.

    Example::

        for batch in LoaderBatches(crops, GlobalBatchSampler(batch=8, iterations=100), workers=4):
            loss = network(batch["image"])
    """

    def __init__(
        self, dataset: CropDataset, batches: GlobalBatchSampler, workers: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        check_length(dataset, batches)
        self.dataset, self.batches = dataset, batches
        self.workers, self.device = workers, torch.device(device)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield {"image": (B, 1, z, y, x), ...} with all else the items hold, and "kept" where they hold a mask."""
        for batch in worker_loader(self.dataset, self.batches, self.workers, self.device):
            yield to_device(batch, self.device)


def worker_loader(
    dataset: CropDataset, batches: GlobalBatchSampler, workers: int, device: torch.device
) -> DataLoader[dict[str, Any]]:
    """A DataLoader that leaves torch's global generator alone, so that reading does not change the network's draws.

    Its workers are spawned where a volume does not survive a fork.
    """
    forks = all(
        v.fork_safe for region in dataset.regions for v in (region.image, region.label, region.mask) if v is not None
    )
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        multiprocessing_context=None if forks or not workers else "spawn",
        collate_fn=stack_items,
        prefetch_factor=4 if workers else None,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(0),
    )


def stack_items(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack items into a batch in the worker.

    Where the items hold a mask, "kept" lists the tokens it leaves, (B, K): a GPU would have to wait for that. What is
    small goes to the parent by value: the descriptor of a tensor in shared memory takes a millisecond to hand over.
    """
    batch = {key: _stacked([item[key] for item in items]) for key in items[0]}
    if "mask" in batch:
        batch["kept"] = kept_tokens(torch.as_tensor(batch["mask"])).numpy()
    return batch


def to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The tensors of a stacked batch on the device; a GPU's copies are started and not waited for."""
    tensors = {key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for key, value in batch.items()}
    if device.type == "cuda":
        tensors = {key: _pinned(value) for key, value in tensors.items()}
    return {k: v.to(device, non_blocking=True) if isinstance(v, torch.Tensor) else v for k, v in tensors.items()}


def _stacked(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, int | float):
        return np.array(values)
    if isinstance(first, np.ndarray | torch.Tensor) and first.nbytes * len(values) <= BY_VALUE:
        return np.stack(values)
    return default_collate(values)


def _pinned(value: Any) -> Any:
    return value.pin_memory() if isinstance(value, torch.Tensor) and not value.is_pinned() else value


def check_length(dataset: CropDataset, batches: GlobalBatchSampler) -> None:
    """Raise ValueError where a run needs more samples than the dataset has."""
    if dataset.length is not None and batches.samples > dataset.length:
        raise ValueError(
            f"{batches.iterations} iterations of batch {batches.batch} need {batches.samples} samples, the dataset has "
            f"{dataset.length}; give it no length or a larger one"
        )
