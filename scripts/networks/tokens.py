"""From volumes to tokens and back; which tokens are kept, and what a hidden one should have been.

A token is one patch of a volume as a flat row of its voxels, in the order (channel, z, y, x) of a `Conv3d` kernel;
tokens follow each other in the order of `Conv3d(...).flatten(2)`, z slowest. The encoder, the masks and the loss share
this one order, because all of them take it from here.
"""

import torch

VARIANCE_FLOOR = 1e-6
"""Added to the variance of a token, so that a flat one (a black border, a lost section) does not divide by zero."""


def token_grid(shape: tuple[int, int, int], patch: tuple[int, int, int]) -> tuple[int, int, int]:
    """Tokens along (z, y, x) of a volume of `shape` voxels; an error names the axis that is no multiple of it."""
    for axis in range(3):
        if torch.jit.is_tracing():  # a trace holds for its own size only, and cannot check another
            break
        if shape[axis] < 1 or shape[axis] % patch[axis] != 0:
            name = "zyx"[axis]
            raise ValueError(
                f"size {shape[axis]} along {name} is not a multiple of the patch's {patch[axis]} (input {shape}, "
                f"patch {patch}, both z, y, x): crop or pad the input"
            )
    return shape[0] // patch[0], shape[1] // patch[1], shape[2] // patch[2]


def to_tokens(volume: torch.Tensor, patch: tuple[int, int, int]) -> torch.Tensor:
    """(B, C, Z, Y, X) voxels to (B, N, C * pz * py * px) tokens."""
    if volume.dim() != 5:
        raise ValueError(f"a volume must be (batch, channel, z, y, x), got {volume.dim()} axes: {volume.shape}")
    b, c = volume.shape[0], volume.shape[1]
    z, y, x = token_grid((volume.shape[2], volume.shape[3], volume.shape[4]), patch)
    pz, py, px = patch
    parted = volume.reshape(b, c, z, pz, y, py, x, px)
    return parted.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, z * y * x, c * pz * py * px)


def from_tokens(tokens: torch.Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> torch.Tensor:
    """(B, N, C * pz * py * px) tokens of a (z, y, x) grid back to (B, C, Z, Y, X) voxels."""
    z, y, x = grid
    pz, py, px = patch
    b, n, voxels = tokens.shape
    if not torch.jit.is_tracing() and (n != z * y * x or voxels % (pz * py * px) != 0):
        raise ValueError(f"{n} tokens of {voxels} voxels do not make a grid {grid} of patches {patch}")
    c = voxels // (pz * py * px)
    parted = tokens.reshape(b, z, y, x, c, pz, py, px)
    return parted.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(b, c, z * pz, y * py, x * px)


def kept_tokens(mask: torch.Tensor) -> torch.Tensor:
    """(B, K) indices, ascending, of the tokens a (B, gz, gy, gx) mask does not hide (True = hidden).

    Every sample must keep the same number, one or more. Call it where the mask was made: on a GPU it has to wait.
    """
    if mask.dtype != torch.bool or mask.dim() != 4:
        raise ValueError(f"a mask must be bool (batch, gz, gy, gx), got {mask.dtype} of shape {tuple(mask.shape)}")
    visible = ~mask.flatten(1)
    counts = visible.sum(1)
    if counts.numel() == 0 or counts[0] == 0 or (counts != counts[0]).any():
        raise ValueError(f"each sample of a batch must keep the same number of tokens, not 0; kept: {counts.tolist()}")
    return visible.nonzero()[:, 1].view(mask.shape[0], -1)


def take_tokens(tokens: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The (B, K, W) tokens of (B, N, W) at the (B, K) indices."""
    return tokens.gather(1, kept.unsqueeze(2).expand(-1, -1, tokens.shape[2]))


def spread_tokens(tokens: torch.Tensor, kept: torch.Tensor, count: int) -> torch.Tensor:
    """The (B, K, W) tokens at their (B, K) indices among `count`, zeros elsewhere: (B, count, W)."""
    empty = torch.zeros(tokens.shape[0], count, tokens.shape[2], dtype=tokens.dtype, device=tokens.device)
    return empty.scatter(1, kept.unsqueeze(2).expand(-1, -1, tokens.shape[2]), tokens)


def token_means(tokens: torch.Tensor, counting: torch.Tensor) -> torch.Tensor:
    """The (B, N) means of (B, N, W) tokens over the voxels that count, bool (B, N, W); 0 where none does."""
    return (tokens * counting).sum(2) / counting.sum(2).clamp(min=1)


def normalise_tokens(
    tokens: torch.Tensor, counting: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(B, N, W) tokens with zero mean and unit variance each, and their (B, N, 1) means and standard deviations.

    The variance is that of the token's own W voxels (divided by W, not W - 1), plus 1e-6. So the error of predicting
    every token's mean is 1 by definition. With `counting`, bool like the tokens, mean and variance are those of the
    voxels where it is True. `normalised * deviation + mean` gives the voxels back.
    """
    if counting is None:
        deviation_squared, mean = torch.var_mean(tokens.float(), dim=2, correction=0, keepdim=True)
    else:
        mean = token_means(tokens.float(), counting)[..., None]
        deviation_squared = token_means((tokens.float() - mean).square(), counting)[..., None]
    deviation = (deviation_squared + VARIANCE_FLOOR).sqrt()
    return (tokens.float() - mean) / deviation, mean, deviation
