"""Labels and workers that block-wise tests share."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from scripts.blockwise.cluster import DaskWorkers, open_workers


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    """(12, 48, 56) labels of 14 cells that fill the volume."""
    shape = (12, 48, 56)
    free = np.ones(shape, bool)
    generator = np.random.default_rng(7)
    points = tuple(generator.integers(0, size, 14) for size in shape)
    free[points] = False
    owner = np.ravel_multi_index(distance_transform_edt(free, sampling=(3, 1, 1), return_indices=True)[1], shape)
    return np.unique(owner, return_inverse=True)[1].reshape(shape) + 1


@pytest.fixture(scope="package")
def workers() -> Iterator[DaskWorkers]:
    """Two worker processes."""
    with open_workers(2) as opened:
        assert isinstance(opened, DaskWorkers)
        yield opened


@pytest.fixture
def scheduler(workers: DaskWorkers) -> str:
    """The address of their scheduler."""
    return str(workers.client.scheduler.address)
