"""Predictions and instances of a part of the volume: masked voxels are never seeds, never joined, and stay 0."""

import numpy as np

from scripts.ops.targets.affinities import offset_slices
from scripts.ops.targets.affinity_convention import AffinityConvention


def mask_prediction(prediction: np.ndarray, inside: np.ndarray, convention: AffinityConvention | None) -> np.ndarray:
    """A copy in which nothing joins a voxel outside, and nothing there is foreground.

    Args:
        prediction: (channels, z, y, x) affinities or maps, floats or uint8.
        inside: (z, y, x) bool.
        convention: of affinities, where every edge that begins or ends outside becomes 0; None for maps, whose first
            channel, the foreground, becomes 0 outside.

    Raises:
        ValueError: a mask of another shape than the prediction.
    """
    if inside.shape != prediction.shape[1:]:
        raise ValueError(f"the mask has shape {inside.shape}, the prediction {prediction.shape[1:]} (z, y, x)")
    masked = prediction.copy()
    if convention is None:
        masked[0][~inside] = 0
        return masked
    for channel, offset in zip(masked, convention.offsets, strict=False):
        channel[~inside] = 0
        here, there = offset_slices(inside.shape, offset)
        channel[here] *= inside[there]
    return masked


def mask_instances(instances: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The instances with 0 outside, in place."""
    instances[~inside] = 0
    return instances
