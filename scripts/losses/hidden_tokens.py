"""The masked autoencoder's loss: how wrong are the hidden tokens, each in its own units?"""

from collections.abc import Sequence

import torch
from torch import nn

from scripts.networks.tokens import normalise_tokens, to_tokens, token_means
from scripts.ops.box import three_sizes


class HiddenTokenLoss(nn.Module):
    """Mean squared error of the hidden tokens against their voxels, scaled to zero mean and unit variance per token.

    The mean is over the voxels of a token, then over all hidden tokens of the batch (Cheng et al. 2023). Visible tokens
    do not count, nor do voxels that a mask of the volume leaves out: a token's error, mean and variance are then those
    of its other voxels, and a token without any does not count. With such a mask the mean is over the tokens of each
    sample, then over samples, so that a batch may be split over accumulation steps or processes without a change.
    Predicting each token's mean scores 1 (see `normalise_tokens` for the variance). In float32 whatever the precision
    of the network.

    Args:
        patch: voxels of a token along (z, y, x), the network's.

    Example:
        >>> image = torch.arange(16.0).view(1, 1, 1, 4, 4)
        >>> mask = torch.tensor([[[[True, False], [False, False]]]])
        >>> loss = HiddenTokenLoss(patch=(1, 2, 2))
        >>> round(loss(torch.zeros_like(image), (image, mask)).item(), 4)  # every token's mean
        1.0
    """

    def __init__(self, patch: Sequence[int] = (1, 16, 16)) -> None:
        super().__init__()
        self.patch = three_sizes(patch, "patch")

    def forward(self, reconstruction: torch.Tensor, target: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Scalar loss; not a number where nothing is hidden, 0 of a sample where the mask leaves nothing that is.

        Args:
            reconstruction: (B, C, Z, Y, X), from `MaskedAutoencoder`.
            target: the image (B, C, Z, Y, X), the mask of the tokens, bool (B, gz, gy, gx), True = hidden, and, where
                the volumes have a mask, the voxels that count, bool (B, C, Z, Y, X).
        """
        image, mask = target[:2]
        if reconstruction.shape != image.shape:
            raise ValueError(f"reconstruction {list(reconstruction.shape)} and image {list(image.shape)} differ")
        counting = to_tokens(target[2], self.patch) if len(target) > 2 else None
        truth, _, _ = normalise_tokens(to_tokens(image, self.patch), counting)
        hidden = mask.flatten(1)
        if hidden.dtype != torch.bool or hidden.shape != truth.shape[:2]:
            raise ValueError(
                f"mask {hidden.dtype} {list(mask.shape)} must be bool and one value for each of the {truth.shape[1]} "
                f"tokens of {truth.shape[0]} samples"
            )
        error = (to_tokens(reconstruction.float(), self.patch) - truth).square()
        if counting is None:
            return (error.mean(2) * hidden).sum() / hidden.sum()
        scored = hidden & counting.any(2)
        return ((token_means(error, counting) * scored).sum(1) / scored.sum(1).clamp(min=1)).mean()
