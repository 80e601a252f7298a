"""What every voxel-wise loss shares: the known voxels of a prediction, in float32, and their mean for each sample.

All these losses take logits (B, C, Z, Y, X) and the pair (target, known), both of that shape, known bool. Unknown
voxels get a gradient of exactly 0, whatever their prediction; a sample that knows nothing has the loss 0. A loss is the
mean of its samples' losses, so that a batch may be split over accumulation steps or processes without a change.
"""

import torch

Truth = tuple[torch.Tensor, torch.Tensor]
"""Target float and known bool, both (B, C, Z, Y, X)."""


def known_logits(prediction: torch.Tensor, truth: Truth) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Float32 logits and target, 0 where unknown, and the mask: all (B, C, Z, Y, X).

    Raises:
        ValueError: shapes that differ, or a mask that is not bool.
    """
    target, known = truth
    if prediction.shape != target.shape or prediction.shape != known.shape:
        raise ValueError(
            f"prediction {list(prediction.shape)}, target {list(target.shape)} and known {list(known.shape)} differ; "
            "all are (B, C, Z, Y, X): does the network have one output channel for each channel of the target?"
        )
    if known.dtype != torch.bool:
        raise ValueError(f"known has dtype {known.dtype}, but is bool: True where the target may be trusted")
    return torch.where(known, prediction.float(), 0.0), torch.where(known, target.float(), 0.0), known


def mean_over_known(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean of `values` over the known voxels, along all but the leading axis; 0 where nothing is known."""
    total = torch.where(known, values, 0.0).flatten(1).sum(1)
    return total / known.flatten(1).sum(1).clamp(min=1)
