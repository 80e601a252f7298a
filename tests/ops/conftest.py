"""Labels that several decoder tests share."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    """(12, 48, 56) int64 labels: 6-connected cells of at least 64 voxels, thin membranes of 0 between them."""
    shape = (12, 48, 56)
    seeds = np.ones(shape, bool)
    generator = np.random.default_rng(7)
    points = tuple(generator.integers(0, size, 14) for size in shape)
    seeds[points] = False
    owner = np.ravel_multi_index(distance_transform_edt(seeds, sampling=(3, 1, 1), return_indices=True)[1], shape)
    apart = np.ones(shape, bool)
    for axis in range(3):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        apart[ahead] &= owner[ahead] == owner[behind]
        apart[behind] &= owner[ahead] == owner[behind]
    pieces, count = label(apart)
    sizes = np.bincount(pieces.reshape(-1), minlength=count + 1)
    keep = np.flatnonzero(sizes >= 64)[1:]
    numbers = np.zeros(count + 1, np.int64)
    numbers[keep] = np.arange(1, keep.size + 1)
    return numbers[pieces]
