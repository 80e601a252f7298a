"""An item that several tests of augmentations share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tissue() -> dict[str, np.ndarray]:
    """(1, 8, 60, 60): grey noise, and unsigned ids far above what float32 can tell apart."""
    draw = np.random.RandomState(11)
    blocks = draw.randint(0, 40, (1, 8, 15, 15)).repeat(4, axis=2).repeat(4, axis=3)
    ids = np.where(blocks > 4, blocks.astype(np.uint64) + np.uint64(2**60), np.uint64(0))
    return {"image": draw.uniform(-1, 1, (1, 8, 60, 60)).astype(np.float32), "label": ids}
