"""The mask of a box as rows of windows need it: which windows to compute, and which values to set to 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scripts.ops.box import Box, Window
from scripts.ops.targets.affinities import affinities_known
from scripts.ops.targets.affinity_convention import AffinityConvention
from scripts.ops.windows import Range, WindowGrid, WindowRow


class BoxMask:
    """Read the mask of a box, or of a part of it, row by row.

    Args:
        mask: (z, y, x) bool, True in voxels that count: a volume or an array.
        box: the voxels to predict, in those of the mask.
        grid: the windows over the part of the box that is predicted here.
        part: this part, in voxels of the mask; all of the box by default.
        convention: of affinities, which are 0 where their edge begins or ends in the mask; None for other maps.
    """

    def __init__(
        self,
        mask: Any,
        box: Box,
        grid: WindowGrid,
        part: Box | None = None,
        convention: AffinityConvention | None = None,
    ) -> None:
        self.mask, self.box, self.grid, self.convention = mask, box, grid, convention
        self.part = box if part is None else part
        offsets = () if convention is None else convention.offsets
        self._reach = tuple(max((abs(offset[axis]) for offset in offsets), default=0) for axis in range(3))

    def row(self, step: WindowRow) -> np.ndarray:
        """The voxels that the windows of a row span, (z, y, x) bool: False beyond the part."""
        spans = ((step.z, step.z + self.grid.window[0]), step.lines, self.grid.columns)
        row = np.zeros([high - low for low, high in spans], dtype=bool)
        ranges = [self.grid.in_box(span, axis) for axis, span in enumerate(spans)]
        if all(low < high for low, high in ranges):
            begins = [
                low + before - first
                for (low, _), before, (first, _) in zip(ranges, self.grid.before, spans, strict=True)
            ]
            z, y, x = (slice(at, at + high - low) for at, (low, high) in zip(begins, ranges, strict=True))
            row[z, y, x] = self._read(ranges)
        return row

    def kept(self, step: WindowRow) -> np.ndarray | None:
        """The values that a row completes and that are not masked, (channels or 1, z, y, x) bool; None of no values."""
        ended = self.grid.in_box(step.ended_z, 0), self.grid.in_box(step.ended_y, 1), (0, self.grid.shape[2])
        if any(low >= high for low, high in ended):
            return None
        around = [
            (max(first - at, low - reach), min(last - at, high + reach))
            for (low, high), reach, at, first, last in zip(
                ended, self._reach, self.part.start, self.box.start, self.box.stop, strict=True
            )
        ]
        z, y, x = (slice(low - first, high - first) for (low, high), (first, _) in zip(ended, around, strict=True))
        inner: Window = (z, y, x)
        counting = self._read(around)
        if self.convention is None:
            return counting[inner][None]
        return affinities_known(counting, self.convention, inner) & counting[inner]

    def _read(self, ranges: Sequence[Range]) -> np.ndarray:
        """The mask of ranges that are counted from the first voxel of the part."""
        z, y, x = (slice(at + low, at + high) for at, (low, high) in zip(self.part.start, ranges, strict=True))
        return np.asarray(self.mask[z, y, x])


def with_zeros(maps: torch.Tensor | None, kept: np.ndarray | torch.Tensor | None) -> torch.Tensor | None:
    """Maps (C, z, y, x) with 0, set in place, where `kept` (C or 1, z, y, x) is False; None of either: as they are."""
    if maps is not None and kept is not None:
        maps.masked_fill_(~torch.as_tensor(kept).to(maps.device).expand_as(maps), 0)
    return maps
