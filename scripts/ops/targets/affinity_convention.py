"""What each affinity channel means: one object for targets, inference and decoders, so that a mismatch is an error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.ops.box import Offset3


@dataclass(frozen=True)
class AffinityConvention:
    """Channel c at voxel v states whether v and v + offsets[c] belong to the same object (1) or not (0).

    The value is always stored at v, the start of the step. A network that stores the edge at its far end has
    the negated offset. `repulsive` channels are read by the mutex watershed as reasons to keep two voxels apart, with
    strength 1 - affinity; all others as reasons to join them, of strength affinity.

    Args:
        offsets: one (z, y, x) step in voxels per channel.
        repulsive: one flag per channel; none repulsive by default.

    Raises:
        ValueError: no offsets, a zero step, a step given twice, a number of flags other than the number of offsets.
    """

    offsets: tuple[Offset3, ...]
    repulsive: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        offsets = tuple(_step(offset) for offset in self.offsets)
        repulsive = tuple(bool(flag) for flag in self.repulsive) or (False,) * len(offsets)
        if not offsets:
            raise ValueError("an affinity convention needs at least one offset, such as (-1, 0, 0)")
        if len(repulsive) != len(offsets):
            raise ValueError(f"{len(repulsive)} repulsive flags for {len(offsets)} offsets; give one per channel")
        seen: set[Offset3] = set()
        for offset in offsets:
            opposite = (-offset[0], -offset[1], -offset[2])
            if offset == (0, 0, 0) or offset in seen or opposite in seen:
                raise ValueError(f"offset {offset} is zero or names an edge that an earlier channel has: {offsets}")
            seen.add(offset)
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "repulsive", repulsive)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.offsets)

    def check(self, affinities: np.ndarray) -> None:
        """Raise ValueError unless the array is (channels, z, y, x) with this convention's number of channels."""
        if affinities.ndim != 4:
            raise ValueError(f"affinities of shape {affinities.shape} are not 4-D; expected (channels, z, y, x)")
        if affinities.shape[0] != self.channels:
            raise ValueError(
                f"{affinities.shape[0]} affinity channels, but the convention has {self.channels}: {self.offsets}; "
                "name the convention the network was trained with"
            )

    def require(self, other: "AffinityConvention") -> None:
        """Raise ValueError, naming both, unless `other` means the same by every channel."""
        if self != other:
            raise ValueError(f"affinity conventions differ: {self} against {other}; decode with the one trained with")

    def check_nearest(self) -> None:
        """Raise ValueError unless each axis has a channel of one step, forwards or backwards."""
        for axis, (z, y, x) in enumerate(NEAREST.offsets):
            if (z, y, x) not in self.offsets and (-z, -y, -x) not in self.offsets:
                raise ValueError(
                    f"no channel of {self.offsets} joins nearest neighbours along {'zyx'[axis]}: {(z, y, x)}"
                )

    def nearest(self, affinities: np.ndarray) -> np.ndarray:
        """The three nearest-neighbour channels in the form of `NEAREST`: (3, z, y, x), edge of v and v - e stored at v.

        No copy is made when the first three channels already have that form.

        Raises:
            ValueError: wrong channel count, or an axis without a nearest-neighbour channel.
        """
        self.check(affinities)
        if self.offsets[:3] == NEAREST.offsets:
            return affinities[:3]
        self.check_nearest()
        picked = np.empty((3, *affinities.shape[1:]), dtype=affinities.dtype)
        for axis, step in enumerate(NEAREST.offsets):
            if step in self.offsets:
                picked[axis] = affinities[self.offsets.index(step)]
            else:
                ahead = (-step[0], -step[1], -step[2])
                picked[axis] = np.roll(affinities[self.offsets.index(ahead)], 1, axis=axis)
        return picked


def _step(offset: Sequence[int]) -> Offset3:
    try:
        z, y, x = (int(step) for step in offset)
        whole = (z, y, x) == tuple(offset)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(f"offset {offset!r} is not three whole numbers (z, y, x), such as (-1, 0, 0)")
    return z, y, x


def _along_axes(z: int, y: int, x: int) -> tuple[Offset3, ...]:
    return (-z, 0, 0), (0, -y, 0), (0, 0, -x)


NEAREST = AffinityConvention(_along_axes(1, 1, 1))
"""Three channels z, y, x; at v the edge of v and v - e. The convention of the published networks (Lin et al. 2021)."""

LONG_RANGE = AffinityConvention(
    _along_axes(1, 1, 1) + _along_axes(2, 3, 3) + _along_axes(3, 9, 9) + _along_axes(4, 27, 27),
    (False,) * 3 + (True,) * 9,
)
"""Twelve channels: nearest neighbours attract; steps of 2-3-3, 3-9-9 and 4-27-27 voxels (z-y-x) repel."""

CONVENTIONS = {"nearest": NEAREST, "long_range": LONG_RANGE}
"""Names for configs and the command line."""


def convention(given: "str | Sequence[Sequence[int]] | AffinityConvention") -> AffinityConvention:
    """The convention of that name, or of those offsets; a convention is returned as it is.

    Of offsets, steps of one voxel attract and longer ones repel, as the mutex watershed reads them (Wolf et al. 2018).

    Args:
        given: "nearest", "long_range", or one (z, y, x) step for each channel, in the channels' order.

    Raises:
        ValueError: an unknown name, or offsets that are no steps.
    """
    if isinstance(given, AffinityConvention):
        return given
    if not isinstance(given, str):
        offsets = tuple(map(_step, given))
        return AffinityConvention(offsets, tuple(sum(map(abs, offset)) > 1 for offset in offsets))
    if given not in CONVENTIONS:
        raise ValueError(
            f"unknown affinity convention '{given}'; there are: {', '.join(CONVENTIONS)}, or a list of offsets such as "
            "[[-1,0,0],[0,-1,0],[0,0,-1]]"
        )
    return CONVENTIONS[given]
