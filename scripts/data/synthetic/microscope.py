"""The microscope of the synthetic volume: texture, drift, blur and noise turn a painted section into uint8."""

import numpy as np
from scipy.ndimage import gaussian_filter

TEXTURE = ((1.2, 12.0), (2.8, 6.0))
"""Grains of the cytosol: standard deviation of the filter in voxels, and of the grey."""
SKEW = 0.25
"""Dark grains stand out more than bright ones."""
FOCUS = 0.75
"""Standard deviation of the beam, voxels."""
SHOT, READOUT = 0.75, 4.0
"""Noise: of sqrt(grey), and of itself."""
BLURRED = 3.2
"""The same of a blurred section."""


def section_drift(sections: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Brightness offset and contrast factor of each section: a slow walk and a jump at each section."""
    walk = np.cumsum(generator.normal(0.0, 2.0, sections))
    offset = np.clip(walk - walk.mean(), -18.0, 18.0) + generator.normal(0.0, 16.0, sections)
    return np.clip(offset, -45.0, 45.0), np.clip(generator.normal(1.36, 0.08, sections), 1.1, 1.6)


def take_section(
    painted: np.ndarray, defect: str, offset: float, contrast: float, generator: np.random.Generator
) -> np.ndarray:
    """A painted section (Y, X) float32 as the microscope would give it, uint8.

    Args:
        painted: the tissue; overwritten.
        defect: "", "slipped" (nothing here), "blurred" or "missing".
        offset, contrast: of this section (`section_drift`).
        generator: of this section alone, so that no order of sections matters.
    """
    if defect == "missing":
        level = generator.choice([0.0, 3.0, 118.0])
        blank = level + 1.5 * generator.standard_normal(painted.shape, dtype=np.float32)
        return _grey(blank)
    for deviation, strength in TEXTURE:
        grain = gaussian_filter(generator.standard_normal(painted.shape, dtype=np.float32), deviation, truncate=2.5)
        grain *= np.float32(2 * deviation * np.sqrt(np.pi))  # to unit deviation
        painted += np.float32(strength) * (grain - np.float32(SKEW) * grain * grain)
    painted = gaussian_filter(painted, BLURRED if defect == "blurred" else FOCUS, truncate=3.0)
    noise = generator.standard_normal(painted.shape, dtype=np.float32)
    noise *= np.sqrt(np.float32(SHOT**2) * np.maximum(painted, 0.0) + np.float32(READOUT**2))
    painted += gaussian_filter(noise, 0.55, truncate=2.0)
    painted -= np.float32(128.0)
    painted *= np.float32(contrast)
    painted += np.float32(137.0 + offset)
    return _grey(painted)


def _grey(image: np.ndarray) -> np.ndarray:
    grey: np.ndarray = np.clip(np.rint(image), 0.0, 255.0).astype(np.uint8)
    return grey
