"""Fixed 3D sin-cos positions of tokens, for any grid and any width."""

import torch


def sincos_positions(
    grid: tuple[int, int, int], width: int, device: torch.device | None = None, frequency_range: float = 10.0
) -> torch.Tensor:
    """(N, width) float32 positions of the N = gz * gy * gx tokens of a grid, z slowest.

    Each axis has the same share of the width: `width // 6` sines, then as many cosines, of its token coordinate;
    z first, then y, then x. What six does not divide (2 of 512) stays zero at the end. Coordinates are the integers
    0, 1, 2, ... whatever the grid, so a larger window gives its first tokens the positions they had in a smaller one.
    They count tokens, not nanometres: one step is one patch along any axis.

    Frequencies fall geometrically from 1 to nearly 1/10 radians a token. The MAE recipe's range of 10000 is made for
    sequences of thousands: along 6 tokens most of its channels hardly change, and a small network takes several times
    as long to distinguish neighbours (docs/decisions/positions.md).

    Computed anew for the grid at hand (under a millisecond for 6x6x6x768): no stored table could be of another size.

    Args:
        grid: tokens along (z, y, x).
        width: channels of a token, at least 6.
        device: where to make them.
        frequency_range: fastest over slowest frequency.
    """
    frequencies = width // 6
    if frequencies < 1:
        raise ValueError(f"width {width} is too small for 3D positions: give each axis a sine and a cosine, 6 or more")
    octave = torch.arange(frequencies, dtype=torch.float32, device=device) / frequencies
    frequency = torch.pow(frequency_range, -octave)
    z, y, x = grid
    parts = [
        _waves(z, frequency).view(z, 1, 1, 2 * frequencies).expand(z, y, x, 2 * frequencies),
        _waves(y, frequency).view(1, y, 1, 2 * frequencies).expand(z, y, x, 2 * frequencies),
        _waves(x, frequency).view(1, 1, x, 2 * frequencies).expand(z, y, x, 2 * frequencies),
        torch.zeros(z, y, x, width - 6 * frequencies, device=device),
    ]
    return torch.cat(parts, dim=3).view(z * y * x, width)


def _waves(length: int, frequency: torch.Tensor) -> torch.Tensor:
    """(length, 2 F) sines, then cosines, of the coordinates 0 .. length - 1."""
    angle = torch.arange(length, dtype=torch.float32, device=frequency.device)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
