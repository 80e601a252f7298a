"""Blended maps are clamped to the range of the windows over each voxel."""

import numpy as np
import pytest
import torch

from scripts.inferers.window_bounds import WindowBounds
from scripts.ops.box import Box
from scripts.ops.windows import WindowGrid


@pytest.mark.parametrize("box", [None, "1:7,3:15,2:9"])
def test_each_voxel_is_clamped_to_the_range_of_the_windows_over_it(box):
    shape, window = (9, 17, 13), (4, 7, 6)
    grid = WindowGrid(shape, window, (3, 5, 2), (2, 3, 2), 1, Box.parse(box, shape) if box else None)
    random = torch.Generator().manual_seed(0)
    bounds = WindowBounds(grid, 2, torch.device("cpu"))
    low = np.full((2, *grid.padded), np.inf, np.float32)
    high = -low
    for step in grid.steps:
        for y in step.ys:
            for x in grid.starts[2]:
                if (step.z + y + x) % 7 == 0:
                    continue  # masked: it restricts nothing
                least = torch.rand(2, generator=random)
                most = least + torch.rand(2, generator=random)
                bounds.add(step.z, y, x, torch.stack((least, -most)))
                over = (slice(None), *(slice(o, o + size) for o, size in zip((step.z, y, x), window, strict=True)))
                low[over] = np.minimum(low[over], least.numpy()[:, None, None, None])
                high[over] = np.maximum(high[over], most.numpy()[:, None, None, None])
    (z, y, x), (depth, height, width) = grid.before, grid.shape
    values = torch.rand((2, depth, height, width), generator=random) * 4 - 1
    within = (slice(None), slice(z, z + depth), slice(y, y + height), slice(x, x + width))
    covered = np.isfinite(low[within])
    expected = np.clip(values.numpy(), low[within], high[within])
    bounds.clamp(values, (z, z + depth), (y, y + height))
    assert covered.mean() > 0.9
    np.testing.assert_array_equal(values.numpy()[covered], expected[covered])


def test_planes_are_dropped_when_no_window_reaches_them():
    grid = WindowGrid((30, 8, 8), (4, 8, 8), (2, 8, 8), (0, 0, 0))
    bounds = WindowBounds(grid, 1, torch.device("cpu"))
    for z in grid.starts[0]:
        bounds.add(z, 0, 0, torch.tensor([[0.0], [-1.0]]))
        bounds.clamp(torch.zeros((1, 2, 8, 8)), (z, z + 2), (0, 8))
        assert len(bounds._planes) <= 2
