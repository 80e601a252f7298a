"""The basins of one block of a volume, and what the block alone cannot decide."""

from dataclasses import dataclass

import numpy as np

from scripts.ops.box import Window
from scripts.ops.decoding.open_plateaus import plateau_edges
from scripts.ops.decoding.steepest_ascent import labelled, steps_of


@dataclass(frozen=True)
class BlockBasins:
    """Where the paths of a block's voxels end, as far as the block and a halo of two voxels around it determine.

    Attributes:
        labels: (z, y, x) of the block: 1, 2, ..., 0 for background. Voxels of one label end at one voxel.
        ends: (labels,) flat index, in the array that was read, of each end: the lowest voxel of a maximum, a voxel of
            an open plateau, or the first voxel of the path outside the block.
        plateau: (voxels,) flat indices, ascending, of the voxels of open plateaus: those that continue outside the
            block and are not saturated (>= high). Their distance to an exit depends on other blocks. Each that is no
            exit is an end of its own.
        edges: (voxels,) uint8, bit d of each: a plateau edge in direction d (-z -y -x +x +y +z).
        exits: (voxels,) bool.
        saturated: for each axis the (lower) face of the block, True where a saturated edge leads out of it; there the
            maxima of two blocks are one. Empty where the block has no neighbour.
    """

    labels: np.ndarray
    ends: np.ndarray
    plateau: np.ndarray
    edges: np.ndarray
    exits: np.ndarray
    saturated: tuple[np.ndarray, np.ndarray, np.ndarray]


def basins_of_block(affinities: np.ndarray, low: float, high: float, block: Window) -> BlockBasins:
    """The part of `basins` that a block alone decides; the array ends two voxels around it, or at the volume's border.

    Args:
        affinities, low, high: as in `basins`.
        block: where the block is in the array.
    """
    labels, ends, codes, plateau, high = labelled(affinities, low, high, block)
    plateau = np.sort(plateau)
    edges, exits = plateau_edges(codes.reshape(-1), plateau, steps_of(codes.shape))
    saturated = [_saturated_face(affinities, codes, high, block, axis) for axis in range(3)]
    inner = np.ascontiguousarray(labels[block])
    return BlockBasins(inner, ends, plateau, edges, exits, (saturated[0], saturated[1], saturated[2]))


def _saturated_face(affinities: np.ndarray, codes: np.ndarray, high: float, block: Window, axis: int) -> np.ndarray:
    if block[axis].start == 0:
        return np.zeros((0, 0), dtype=bool)
    here = tuple(part.start if a == axis else part for a, part in enumerate(block))
    there = tuple(part.start - 1 if a == axis else part for a, part in enumerate(block))
    mutual = (codes[here] >> axis) & (codes[there] >> (5 - axis)) & 1
    return (mutual == 1) & (affinities[(axis, *here)] >= high)
