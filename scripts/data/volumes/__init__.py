"""Volumes: one lazy (z, y, x) array for every format."""

from scripts.data.volumes.open import open_volume
from scripts.data.volumes.reduced import ReducedLabels, ReducedVolume, reduced_labels, reduced_volume
from scripts.data.volumes.volume import ArrayVolume, Volume

__all__ = ["ArrayVolume", "ReducedLabels", "ReducedVolume", "Volume", "open_volume", "reduced_labels", "reduced_volume"]
