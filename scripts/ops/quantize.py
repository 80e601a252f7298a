"""Maps as they are kept on disk: float32, float16, or uint8 over the range of each channel."""

from collections.abc import Sequence

import torch

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Range of a channel by its activation."""
STORED = {"float16": torch.float16, "float32": torch.float32, "uint8": torch.uint8}
OUTSIDE = 1e-3
"""How far blended values may leave the range before they are taken for something else."""


def stored_type(name: str) -> torch.dtype:
    """The type of that name.

    Raises:
        ValueError: an unknown name.
    """
    if name not in STORED:
        raise ValueError(f"dtype '{name}' is not one of {', '.join(STORED)}")
    return STORED[name]


def quantize(maps: torch.Tensor, dtype: str, ranges: Sequence[tuple[float, float]]) -> torch.Tensor:
    """Maps (C, z, y, x) float32 in the type `dtype`; uint8 is round(255 (value - low) / (high - low)).

    Args:
        maps: on any device.
        dtype: `float16`, `float32` or `uint8`.
        ranges: lowest and highest value of each channel, used for uint8.

    Raises:
        ValueError: values that are not finite, or, for uint8, outside their channel's range or with no range.
    """
    chosen = stored_type(dtype)
    if not bool(torch.isfinite(maps).all()):
        channel, z, y, x = torch.nonzero(~torch.isfinite(maps))[0].tolist()
        raise ValueError(
            f"the network gives {float(maps[channel, z, y, x])} in channel {channel} (at {z}, {y}, {x} of a slab of "
            f"shape {tuple(maps.shape)}): its weights or the grey values are broken"
        )
    if chosen is not torch.uint8:
        return maps.to(chosen)
    if len(ranges) != len(maps):
        raise ValueError(f"{len(ranges)} ranges for {len(maps)} channels; give one a channel, or store float16")
    levels = torch.empty_like(maps, dtype=torch.uint8)
    for channel, (low, high) in enumerate(ranges):
        least, most = (float(value) for value in maps[channel].aminmax())
        if least < low - OUTSIDE or most > high + OUTSIDE:
            raise ValueError(
                f"channel {channel} has values from {least:.4g} to {most:.4g}, outside the {low:g} to {high:g} that "
                "uint8 stands for: logits? give maps (scripts.networks.ActivatedNetwork), or store float16"
            )
        levels[channel] = ((maps[channel] - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8)
    return levels
