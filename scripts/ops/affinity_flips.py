"""Average a network's output for a window and its flips; affinities are moved back to their own edge.

Turned back as an image, an affinity of a flipped window is stored at the wrong end of its edge: where channel c of the
convention has offset o, the network answers at voxel p of the flipped window for the edge (p, p + o). In the window
itself that is the edge (q, q + Go), with G the flip as a matrix. If Go is the offset of a channel, the answer is in its
place. If Go is the opposite of an offset o', the answer is for channel o', but at the edge's other end: at voxel v it
is to be read from v + o'. Where that is outside the window, the flip does not know the edge and takes no vote.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from scripts.ops.box import Offset3
from scripts.ops.symmetry import (
    FLIP_X,
    FLIP_Y,
    FLIP_Z,
    SWAP_YX,
    SYMMETRIES,
    apply_symmetry,
    inverse_symmetry,
)
from scripts.ops.targets.affinities import offset_slices
from scripts.ops.targets.affinity_convention import AffinityConvention

FLIPS = {
    1: (0,),
    4: (0, FLIP_Z, SWAP_YX, FLIP_Z | SWAP_YX),
    8: tuple(range(8)),
    16: tuple(range(SYMMETRIES)),
}
"""Symmetries by their number. 4 and 16 are those of PyTorch Connectomics: a flip of z and a swap of y and x, and all;
8 are the flips of z, y and x without the swap, for voxels or windows that are not square in plane."""


def flip_codes(flips: int | Sequence[int]) -> tuple[int, ...]:
    """Symmetry codes of that many flips, or the codes given, of which 0, the window as it is, must be one.

    Raises:
        ValueError: another number, codes that are unknown or given twice, or 0 not among them.
    """
    if isinstance(flips, int):
        if flips not in FLIPS:
            raise ValueError(f"flips {flips} is not one of {', '.join(map(str, FLIPS))}, nor a list of symmetry codes")
        return FLIPS[flips]
    codes = tuple(int(code) for code in flips)
    if 0 not in codes or len(set(codes)) < len(codes) or not all(0 <= code < SYMMETRIES for code in codes):
        raise ValueError(f"symmetry codes {codes} must be different ones of 0 to {SYMMETRIES - 1}, with 0 among them")
    return codes


@dataclass(frozen=True)
class Move:
    """The vote of a channel at voxel v is channel `source` of the turned-back prediction at v + `shift`."""

    source: int
    shift: Offset3


def channel_moves(convention: AffinityConvention, code: int) -> list[Move | None]:
    """For each channel where its vote is under a symmetry; None where no channel speaks of its edges."""
    turned = [_turned(offset, code) for offset in convention.offsets]
    moves: list[Move | None] = []
    for z, y, x in convention.offsets:
        if (z, y, x) in turned:
            moves.append(Move(turned.index((z, y, x)), (0, 0, 0)))
        elif (-z, -y, -x) in turned:
            moves.append(Move(turned.index((-z, -y, -x)), (z, y, x)))
        else:
            moves.append(None)
    return moves


class FlipVotes:
    """The sum of the votes that flips of a window give on each of its voxels, and how many there are.

    Args:
        codes: symmetries, 0 among them, so that each voxel has a vote.
        convention: what the affinity channels mean; None for maps that flip as images do.
    """

    def __init__(self, codes: Sequence[int], convention: AffinityConvention | None = None) -> None:
        self.codes, self.convention = tuple(codes), convention
        self.moves = {} if convention is None else {code: channel_moves(convention, code) for code in codes}

    def add(self, votes: torch.Tensor, prediction: torch.Tensor, code: int) -> None:
        """Add to votes (N, C, z, y, x) what the network made of the windows under symmetry `code`, (N, C, z', y', x').

        Raises:
            ValueError: another number of channels than the convention has.
        """
        turned = apply_symmetry(prediction, inverse_symmetry(code))
        if self.convention is None:
            votes += turned
            return
        if votes.shape[1] != self.convention.channels:
            raise ValueError(
                f"the network gives {votes.shape[1]} channels, the affinity convention has {self.convention.channels}: "
                f"{self.convention.offsets}; name the one the network was trained with"
            )
        moves = self.moves[code]
        if all(move == Move(channel, (0, 0, 0)) for channel, move in enumerate(moves)):
            votes += turned
            return
        for channel, move in enumerate(moves):
            if move is not None:
                here, there = offset_slices(tuple(votes.shape[2:]), move.shift)
                votes[:, channel][(slice(None), *here)] += turned[:, move.source][(slice(None), *there)]

    def moved_bounds(self, bounds: torch.Tensor, code: int) -> torch.Tensor:
        """Of the bounds (n, 2, C) of each channel under symmetry `code` those of the votes on each channel.

        Bounds are lowest values and negated highest ones; infinite, so that they bound nothing, without a vote.
        """
        if self.convention is None:
            return bounds
        moved = torch.full_like(bounds, torch.inf)
        for channel, move in enumerate(self.moves[code]):
            if move is not None:
                moved[:, :, channel] = bounds[:, :, move.source]
        return moved

    def counts(self, window: Sequence[int]) -> torch.Tensor:
        """Votes on each voxel of a window: (channels, z, y, x), or (1, 1, 1, 1) where all have the same number."""
        if self.convention is None:
            return torch.full((1, 1, 1, 1), float(len(self.codes)))
        shape = (1, self.convention.channels, *map(int, window))
        votes = torch.zeros(shape)
        for code in self.codes:
            turned = apply_symmetry(torch.ones(shape), code)
            self.add(votes, turned, code)
        return votes[0]


def _turned(offset: Offset3, code: int) -> Offset3:
    """A step in a turned window as a step in the window itself: the swap is undone first, as it was done last."""
    z, y, x = offset
    if code & SWAP_YX:
        y, x = x, y
    return (
        -z if code & FLIP_Z else z,
        -y if code & FLIP_Y else y,
        -x if code & FLIP_X else x,
    )
