"""The output of a network for windows, summed over their flips: votes, with the range of their values."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from scripts.engines.precision_inferer import PrecisionInferer
from scripts.ops.affinity_flips import FlipVotes
from scripts.ops.box import Size3
from scripts.ops.symmetry import apply_symmetry

Network = Callable[..., torch.Tensor]


class WindowVotes:
    """Apply a network to windows and to their flips, and add what it makes of them.

    Args:
        window: voxels (z, y, x) of a window.
        flips: how the maps of a flip are turned back and added.
        batch: windows or flips of windows that the network is given at once.
        precise: calls the network.
    """

    def __init__(self, window: Size3, flips: FlipVotes, batch: int, precise: PrecisionInferer) -> None:
        self.window, self.flips, self.batch, self.precise = window, flips, batch, precise

    def counts(self) -> torch.Tensor:
        """Return the number of votes on each voxel of a window, see `FlipVotes.counts`."""
        return self.flips.counts(self.window)

    def __call__(
        self, windows: torch.Tensor, network: Network, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the output for windows (n, 1, z, y, x), summed over flips, (n, C, z, y, x) float32; and the lowest
        value and the negated highest value among the votes of each window and channel, (n, 2, C).

        Raises:
            ValueError: a network whose output has another size than its input.
        """
        at_once = max(1, self.batch // len(windows))
        votes: torch.Tensor | None = None
        bounds: list[torch.Tensor] = []
        for codes in _alike(self.flips.codes, at_once, self.window[1] == self.window[2]):
            turned = [apply_symmetry(windows, code) for code in codes]
            seen = turned[0] if len(turned) == 1 else torch.cat(turned)
            maps = self.precise(seen, network, *args, **kwargs)
            if maps.ndim != 5 or len(maps) != len(seen) or maps.shape[2:] != seen.shape[2:]:
                raise ValueError(
                    f"the network makes {tuple(maps.shape)} of windows {tuple(seen.shape)}; its maps must have the "
                    "size of its windows"
                )
            if votes is None:  # the window as it is comes first
                if len(self.flips.codes) == 1:
                    return maps, _bounds(maps)
                votes = torch.zeros((len(windows), *maps.shape[1:2], *self.window), device=maps.device)
            for code, part in zip(codes, maps.split(len(windows)), strict=True):
                self.flips.add(votes, part, code)
                bounds.append(self.flips.moved_bounds(_bounds(part), code))
        assert votes is not None
        return votes, torch.stack(bounds).amin(0)


def _bounds(maps: torch.Tensor) -> torch.Tensor:
    """Return the lowest value and the negated highest value of each window and channel of maps (n, C, z, y, x),
    (n, 2, C). A window with NaN has no bounds."""
    bounds = torch.stack((maps.amin((2, 3, 4)), -maps.amax((2, 3, 4))), 1)
    return bounds.nan_to_num_(-torch.inf, torch.inf, -torch.inf)


def _alike(codes: Sequence[int], at_once: int, square: bool) -> list[list[int]]:
    """Divide codes into groups of at most `at_once` whose windows have one shape."""
    groups: list[list[int]] = []
    for code in codes:
        if groups and len(groups[-1]) < at_once and (square or (groups[-1][0] ^ code) < 8):
            groups[-1].append(code)
        else:
            groups.append([code])
    return groups
