"""Affinities as a network might predict them, made from labels: for tests, benchmarks and the choice of thresholds."""

import numpy as np
from scipy.ndimage import gaussian_filter

from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import NEAREST, AffinityConvention

LEVELS = {"mild": 0.4, "moderate": 0.6, "strong": 0.8}
"""Named values of `noise`."""


def noised_affinities(
    label: np.ndarray,
    noise: float,
    convention: AffinityConvention = NEAREST,
    *,
    seed: int = 0,
    certainty: float = 4.0,
) -> np.ndarray:
    """(z, y, x) labels to (channels, z, y, x) float32 affinities sigmoid(certainty (2a - 1) + 2 noise g).

    a is the ideal affinity, smoothed in plane by a Gaussian of 0.7 voxels as a network's output is; g is white
    noise, smoothed in plane by a Gaussian of 1 voxel and scaled to unit variance, independent per channel and section.
    Without noise an affinity inside an object reads sigmoid(4) = 0.982. The same seed gives the same array.
    """
    generator = np.random.default_rng(seed)
    ideal = label_affinities(label, convention)
    predicted = np.empty(ideal.shape, dtype=np.float32)
    spread = None
    for channel in range(convention.channels):
        for z in range(ideal.shape[1]):
            grain = gaussian_filter(generator.standard_normal(ideal.shape[2:], dtype=np.float32), 1.0)
            spread = spread or float(grain.std()) or 1.0
            certain = gaussian_filter(ideal[channel, z].astype(np.float32), 0.7)
            logit = certainty * (2 * certain - 1) + (2 * noise / spread) * grain
            predicted[channel, z] = 1 / (1 + np.exp(-logit))
    return predicted
