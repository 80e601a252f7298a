"""Choose where crops are cut: in worker processes, or on the training device."""

import torch

from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import CropDataset
from scripts.data.sampling.device_crops import DeviceBatches
from scripts.data.sampling.loader_batches import LoaderBatches

SAMPLERS = {"loader": LoaderBatches, "device": DeviceBatches}


def crop_batches(
    sampler: str,
    dataset: CropDataset,
    batches: GlobalBatchSampler,
    workers: int = 0,
    device: torch.device | str = "cpu",
) -> LoaderBatches | DeviceBatches:
    """The batches of a dataset by the sampler of that name; both yield the same.

    Args:
        sampler: "loader" for volumes of any size, "device" for volumes that fit on the training device.
        dataset: where samples come from.
        batches: which samples make up which batch.
        workers: processes that prepare batches; 0 for none.
        device: where batches are delivered.

    Raises:
        ValueError: another name, or what the sampler raises.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler '{sampler}' is not one of {', '.join(map(repr, SAMPLERS))}")
    return SAMPLERS[sampler](dataset, batches, workers, device)
