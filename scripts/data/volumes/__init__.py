"""Volumes: one lazy (z, y, x) array for every format."""

from scripts.data.volumes.downsampled import (
    downsampled_labels,
    downsampled_volume,
)
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import ArrayVolume, Volume

__all__ = [
    "ArrayVolume",
    "Volume",
    "downsampled_labels",
    "downsampled_volume",
    "open_volume",
]
