"""Positions of the windows of a sliding-window inference, their order, and what each step completes.

Three frames, axes z, y, x: the volume; the requested box of it; and the padded volume, in which windows start. Voxels
of the padded volume outside the volume are its mirror image. The grid of windows begins with the padded volume, so a
voxel is in the same windows whatever box is requested.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scripts.ops.box import Box, Size3, three_sizes

Range = tuple[int, int]


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """First voxels of the windows along one axis: every `stride`, the last one moved back to end with the axis.

    Raises:
        ValueError: an axis shorter than the window, or a stride outside 1 to the window.
    """
    if size < window:
        raise ValueError(f"an axis of {size} voxels is shorter than a window of {window}; pad it")
    if not 1 <= stride <= window:
        raise ValueError(f"a stride of {stride} leaves voxels out or stands still: use 1 to the window's {window}")
    last = size - window
    return [*range(0, last, stride), last]


def padding(size: int, window: int, least: int) -> Range:
    """Voxels to add before and after an axis: `least` on each side, more where a window would not fit otherwise."""
    lacking = max(0, window - size - 2 * least)
    return least + lacking // 2, least + lacking - lacking // 2


def mirrored(first: int, stop: int, size: int) -> np.ndarray:
    """Indices in [0, size) of the voxels first to stop of an axis that continues by mirroring at its end voxels.

    The end voxels are not repeated (2 1 0 1 2); an axis shorter than the request is mirrored again and again, and
    one of a single voxel repeats it.
    """
    if size == 1:
        return np.zeros(stop - first, np.int64)
    place = np.arange(first, stop) % (2 * size - 2)
    return np.where(place < size, place, 2 * size - 2 - place)


@dataclass(frozen=True)
class WindowRow:
    """A row of windows along x, or several such rows, that are computed together.

    Attributes:
        index: of the step.
        z: first plane of its windows, in the padded volume.
        ys: first lines of its windows.
        lines: the lines that its windows span.
        ended_z: planes of the padded volume that nothing later adds to, within `ended_y`.
        ended_y: lines of the padded volume.
        ends_planes: whether it is the last step of its planes.
    """

    index: int
    z: int
    ys: tuple[int, ...]
    lines: Range
    ended_z: Range
    ended_y: Range
    ends_planes: bool


@dataclass(frozen=True)
class WindowGrid:
    """The windows that touch a box of a volume, and the steps that go through them: z slowest, then y, then x.

    Each window belongs to one step, and so is computed once.

    Args:
        volume: voxels of the volume.
        window: voxels of a window.
        stride: voxels from one window to the next.
        pad: voxels added on both sides of each axis of the volume, at least.
        together: windows that the network takes at once; a step has as many rows along x as it needs to leave few of
            these places empty.
        box: the voxels to predict; all by default.

    Raises:
        ValueError: sizes that are not three positive numbers, a stride beyond the window, a negative padding, a box
            outside the volume.
    """

    volume: Size3
    window: Size3
    stride: Size3
    pad: Size3
    together: int = 1
    box: Box | None = None

    def __post_init__(self) -> None:
        for name, least in (("volume", 1), ("window", 1), ("stride", 1), ("pad", 0)):
            object.__setattr__(self, name, three_sizes(getattr(self, name), name, least))
        for axis, size, stride in zip("zyx", self.window, self.stride, strict=True):
            if stride > size:
                raise ValueError(
                    f"stride {self.stride} exceeds window {self.window} along {axis}: voxels would be left out"
                )
        Box.parse(self.box, self.volume)

    @property
    def shape(self) -> Size3:
        """Voxels of the box."""
        return self.volume if self.box is None else self.box.shape

    @cached_property
    def paddings(self) -> tuple[Range, Range, Range]:
        """Voxels before and after the volume along z, y, x."""
        z, y, x = (padding(*sizes) for sizes in zip(self.volume, self.window, self.pad, strict=True))
        return z, y, x

    @cached_property
    def before(self) -> Size3:
        """Voxels of the padded volume before the first of the box."""
        start = (0, 0, 0) if self.box is None else self.box.start
        z, y, x = (added + first for (added, _), first in zip(self.paddings, start, strict=True))
        return z, y, x

    @cached_property
    def padded(self) -> Size3:
        """Voxels of the padded volume."""
        z, y, x = (size + sum(added) for size, added in zip(self.volume, self.paddings, strict=True))
        return z, y, x

    @cached_property
    def all_starts(self) -> tuple[list[int], list[int], list[int]]:
        """First voxels of all windows of the volume along z, y, x, in the padded volume."""
        z, y, x = (window_starts(*sizes) for sizes in zip(self.padded, self.window, self.stride, strict=True))
        return z, y, x

    @cached_property
    def starts(self) -> tuple[list[int], list[int], list[int]]:
        """First voxels of the windows that touch the box."""
        z, y, x = (
            [start for start in starts if before - window < start < before + size]
            for starts, before, window, size in zip(self.all_starts, self.before, self.window, self.shape, strict=True)
        )
        return z, y, x

    @property
    def columns(self) -> Range:
        """The columns of the padded volume that the windows span."""
        return self.starts[2][0], self.starts[2][-1] + self.window[2]

    @property
    def windows(self) -> int:
        """Number of windows that touch the box."""
        return int(np.prod([len(starts) for starts in self.starts]))

    @cached_property
    def steps(self) -> list[WindowRow]:
        """All steps in order."""
        zs, ys, xs = self.starts
        rows = _rows(len(xs), len(ys), self.together)
        groups = [tuple(ys[first : first + rows]) for first in range(0, len(ys), rows)]
        found: list[WindowRow] = []
        for plane, z in enumerate(zs):
            ended_z = (z, zs[plane + 1] if plane + 1 < len(zs) else self.padded[0])
            for number, group in enumerate(groups):
                last = number + 1 == len(groups)
                ended_y = (group[0], self.padded[1] if last else groups[number + 1][0])
                lines = (group[0], group[-1] + self.window[1])
                found.append(WindowRow(len(found), z, group, lines, ended_z, ended_y, last))
        return found

    def first_step_for(self, section: int) -> int:
        """Index of the first step whose windows reach a section of the box: where to begin, to have it again."""
        plane = section + self.before[0]
        return next(step.index for step in self.steps if step.z + self.window[0] > plane)

    def in_box(self, ended: Range, axis: int) -> Range:
        """The part of a range of the padded volume that is in the box, counted from the box's first voxel."""
        low, high = (min(max(end - self.before[axis], 0), self.shape[axis]) for end in ended)
        return low, high


def _rows(columns: int, lines: int, together: int) -> int:
    """Fewest rows of windows that fill batches of `together` but for a twentieth; all rows where none do."""
    for rows in range(1, lines):
        places = -(-rows * columns // together) * together
        if places <= 1.05 * rows * columns:
            return rows
    return lines
