"""Values of tokens from maps of voxels: the mean of each map over the voxels of a token."""

from collections.abc import Sequence

import numpy as np


def token_values(maps: np.ndarray, known: np.ndarray, patch: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each map over the known voxels of each token, and the share of voxels that are known.

    Voxels after the last whole token of an axis are left out.

    Args:
        maps: (C, z, y, x).
        known: bool of the same shape.
        patch: voxels (z, y, x) of a token.

    Returns:
        Means and shares, (C, gz, gy, gx) float64; a mean is 0 where no voxel is known.

    Raises:
        ValueError: other shapes, or a patch that is larger than the maps.

    Example:
        >>> maps = np.array([[[[0.0, 1.0, 1.0, 1.0, 7.0]]]])
        >>> token_values(maps, maps < 9, (1, 1, 2))[0].tolist()
        [[[[0.5, 1.0]]]]
    """
    if maps.ndim != 4 or maps.shape != known.shape:
        raise ValueError(f"maps of shape {maps.shape}, known of {known.shape}: both must be (channels, z, y, x)")
    grid = [size // step for size, step in zip(maps.shape[1:], patch, strict=True)]
    if min(grid) < 1:
        raise ValueError(f"a token of {tuple(patch)} voxels is larger than the maps of {maps.shape[1:]}")
    counted = _sums(known.astype(np.float64), grid, patch)
    sums = _sums(np.where(known, maps, 0).astype(np.float64), grid, patch)
    return sums / np.maximum(counted, 1), counted / np.prod(patch)


def _sums(maps: np.ndarray, grid: Sequence[int], patch: Sequence[int]) -> np.ndarray:
    """(C, z, y, x) to the (C, gz, gy, gx) sums of the blocks of a patch."""
    (z, y, x), (pz, py, px) = grid, patch
    blocks = maps[:, : z * pz, : y * py, : x * px].reshape(-1, z, pz, y, py, x, px)
    sums: np.ndarray = blocks.sum(axis=(2, 4, 6))
    return sums
