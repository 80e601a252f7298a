"""Cut a volume into blocks, and find the neighbours of each."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scripts.ops.box import Box

Size3 = tuple[int, int, int]
DIRECTIONS = (0, 1, 2, 3, 4, 5)
"""-z -y -x +x +y +z; the way back from direction d is 5 - d."""


def axis_of(direction: int) -> int:
    """0, 1 or 2: z, y or x."""
    return min(direction, 5 - direction)


@dataclass(frozen=True)
class BlockGrid:
    """Blocks of one shape from the volume's first voxel on; those at its end may be smaller.

    Args:
        shape: (z, y, x) of the volume.
        block: (z, y, x) of a block.

    Raises:
        ValueError: a block of no voxels.
    """

    shape: Size3
    block: Size3

    def __post_init__(self) -> None:
        if min(self.block) < 1 or len(self.block) != 3:
            raise ValueError(f"block {self.block} is not three numbers of voxels (z, y, x), such as 64,512,512")

    @cached_property
    def counts(self) -> Size3:
        """Blocks along z, y, x."""
        z, y, x = (-(-size // step) for size, step in zip(self.shape, self.block, strict=True))
        return z, y, x

    def __len__(self) -> int:
        z, y, x = self.counts
        return z * y * x

    def box(self, number: int) -> Box:
        """The voxels of a block."""
        at = np.unravel_index(number, self.counts)
        z, y, x = (int(i) * step for i, step in zip(at, self.block, strict=True))
        stop = [min(low + step, size) for low, step, size in zip((z, y, x), self.block, self.shape, strict=True)]
        return Box((z, y, x), (stop[0], stop[1], stop[2]))

    def neighbour(self, number: int, direction: int) -> int | None:
        """The block that a step in a direction leads to; None at the border of the volume."""
        axis, step = axis_of(direction), -1 if direction < 3 else 1
        at = [int(i) for i in np.unravel_index(number, self.counts)]
        at[axis] += step
        if not 0 <= at[axis] < self.counts[axis]:
            return None
        return int(np.ravel_multi_index(at, self.counts))

    def around(self, number: int, halo: int, upper: int | None = None) -> tuple[Box, Box]:
        """The box of a block and `halo` voxels around it (`upper` at its end), and the block's place in that box."""
        box = self.box(number)
        upper = halo if upper is None else upper
        low = [max(0, start - halo) for start in box.start]
        high = [min(size, stop + upper) for stop, size in zip(box.stop, self.shape, strict=True)]
        outer = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        return outer, box.within(outer)

    @property
    def strides(self) -> np.ndarray:
        """Change of a voxel's linear index in the volume for each of the six directions."""
        _, y, x = self.shape
        return np.array([-y * x, -x, -1, 1, x, y * x], dtype=np.int64)

    def linear(self, flat: np.ndarray, box: Box) -> np.ndarray:
        """Linear indices in the volume of flat indices in a box; int64."""
        z, y, x = np.unravel_index(flat.astype(np.int64), box.shape)
        (z0, y0, x0), (_, ny, nx) = box.start, self.shape
        found: np.ndarray = ((z + z0) * ny + (y + y0)) * nx + (x + x0)
        return found

    def inside(self, linear: np.ndarray, box: Box) -> np.ndarray:
        """Which linear indices are in a box."""
        at = np.unravel_index(linear, self.shape)
        return np.logical_and.reduce(
            [(i >= low) & (i < high) for i, low, high in zip(at, box.start, box.stop, strict=True)]
        )

    def owners(self, linear: np.ndarray) -> np.ndarray:
        """The block that each voxel is in."""
        at = np.unravel_index(linear, self.shape)
        z, y, x = (i // step for i, step in zip(at, self.block, strict=True))
        return np.asarray(np.ravel_multi_index((z, y, x), self.counts))

    def on_face(self, linear: np.ndarray, box: Box, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """The two coordinates, in a face of a box across an axis, of voxels by their linear indices."""
        at = np.unravel_index(linear, self.shape)
        first, second = (at[a] - box.start[a] for a in range(3) if a != axis)
        return first, second
