"""Show a network enlarged sections, for volumes whose voxels are larger in plane than those of its training."""

from collections.abc import Sequence

import torch
from torch import nn

from scripts.ops.targets.affinity_convention import AffinityConvention, convention

Offsets = str | Sequence[Sequence[int]] | AffinityConvention | None
LARGEST = 4.0
"""Beyond it the voxels that a network learned from are no longer in the volume."""


class EnlargedSections(nn.Module):
    """A network whose input is enlarged in plane, and whose output is brought back to the voxels of the input.

    A volume of 10 nm voxels, enlarged 10 / 6 times, looks to a network as the voxels of 6 nm that it learned from. Both
    ways are linear interpolation. The output is taken at the same place in the tissue: for an affinity that is the
    middle of its edge, for any other channel the centre of the voxel.

    Args:
        network: (B, 1, Z, Y, X) to logits (B, channels, Z, Y, X).
        factor: how many times larger the sections are made, 1 to 4; sizes are rounded to multiples of `patch`.
        patch: (z, y, x) sizes that the input of the network must be multiples of.
        affinity: convention of the first channels where they are affinities; None for maps of voxels.

    Raises:
        ValueError: a factor outside 1 to 4, or affinities over more than one voxel.

    Example:
        >>> network = EnlargedSections(torch.nn.Conv3d(1, 3, 1), 5 / 3, (1, 8, 8))
        >>> network(torch.zeros(1, 1, 2, 24, 24)).shape
        torch.Size([1, 3, 2, 24, 24])
    """

    def __init__(self, network: nn.Module, factor: float, patch: Sequence[int], affinity: Offsets = None) -> None:
        super().__init__()
        if not 1 <= factor <= LARGEST:
            raise ValueError(f"enlarge {factor:g} is not a factor from 1 to {LARGEST:g}")
        self.steps = [] if affinity is None else list(convention(affinity).offsets)
        far = [list(step) for step in self.steps if max(map(abs, step)) > 1]
        if far:
            raise ValueError(f"enlarge {factor:g} needs affinities to the next voxel, not over {far[0]} voxels")
        self.network, self.factor, self.patch = network, float(factor), tuple(patch)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the output of the network at the voxels of the image, (B, channels, Z, Y, X)."""
        z, y, x = image.shape[2:]
        fine = (z, *(self._enlarged(size, patch) for size, patch in zip((y, x), self.patch[1:], strict=True)))
        output = self.network(nn.functional.interpolate(image, fine, mode="trilinear", align_corners=False)).float()
        steps = [*self.steps, *[(0, 0, 0)] * (output.shape[1] - len(self.steps))]
        back = [
            _sampled(_sampled(channel, -2, y, step[1]), -1, x, step[2])
            for channel, step in zip(output.unbind(1), steps, strict=True)
        ]
        return torch.stack(back, dim=1)

    def _enlarged(self, size: int, patch: int) -> int:
        return max(1, round(size * self.factor / patch)) * patch


def enlarged_sections(network: nn.Module, factor: float, patch: Sequence[int], affinity: Offsets = None) -> nn.Module:
    """The network itself for a factor of 1, else an `EnlargedSections` around it, with the same arguments."""
    return network if factor == 1 else EnlargedSections(network, factor, patch, affinity)


def _sampled(values: torch.Tensor, axis: int, size: int, step: int) -> torch.Tensor:
    """`size` samples of the values along an axis, at the middle of the edge from a voxel to the one `step` away."""
    fine = values.shape[axis]
    at = (torch.arange(size, device=values.device) + 0.5 + step / 2) * (fine / size) - 0.5 - step / 2
    at = at.clamp(0, fine - 1)
    below = at.floor().long().clamp(max=max(0, fine - 2))
    weight = (at - below).to(values.dtype).reshape([size] + [1] * (-1 - axis))
    above = (below + 1).clamp(max=fine - 1)
    return torch.lerp(values.index_select(axis, below), values.index_select(axis, above), weight)
