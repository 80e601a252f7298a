"""Items in which the value of every voxel is its position."""

import numpy as np


def places(shape: tuple[int, int, int], axis: int) -> dict[str, np.ndarray]:
    """Item (1, *shape) in which image and label both hold a voxel's index along an axis."""
    index = np.broadcast_to(np.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(3)]), shape)
    return {"image": index[None].astype(np.float32), "label": index[None].astype(np.int64)}
