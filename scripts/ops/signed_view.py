"""Let torch move 16, 32 and 64-bit unsigned voxels, for which it has few operations, as signed ones of that width."""

import torch

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def as_signed_view(voxels: torch.Tensor) -> torch.Tensor:
    """The same bytes in a dtype that can be flipped and gathered; take `.view(dtype)` of the result to come back."""
    return voxels.view(_SIGNED.get(voxels.dtype, voxels.dtype))
