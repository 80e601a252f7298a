"""Figures of runs, segmentations and transform chains."""

from scripts.visualize.transform_chains import ChainPicture, show_chain

__all__ = [
    "ChainPicture",
    "show_chain",
]
