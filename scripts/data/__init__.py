"""Volumes, manifests, the synthetic volume, and the crops that are drawn from them.

What needs torch, MONAI or the JSON schema is imported when it is first asked for, so that looking at a volume does not
wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scripts.data.rejection import MissingSection, MostlyBlack
from scripts.data.volumes import ArrayVolume, Volume, open_volume

if TYPE_CHECKING:
    from scripts.data.crops import CropDataset
    from scripts.data.device_crops import DeviceBatches
    from scripts.data.loader_batches import LoaderBatches
    from scripts.data.manifest import Manifest, load_manifest
    from scripts.data.order import GlobalBatches
    from scripts.data.region import Region
    from scripts.data.regions import check_regions, describe, open_regions
    from scripts.data.samplers import crop_batches

__all__ = [
    "ArrayVolume",
    "CropDataset",
    "DeviceBatches",
    "GlobalBatches",
    "LoaderBatches",
    "Manifest",
    "MissingSection",
    "MostlyBlack",
    "Region",
    "Volume",
    "check_regions",
    "crop_batches",
    "describe",
    "load_manifest",
    "open_regions",
    "open_volume",
]

_WHEN_ASKED = {
    "CropDataset": "scripts.data.crops",
    "DeviceBatches": "scripts.data.device_crops",
    "GlobalBatches": "scripts.data.order",
    "LoaderBatches": "scripts.data.loader_batches",
    "Manifest": "scripts.data.manifest",
    "Region": "scripts.data.region",
    "check_regions": "scripts.data.regions",
    "crop_batches": "scripts.data.samplers",
    "describe": "scripts.data.regions",
    "load_manifest": "scripts.data.manifest",
    "open_regions": "scripts.data.regions",
}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHEN_ASKED[name]), name)
