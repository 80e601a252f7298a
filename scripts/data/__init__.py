"""Volumes, manifests, the synthetic volume, and the crops that are drawn from them.

What needs torch, MONAI or the JSON schema is imported when it is first asked for, so that looking at a volume does not
wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scripts.data.rejection import MissingSection, MostlyBlack
from scripts.data.volumes import ArrayVolume, Volume, open_volume, reduced_labels, reduced_volume

if TYPE_CHECKING:
    from scripts.data.box_dataset import BoxDataset
    from scripts.data.crops import CropDataset
    from scripts.data.device_crops import DeviceBatches
    from scripts.data.known_labels import KnownLabels
    from scripts.data.label_budget import describe_labels
    from scripts.data.labels import labelled_regions
    from scripts.data.loader_batches import LoaderBatches
    from scripts.data.manifest import Manifest, load_manifest
    from scripts.data.margins import read_size
    from scripts.data.order import GlobalBatches
    from scripts.data.region import Region
    from scripts.data.region_checks import check_regions
    from scripts.data.regions import describe, open_regions
    from scripts.data.samplers import crop_batches

__all__ = [
    "ArrayVolume",
    "BoxDataset",
    "CropDataset",
    "DeviceBatches",
    "GlobalBatches",
    "KnownLabels",
    "LoaderBatches",
    "Manifest",
    "MissingSection",
    "MostlyBlack",
    "Region",
    "Volume",
    "check_regions",
    "crop_batches",
    "describe",
    "describe_labels",
    "labelled_regions",
    "load_manifest",
    "open_regions",
    "open_volume",
    "read_size",
    "reduced_labels",
    "reduced_volume",
]

_WHEN_ASKED = {
    "BoxDataset": "scripts.data.box_dataset",
    "CropDataset": "scripts.data.crops",
    "DeviceBatches": "scripts.data.device_crops",
    "GlobalBatches": "scripts.data.order",
    "KnownLabels": "scripts.data.known_labels",
    "LoaderBatches": "scripts.data.loader_batches",
    "Manifest": "scripts.data.manifest",
    "Region": "scripts.data.region",
    "check_regions": "scripts.data.region_checks",
    "crop_batches": "scripts.data.samplers",
    "describe": "scripts.data.regions",
    "describe_labels": "scripts.data.label_budget",
    "labelled_regions": "scripts.data.labels",
    "load_manifest": "scripts.data.manifest",
    "open_regions": "scripts.data.regions",
    "read_size": "scripts.data.margins",
}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_ASKED[name]), name)
