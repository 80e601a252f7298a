"""Choose the blocks of an inference, and count the windows that they compute."""

import heapq
import itertools
import math
from collections.abc import Sequence

import numpy as np

from scripts.ops.box import Size3, three_sizes
from scripts.ops.windows import WindowGrid

LARGEST = (48, 1024, 1024)
"""Voxels of a block (z, y, x) that are chosen at most, or a chunk."""

MANY = 64
"""Blocks for each worker from which on they share the windows evenly."""


def windows_in_blocks(grid: WindowGrid, block: Size3) -> int:
    """Return how many windows all blocks of the grid's box compute; one process computes `grid.windows`.

    Each block computes every window that touches it: where windows overlap by half, along an axis one more than it has
    strides if it begins where a window does, else up to two more.
    """
    return math.prod(int(_windows_along(grid, axis, step).sum()) for axis, step in enumerate(block))


def chosen_block(grid: WindowGrid, chunk: Size3, workers: int = 1) -> Size3:
    """Return the voxels of the block (z, y, x), multiples of the chunk up to `LARGEST`, that workers complete first.

    Of equal ones, the block with the fewest windows in all, then the smallest.

    Args:
        grid: windows of the box.
        chunk: voxels (z, y, x) of a chunk of the maps.
        workers: processes that compute blocks at the same time.
    """
    along = []
    for axis, (step, most, size) in enumerate(zip(chunk, LARGEST, grid.shape, strict=True)):
        choices = [step * n for n in range(1, max(1, min(-(-size // step), most // step)) + 1)]
        along.append([(choice, _windows_along(grid, axis, choice)) for choice in choices])

    def cost(axes: tuple[tuple[int, np.ndarray], ...]) -> tuple[float, int, Size3]:
        sizes, (z, y, x) = zip(*axes, strict=True)
        total = math.prod(int(windows.sum()) for windows in (z, y, x))
        if workers == 1 or len(z) * len(y) * len(x) > MANY * workers:
            return total / workers, total, sizes
        return _longest(np.multiply.outer(np.multiply.outer(z, y), x).ravel(), workers), total, sizes

    return min(map(cost, itertools.product(*along)))[2]


def checked_block(blocks: Sequence[int], chunk: Size3, shape: Size3) -> Size3:
    """Return the voxels of a block that was given.

    Raises:
        ValueError: not three numbers, or no multiple of the chunk; names one that is.
    """
    block = three_sizes(blocks, "blocks")
    if any(size % step and size < whole for size, step, whole in zip(block, chunk, shape, strict=True)):
        fitting = [max(1, round(size / step)) * step for size, step in zip(block, chunk, strict=True)]
        given, step, near = (",".join(map(str, sizes)) for sizes in (block, chunk, fitting))
        raise ValueError(
            f"--blocks {given} is no multiple of the chunk {step} of the maps, so two workers would write one chunk; "
            f"give --blocks {near}"
        )
    return block


def block_gib(inferer_window: Size3, grid: WindowGrid, block: Size3, channels: int, itemsize: int) -> float:
    """Return the GiB of the maps, sums and grey values of a block, beside the network and what it computes with."""
    z, y, x = (min(step, size) for step, size in zip(block, grid.shape, strict=True))
    depth, height, width = inferer_window
    sums = 4 * channels * depth * y * x * (1 + 2 / max(1, grid.stride[2]))
    rows = 4 * 4 * depth * min(y + 2 * height, grid.padded[1]) * (x + 2 * width)
    return (itemsize * channels * z * y * x + sums + rows) / 2**30


def _windows_along(grid: WindowGrid, axis: int, step: int) -> np.ndarray:
    """Windows along an axis that each block of `step` voxels computes."""
    starts, before, window = np.array(grid.starts[axis]), grid.before[axis], grid.window[axis]
    lows = np.arange(0, grid.shape[axis], step)
    highs = np.minimum(lows + step, grid.shape[axis])
    first = np.searchsorted(starts, lows + before - window, side="right")
    stop = np.searchsorted(starts, highs + before, side="left")
    return np.asarray(stop - first)


def _longest(windows: np.ndarray, workers: int) -> float:
    """Windows of the worker that is done last, where each takes the next block as soon as it has none."""
    loads = [0.0] * workers
    for count in windows:
        heapq.heapreplace(loads, loads[0] + float(count))
    return max(loads)
