"""Volumes, manifests, the synthetic volume, and the crops that are drawn from them."""

from scripts.data.volumes import ArrayVolume, Volume, open_volume

__all__ = ["ArrayVolume", "Volume", "open_volume"]
