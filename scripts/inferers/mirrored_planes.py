"""Planes of a volume that is continued beyond its ends by mirroring, as a row of windows needs them."""

import numpy as np
import torch

from scripts.ops.windows import WindowGrid, mirrored


def mirrored_planes(image: torch.Tensor, grid: WindowGrid, z: int) -> torch.Tensor:
    """Return the planes of the padded volume that windows at z span, (1, z, y, x), of an image (1, z, y, x).

    Args:
        image: all voxels of the volume.
        grid: the windows over it.
        z: first plane, in the padded volume.
    """
    spans = ((z, z + grid.window[0]), (0, grid.padded[1]), (0, grid.padded[2]))
    for axis, ((low, high), before, size) in enumerate(zip(spans, grid.before, grid.shape, strict=True), 1):
        low, high = low - before, high - before
        parts = []
        if low < 0:
            parts.append(image.index_select(axis, _places(mirrored(low, min(high, 0), size), image)))
        if max(low, 0) < min(high, size):
            parts.append(image.narrow(axis, max(low, 0), min(high, size) - max(low, 0)))
        if high > size:
            parts.append(image.index_select(axis, _places(mirrored(max(low, size), high, size), image)))
        image = parts[0] if len(parts) == 1 else torch.cat(parts, axis)
    return image


def _places(indices: np.ndarray, image: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(indices).to(image.device)
