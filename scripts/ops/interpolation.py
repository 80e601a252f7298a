"""Fill hidden voxels from visible ones by linear interpolation: what no learning can do, and a network must beat."""

import numpy as np
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from scipy.spatial import QhullError

JITTER = 1e-4


def interpolate_hidden(volume: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Grey values of hidden voxels from those of the visible ones.

    Inside the convex hull of the visible voxels: piecewise linear on the Delaunay tetrahedra of their centres, in voxel
    coordinates. Outside it, and where all visible voxels lie in one plane: the value of the nearest visible voxel.
    The centres are moved by up to `JITTER` of a voxel first: on an exact grid most tetrahedra are flat, and finding the
    one that contains a voxel takes ten times as long.

    Args:
        volume: (z, y, x) grey values.
        hidden: (z, y, x) bool, True where the value must not be read.

    Returns:
        (z, y, x) float32; visible voxels as they were.

    Raises:
        ValueError: shapes that differ, or nothing visible.
    """
    if volume.shape != hidden.shape or volume.ndim != 3:
        raise ValueError(f"volume {volume.shape} and hidden {hidden.shape} must have one shape (z, y, x)")
    visible = np.argwhere(~hidden)
    if not len(visible):
        raise ValueError(f"all {hidden.size} voxels are hidden: nothing to interpolate from")
    filled = volume.astype(np.float32)
    wanted = np.argwhere(hidden)
    if not len(wanted):
        return filled
    values = filled[~hidden]
    guess = _linear(visible, values, wanted)
    outside = np.isnan(guess)
    if outside.any():
        guess[outside] = NearestNDInterpolator(visible, values)(wanted[outside])
    filled[hidden] = guess
    return filled


def _linear(points: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Interpolated values; not a number outside the hull."""
    flat = len(points) < 5 or (np.ptp(points, axis=0) == 0).any()
    if not flat:
        try:
            moved = points + np.random.RandomState(0).uniform(-JITTER, JITTER, points.shape)
            return np.asarray(LinearNDInterpolator(moved, values)(wanted), dtype=np.float32)
        except QhullError:  # all points in one oblique plane
            pass
    return np.full(len(wanted), np.nan, dtype=np.float32)
