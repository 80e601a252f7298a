"""Sliding-window inference with Gaussian blending, and flips that are averaged where affinities mean the same edge."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer

from scripts.engines.precision_inferer import PrecisionInferer
from scripts.inferers.blender import Blender
from scripts.inferers.box_mask import BoxMask, with_zeros
from scripts.inferers.mirrored_planes import mirrored_planes
from scripts.inferers.window_votes import Network, WindowVotes
from scripts.ops.affinity_flips import FlipVotes, flip_codes
from scripts.ops.blending import TotalWeights, blend_weights
from scripts.ops.box import Box, Size3
from scripts.ops.targets.affinity_convention import AffinityConvention, convention
from scripts.ops.windows import WindowGrid, WindowRow

GRIDS = 4
"""Grids whose sums of weights an inferer keeps, for volumes of the same shape."""


class VolumeInferer(Inferer):
    """Apply a network of maps to a volume of any size, window by window.

    The volume is continued beyond its ends by mirroring. A window's flips are averaged first; windows are then blended.
    Sums are float32, and blended values are clamped to the range of the values they were blended from.

    The bits of a voxel depend on the volume, the network and these settings, not on the box that is predicted: the
    grid of windows begins with the padded volume, windows are added in its order, and the network is always given the
    same number of them, the last one repeated where fewer are left. On a CPU they also depend on whether torch has one
    thread or several, as it computes 1x1x1 convolutions in another way with one.

    Args:
        window: voxels (z, y, x) that the network sees at once.
        stride: voxels from one window to the next.
        flips: 1, 4, 8 or 16, or a list of symmetry codes, see `scripts.ops.affinity_flips.FLIPS`.
        blend: `gaussian` or `constant`.
        batch: windows or flips of windows that the network is given at once.
        affinity: for a network of affinities its convention, by name or as such; None for maps that flip as images do.
        precision: `fp32` or `bf16`.
        pad: voxels that are added on both sides of each axis, at least.

    Raises:
        ValueError: impossible sizes, flips, blend, convention or precision.

    Example::

        maps = VolumeInferer(window=(6, 96, 96), flips=4)(image, ActivatedNetwork(network, ["sigmoid"] * 3))
    """

    def __init__(
        self,
        window: Sequence[int] = (6, 96, 96),
        stride: Sequence[int] = (3, 48, 48),
        flips: int | Sequence[int] = 4,
        blend: str = "gaussian",
        batch: int = 4,
        affinity: str | AffinityConvention | None = None,
        precision: str = "fp32",
        pad: Sequence[int] = (3, 48, 48),
    ) -> None:
        super().__init__()
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise ValueError(f"batch {batch!r} is not a whole number above 0")
        self.window, self.stride, self.pad = _triple(window), _triple(stride), _triple(pad)
        self.batch, self.blend = batch, blend
        self.weights = blend_weights(blend, self.window)
        self.codes = flip_codes(flips)
        self.convention = None if affinity is None else convention(affinity)
        self.precise = PrecisionInferer(precision)
        self.votes = WindowVotes(self.window, FlipVotes(self.codes, self.convention), self.batch, self.precise)
        self.grid(self.window)  # refuses sizes that do not fit together
        self._weights_of_votes: dict[tuple[torch.device, int], torch.Tensor] = {}
        self._totals: dict[Size3, TotalWeights] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that decide the result, apart from volume and network, as plain numbers and text."""
        return {
            "window": list(self.window),
            "stride": list(self.stride),
            "pad": list(self.pad),
            "flips": list(self.codes),
            "blend": self.blend,
            "affinity": None if self.convention is None else [list(offset) for offset in self.convention.offsets],
            "precision": self.precise.precision,
            "batch": self.batch,
        }

    @property
    def together(self) -> int:
        """Windows that the network is given at once, each with as many flips as `batch` has room for."""
        return max(1, self.batch // len(self.codes))

    def grid(self, volume: Sequence[int], box: Box | None = None) -> WindowGrid:
        """Return the windows over a box of a volume of that shape, in rows of at least a batch."""
        return WindowGrid(_triple(volume), self.window, self.stride, self.pad, self.together, box)

    def totals(self, grid: WindowGrid) -> TotalWeights:
        """Return the sums of the weights of all windows of a volume; those of the last few shapes are cached."""
        if grid.volume not in self._totals:
            while len(self._totals) >= GRIDS:
                del self._totals[next(iter(self._totals))]
            self._totals[grid.volume] = TotalWeights(self.weights, grid.all_starts, grid.padded)
        return self._totals[grid.volume]

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Network,
        *args: Any,
        unmasked: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Return maps (B, C, z, y, x) float32 of images (B, 1, z, y, x), on the images' device.

        Args:
            inputs: images.
            network: (n, 1, z, y, x) to maps (n, C, z, y, x).
            args: passed to the network.
            unmasked: bool like the images; where it is False maps are 0, affinities also where their edge ends there,
                and windows that are masked completely are not computed.
            kwargs: passed to the network.

        Raises:
            ValueError: an image of other axes, or a network whose output has another size than its input.
        """
        if inputs.ndim != 5:
            raise ValueError(f"image of shape {tuple(inputs.shape)} has not the five axes (batch, channel, z, y, x)")
        if isinstance(inputs, MetaTensor):
            inputs = inputs.as_tensor()
        grid = self.grid(tuple(inputs.shape[2:]))
        maps: torch.Tensor | None = None
        for sample, image in enumerate(inputs):
            blender = Blender(grid, self.totals(grid), inputs.device)
            planes, plane = torch.empty(0), -1
            mask: BoxMask | None = None
            if unmasked is not None:
                mask = BoxMask(
                    unmasked[sample, 0].cpu().numpy(), Box.whole(grid.shape), grid, convention=self.convention
                )
            for step in grid.steps:
                if step.z != plane:
                    planes, plane = mirrored_planes(image, grid, step.z), step.z
                row = planes[:, :, slice(*step.lines), slice(*grid.columns)]
                counting = None if mask is None else mask.row(step)
                completed = self.step(row, step, blender, network, *args, unmasked=counting, **kwargs)
                completed = with_zeros(completed, None if mask is None else mask.kept(step))
                if completed is None:
                    continue
                if maps is None:
                    maps = completed.new_empty((len(inputs), len(completed), *grid.shape))
                (z0, z1), (y0, y1) = grid.in_box(step.ended_z, 0), grid.in_box(step.ended_y, 1)
                maps[sample, :, z0:z1, y0:y1] = completed
        assert maps is not None
        return maps

    @torch.no_grad()
    def step(
        self,
        image: torch.Tensor,
        step: WindowRow,
        blender: Blender,
        network: Network,
        *args: Any,
        unmasked: np.ndarray | None = None,
        **kwargs: Any,
    ) -> torch.Tensor | None:
        """Add the windows of a row to the sums, and return the maps (C, z, y, x) that it completes, if any.

        Args:
            image: (1, z, y, x), the voxels of the padded volume that the step's windows span.
            step: of `blender.grid`.
            blender: keeps the sums.
            network: (n, 1, z, y, x) to maps (n, C, z, y, x).
            args: passed to the network.
            unmasked: (z, y, x) bool of the same voxels; a window without one that counts is left out of the sums, so
                that maps are meaningless where it is False.
            kwargs: passed to the network.
        """
        depth, height, width = self.window
        first_y, first_x = step.lines[0], blender.grid.columns[0]
        places = [(y, x) for y in step.ys for x in blender.grid.starts[2]]
        if unmasked is not None:
            needed = [(y, x) for y, x in places if unmasked[:, y - first_y :, x - first_x :][:, :height, :width].any()]
            places = needed or ([] if blender.opened else places[:1])  # one window gives the number of channels
        for begin in range(0, len(places), self.together):
            chosen = places[begin : begin + self.together]
            cuts = [image[:, :, y - first_y :, x - first_x :][:, :depth, :height, :width] for y, x in chosen]
            cuts += cuts[-1:] * (self.together - len(cuts))
            votes, bounds = self.votes(torch.stack(cuts), network, *args, **kwargs)
            blender.open(votes.shape[1])
            votes, weights = votes.to(blender.device), self._weights(blender.device, votes.shape[1])
            bounds = bounds.to(blender.device)
            for number, (y, x) in enumerate(chosen):
                blender.add(step.z, y, x, votes[number], weights, bounds[number])
        return blender.completed(step)

    def _weights(self, device: torch.device, channels: int) -> torch.Tensor:
        """Return the weight of a vote, (C, z, y, x): a window's weights divided by the votes on each voxel."""
        key = device, channels
        if key not in self._weights_of_votes:
            weights = torch.from_numpy(self.weights)[None] / self.votes.counts()
            self._weights_of_votes[key] = weights.expand(channels, -1, -1, -1).contiguous().to(device)
        return self._weights_of_votes[key]


def _triple(sizes: Sequence[int]) -> Size3:
    if len(sizes) != 3:
        raise ValueError(f"{list(sizes)} is not three whole numbers of voxels: z, y, x")
    z, y, x = sizes
    return z, y, x
