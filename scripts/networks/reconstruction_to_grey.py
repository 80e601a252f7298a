"""A reconstruction as a person wants to see it: grey values, beside and inside the original."""

import torch

from scripts.networks.tokens import from_tokens, normalise_tokens, to_tokens, token_grid


def voxel_mask(mask: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    """(B, gz, gy, gx) token mask to a (B, 1, Z, Y, X) voxel mask."""
    pz, py, px = patch
    spread = mask.repeat_interleave(pz, 1).repeat_interleave(py, 2).repeat_interleave(px, 3)
    return spread.unsqueeze(1)


def in_grey(reconstruction: torch.Tensor, image: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    """(B, C, Z, Y, X) reconstruction in per-token normalised units to the image's units.

    The network predicts neither the mean nor the contrast of a token, so those of the image's own tokens are used.
    """
    shape = (image.shape[2], image.shape[3], image.shape[4])
    _, mean, deviation = normalise_tokens(to_tokens(image, patch))
    return from_tokens(to_tokens(reconstruction.float(), patch) * deviation + mean, token_grid(shape, patch), patch)


def paste_hidden(
    image: torch.Tensor, reconstruction: torch.Tensor, mask: torch.Tensor, patch: tuple[int, int, int]
) -> torch.Tensor:
    """(B, C, Z, Y, X): the image where tokens were visible, the reconstruction in the image's units where hidden.

    Args:
        image: (B, C, Z, Y, X), what the network saw before masking.
        reconstruction: (B, C, Z, Y, X), what `MaskedAutoencoder` returned.
        mask: bool (B, gz, gy, gx), True = hidden.
        patch: voxels of a token along (z, y, x).
    """
    return torch.where(voxel_mask(mask, patch), in_grey(reconstruction, image, patch), image.float())
