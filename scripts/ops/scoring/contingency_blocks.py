"""A contingency table block by block: volumes larger than memory, a mask, a border to leave out."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import product
from operator import add
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.ops.box import Box
from scripts.ops.scoring.contingency import ContingencyTable, check_pair
from scripts.ops.scoring.label_borders import without_borders
from scripts.ops.scoring.pair_counts import PairCounter

BLOCK = 2**23
"""Voxels read at a time from each volume: 32 MiB of uint32."""


class Readable(Protocol):
    """Anything with a (z, y, x) shape, a dtype and `[slices]`: ndarray, HDF5 or Zarr array, a lazy volume."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""

    @property
    def dtype(self) -> Any:
        """Of the voxels."""

    def __getitem__(self, key: Any) -> Any:
        """The voxels of slices."""


def table_of_volumes(
    gt: Readable,
    pred: Readable,
    *,
    box: Box | str | None = None,
    mask: Readable | None = None,
    border: int = 0,
    threads: int = 1,
    block_voxels: int = BLOCK,
    progress: Callable[[int], object] | None = None,
) -> ContingencyTable:
    """Count the voxels of two (z, y, x) label volumes without holding them.

    Voxels of ground truth -1, unknown, are left out, as if they were not there.

    The result depends on neither `threads` nor `block_voxels`; what is read at once is `block_voxels` of each volume
    and thread (plus the border).

    Args:
        box: the part to score, all of it where None.
        mask: voxels where it is 0, or -1, unknown, are left out, as if they were not there.
        border: voxels within this many pixels, in the section, of two ground-truth objects lose their label
            (`without_borders`); the box's edge is the end of the world.
        threads: blocks counted at the same time; reading takes turns.
        progress: called with the number of voxels of every finished block.

    Raises:
        ValueError: volumes that are not (z, y, x), shapes that differ, empty volumes, labels that are not integers,
            negative ids, a box outside, a negative border, threads or block_voxels below 1.
    """
    whole = checked_box(gt, pred, box, mask, border)
    if threads < 1 or block_voxels < 1:
        raise ValueError(f"threads {threads}, block_voxels {block_voxels}: use 1 or more")
    turn = Lock()

    def count(share: list[Box]) -> ContingencyTable:
        counter = PairCounter(np.dtype(np.uint64) if border else np.dtype(gt.dtype), np.dtype(pred.dtype))
        for block in share:
            count_block(counter, gt, pred, block, whole, mask, border, turn)
            if progress is not None:
                progress(block.voxels)
        return ContingencyTable(*counter.cells())

    blocks = list(blocks_of(whole, block_voxels, _chunk(gt, pred)))
    if threads == 1:
        return count(blocks)
    with ThreadPoolExecutor(threads) as pool:
        return reduce(add, pool.map(count, [blocks[k::threads] for k in range(threads)]))


def checked_box(gt: Readable, pred: Readable, box: Box | str | None, mask: Readable | None, border: int) -> Box:
    """The box to score, of volumes that can be compared; errors as in `table_of_volumes`."""
    check_pair(gt, pred)
    if len(gt.shape) != 3:
        raise ValueError(f"the volumes have {len(gt.shape)} axes, shape {tuple(gt.shape)}; a volume is (z, y, x)")
    if mask is not None and tuple(mask.shape) != tuple(gt.shape):
        raise ValueError(f"the mask has shape {tuple(mask.shape)}, the volumes {tuple(gt.shape)}; they must agree")
    if border < 0:
        raise ValueError(f"border {border}: use 0 or more")
    return Box.parse(box, gt.shape)


def table_of_block(
    gt: Readable, pred: Readable, block: Box, whole: Box, mask: Readable | None, border: int
) -> ContingencyTable:
    """The table of one block of a box; the tables of all blocks add up to that of `table_of_volumes`."""
    counter = PairCounter(np.dtype(np.uint64) if border else np.dtype(gt.dtype), np.dtype(pred.dtype))
    count_block(counter, gt, pred, block, whole, mask, border, Lock())
    return ContingencyTable(*counter.cells())


def count_block(
    counter: PairCounter,
    gt: Readable,
    pred: Readable,
    block: Box,
    whole: Box,
    mask: Readable | None,
    border: int,
    turn: Lock,
) -> None:
    """Add the voxels of one block of a box; files are read while it is our turn."""
    with turn:
        truth = _labels(gt, block, whole, border)
        segments = np.asarray(pred[block.slices])
        kept = None if mask is None else ~np.isin(mask[block.slices], (0, -1))
    if truth.dtype.kind == "i" and (truth == -1).any():
        known = _inner(truth, block, whole, border) != -1
        kept = known if kept is None else kept & known
        truth = np.where(truth == -1, 0, truth)
    if border:
        truth = _inner(without_borders(truth, border), block, whole, border)
    if kept is not None:
        truth, segments = truth[kept], segments[kept]
    counter.add(truth, segments)


def blocks_of(box: Box, voxels: int, chunk: tuple[int, int, int] = (1, 1, 1)) -> Iterator[Box]:
    """Cut a box into blocks of about `voxels`, in reading order: whole chunks (one at least), as many along x as fit,
    then along y, then along z, so that no chunk is decoded twice.
    """
    first = [low - low % size for low, size in zip(box.start, chunk, strict=True)]
    step = list(chunk)
    for axis in (2, 1, 0):
        rest = step[0] * step[1] * step[2] // step[axis]
        fitting = voxels // rest // chunk[axis] * chunk[axis]
        step[axis] = max(chunk[axis], min(fitting, box.stop[axis] - first[axis]))
        if step[axis] < box.stop[axis] - first[axis]:
            break
    for z, y, x in product(*(range(f, stop, s) for f, stop, s in zip(first, box.stop, step, strict=True))):
        (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
        low = (max(z, z0), max(y, y0), max(x, x0))
        yield Box(low, (min(z + step[0], z1), min(y + step[1], y1), min(x + step[2], x1)))


def _chunk(*volumes: Readable) -> tuple[int, int, int]:
    """Extent of a chunk of the first volume that has chunks."""
    for volume in volumes:
        chunks = getattr(volume, "chunks", None)
        if chunks:
            z, y, x = map(int, chunks)
            return z, y, x
    return 1, 1, 1


def _labels(gt: Readable, block: Box, whole: Box, border: int) -> NDArray[Any]:
    """The block with `border` more rows and columns on each side, as far as the box goes."""
    (z0, y0, x0), (z1, y1, x1) = block.start, block.stop
    (_, top, left), (_, bottom, right) = whole.start, whole.stop
    return np.asarray(
        gt[
            z0:z1,
            max(top, y0 - border) : min(bottom, y1 + border),
            max(left, x0 - border) : min(right, x1 + border),
        ]
    )


def _inner(labels: NDArray[Any], block: Box, whole: Box, border: int) -> NDArray[Any]:
    """The block again, without what `_labels` added."""
    y = block.start[1] - max(whole.start[1], block.start[1] - border)
    x = block.start[2] - max(whole.start[2], block.start[2] - border)
    return labels[:, y : y + block.shape[1], x : x + block.shape[2]]
