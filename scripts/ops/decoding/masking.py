"""Predictions and instances of a part of the volume: masked voxels are never seeds, never joined, and stay 0."""

from collections.abc import Callable

import numpy as np

from scripts.ops.targets.affinities import affinities_known
from scripts.ops.targets.affinity_convention import AffinityConvention, convention


def mask_prediction(prediction: np.ndarray, inside: np.ndarray, channels: AffinityConvention | None) -> np.ndarray:
    """A copy in which nothing joins a voxel outside, and nothing there is foreground.

    Args:
        prediction: (channels, z, y, x) affinities or maps, floats or uint8.
        inside: (z, y, x) bool.
        channels: of affinities, where every edge that begins or ends outside becomes 0; None for maps, whose first
            channel, the foreground, becomes 0 outside.

    Raises:
        ValueError: a mask of another shape than the prediction.
    """
    if inside.shape != prediction.shape[1:]:
        raise ValueError(f"the mask has shape {inside.shape}, the prediction {prediction.shape[1:]} (z, y, x)")
    masked = prediction.copy()
    if channels is None:
        masked[0][~inside] = 0
    else:
        for channel, kept in zip(masked, affinities_known(inside, channels), strict=False):
            channel[~kept] = 0
    return masked


def decode_inside(decode: Callable[[np.ndarray], np.ndarray], prediction: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Instances of a prediction by a decoder, 0 where `inside` (z, y, x) is False."""
    channels = convention(decode.offsets) if hasattr(decode, "offsets") else None
    return mask_instances(decode(mask_prediction(prediction, inside, channels)), inside)


def mask_instances(instances: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The instances with 0 outside, in place."""
    instances[~inside] = 0
    return instances
