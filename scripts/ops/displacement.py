"""Random fields of displacement: smoothed noise (Simard, Steinkraus and Platt 2003)."""

import math

import numpy as np
from scipy.ndimage import gaussian_filter


def smooth_displacement(noise: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """(..., y, x) noise in [-1, 1] to displacements in pixels: smoothed in plane by a Gaussian, times alpha.

    The Gaussian wraps to the opposite border: mirrored noise would bend the border up to twice as much as the middle.

    Args:
        noise: uniform noise in [-1, 1].
        alpha: scale, pixels.
        sigma: standard deviation of the Gaussian, pixels.
    """
    widths = [0.0] * (noise.ndim - 2) + [sigma, sigma]
    field: np.ndarray = gaussian_filter(noise.astype(np.float32, copy=False), widths, mode="wrap")
    return field * np.float32(alpha)


def typical_displacement(alpha: float, sigma: float) -> float:
    """Standard deviation, in pixels, of what `smooth_displacement` makes of uniform noise.

    Uniform noise in [-1, 1] has variance 1/3; a Gaussian in the plane leaves 1/(4 pi sigma^2) of it.
    """
    return alpha / math.sqrt(3) / (2 * math.sqrt(math.pi) * sigma)
