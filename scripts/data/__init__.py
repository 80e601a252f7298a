"""Volumes, manifests, the synthetic volume, and the crops that are drawn from them.

What needs torch, MONAI or the JSON schema is imported when it is first used, so that looking at a volume does not
wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scripts.data.sampling.rejection import MissingSection, MostlyBlack
from scripts.data.volumes import Volume, downsampled_labels, open_volume

if TYPE_CHECKING:
    from scripts.data.regions.box_dataset import BoxDataset
    from scripts.data.regions.held_out import check_held_out, held_out_box
    from scripts.data.regions.label_budget import describe_labels
    from scripts.data.regions.open_regions import describe, open_regions
    from scripts.data.regions.read_margins import read_size
    from scripts.data.regions.training_regions import image_regions, labelled_regions
    from scripts.data.sampling.batch_sampler import GlobalBatchSampler
    from scripts.data.sampling.crop_batches import crop_batches
    from scripts.data.sampling.crops import CropDataset
    from scripts.data.sampling.loader_batches import LoaderBatches

__all__ = [
    "BoxDataset",
    "CropDataset",
    "GlobalBatchSampler",
    "LoaderBatches",
    "MissingSection",
    "MostlyBlack",
    "Volume",
    "check_held_out",
    "crop_batches",
    "describe",
    "describe_labels",
    "downsampled_labels",
    "held_out_box",
    "image_regions",
    "labelled_regions",
    "open_regions",
    "open_volume",
    "read_size",
]

_WHEN_ASKED = {
    "check_held_out": "scripts.data.regions.held_out",
    "held_out_box": "scripts.data.regions.held_out",
    "image_regions": "scripts.data.regions.training_regions",
    "BoxDataset": "scripts.data.regions.box_dataset",
    "CropDataset": "scripts.data.sampling.crops",
    "GlobalBatchSampler": "scripts.data.sampling.batch_sampler",
    "LoaderBatches": "scripts.data.sampling.loader_batches",
    "crop_batches": "scripts.data.sampling.crop_batches",
    "describe": "scripts.data.regions.open_regions",
    "describe_labels": "scripts.data.regions.label_budget",
    "labelled_regions": "scripts.data.regions.training_regions",
    "open_regions": "scripts.data.regions.open_regions",
    "read_size": "scripts.data.regions.read_margins",
}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_ASKED[name]), name)
