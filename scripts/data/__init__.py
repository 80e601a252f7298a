"""Volumes, manifests, the synthetic volume, and the crops that are drawn from them.

What needs torch and MONAI is imported when it is first asked for, so that looking at a volume does not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scripts.data.rejection import MissingSection, MostlyBlack
from scripts.data.volumes import ArrayVolume, Volume, open_volume

if TYPE_CHECKING:
    from scripts.data.crops import CropDataset
    from scripts.data.device_crops import DeviceBatches
    from scripts.data.loader_batches import LoaderBatches
    from scripts.data.order import GlobalBatches
    from scripts.data.samplers import crop_batches

__all__ = [
    "ArrayVolume",
    "CropDataset",
    "DeviceBatches",
    "GlobalBatches",
    "LoaderBatches",
    "MissingSection",
    "MostlyBlack",
    "Volume",
    "crop_batches",
    "open_volume",
]

_WITH_TORCH = {
    "CropDataset": "scripts.data.crops",
    "DeviceBatches": "scripts.data.device_crops",
    "GlobalBatches": "scripts.data.order",
    "LoaderBatches": "scripts.data.loader_batches",
    "crop_batches": "scripts.data.samplers",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WITH_TORCH[name]), name)
