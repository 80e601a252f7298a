"""Choose the blocks of an inference, and count the windows that they compute."""

import math
from collections.abc import Sequence

import numpy as np

from scripts.ops.box import Size3, three_sizes
from scripts.ops.windows import WindowGrid

LARGEST = (48, 1024, 1024)
"""Voxels of a block (z, y, x) that are chosen at most, or a chunk."""


def windows_in_blocks(grid: WindowGrid, block: Size3) -> int:
    """Return how many windows all blocks of the grid's box compute; one process computes `grid.windows`.

    Each block computes every window that touches it: where windows overlap by half, along an axis one more than it has
    strides if it begins where a window does, else up to two more.
    """
    return math.prod(_windows_along(grid, axis, step) for axis, step in enumerate(block))


def chosen_block(grid: WindowGrid, chunk: Size3) -> Size3:
    """Return the block (z, y, x) with the fewest windows, of multiples of the chunk up to `LARGEST`; of equal ones the
    smallest."""
    sizes = []
    for axis, (step, most, size) in enumerate(zip(chunk, LARGEST, grid.shape, strict=True)):
        needed = -(-size // step)
        choices = [step * n for n in range(1, max(1, min(needed, most // step)) + 1)]
        sizes.append(min((_windows_along(grid, axis, choice), choice) for choice in choices)[1])
    return sizes[0], sizes[1], sizes[2]


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


def _windows_along(grid: WindowGrid, axis: int, step: int) -> int:
    """Windows along an axis that blocks of `step` voxels compute."""
    starts, before, window = np.array(grid.starts[axis]), grid.before[axis], grid.window[axis]
    lows = np.arange(0, grid.shape[axis], step)
    highs = np.minimum(lows + step, grid.shape[axis])
    first = np.searchsorted(starts, lows + before - window, side="right")
    stop = np.searchsorted(starts, highs + before, side="left")
    return int((stop - first).sum())
