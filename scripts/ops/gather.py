"""Many crops of several volumes in one indexing operation, on whatever device the voxels are."""

from collections.abc import Sequence

import torch

from scripts.ops.signed_view import as_signed_view


def gather_crops(voxels: torch.Tensor, first: torch.Tensor, strides: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Cut B crops of one size out of volumes that lie one behind the other in a flat tensor.

    Only the starts of rows are indexed: a row of `x` voxels is contiguous, so a batch of 128 crops of 6x96x96 voxels
    needs 74 thousand indices instead of 7 million.

    Args:
        voxels: (N,) all voxels of all volumes, each in z, y, x order.
        first: (B,) place of each crop's first voxel in `voxels`.
        strides: (B, 2) distance of neighbours along z and along y in the volume the crop is of.
        size: (z, y, x) voxels of a crop.

    Returns:
        (B, 1, z, y, x) of the dtype of `voxels`.
    """
    z, y, x = size
    sections = torch.arange(z, device=voxels.device)[:, None] * strides[:, 0, None, None]
    rows = torch.arange(y, device=voxels.device) * strides[:, 1, None, None]
    starts = first[:, None, None] + sections + rows
    return as_signed_view(voxels).unfold(0, x, 1)[starts].unsqueeze(1).view(voxels.dtype)
