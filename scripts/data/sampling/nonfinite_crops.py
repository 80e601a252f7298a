"""Reject crops that have voxels without a number."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NonFinite:
    """Reject a crop with a NaN or infinite voxel; crops of whole numbers have none."""

    def __call__(self, crop: np.ndarray) -> bool:
        return crop.dtype.kind == "f" and not np.isfinite(crop).all()
