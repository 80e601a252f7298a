"""Up-sampling factors of a decoder from tokens to voxels, and the blocks after which it takes the encoder's tokens."""

from collections.abc import Sequence


def upsampling_factors(patch: Sequence[int]) -> list[tuple[int, int, int]]:
    """Factors (z, y, x) of each up-sampling from the token grid to voxels, coarsest first.

    One step doubles y and x; a patch of 1x16x16 takes four steps of (1, 2, 2). What a patch has along z is undone in
    the same steps, its prime factors given out one by one from the finest step backward: 2x16x16 ends with (2, 2, 2),
    8x8x8 is three times (2, 2, 2), 3x8x8 ends with (3, 2, 2). So sections are separated where detail is added.

    Args:
        patch: voxels of a token along (z, y, x).

    Raises:
        ValueError: y and x differ, or are no power of two from 2 up.
    """
    if len(patch) != 3 or min(patch) < 1:
        raise ValueError(f"patch {tuple(patch)} must be three positive sizes in voxels: z, y, x")
    z, y, x = (int(size) for size in patch)
    if y != x or y < 2 or y & (y - 1):
        raise ValueError(
            f"patch {(z, y, x)} (z, y, x): the decoder doubles y and x together, so both must be the same power of "
            "two (2, 4, 8, 16, ...); pre-train with such a patch"
        )
    along_z = [1] * (y.bit_length() - 1)
    for number, factor in enumerate(_prime_factors(z)):
        along_z[-1 - number % len(along_z)] *= factor
    return [(factor, 2, 2) for factor in along_z]


def even_taps(depth: int, patch: Sequence[int]) -> list[int]:
    """Blocks, counted from 1, after which a UNETR takes tokens: one for each doubling in plane, spread evenly.

    The last is always the last block. ViT-B (12 blocks) with a patch of 16: [3, 6, 9, 12]; ViT-L (24): [6, 12, 18, 24].

    Args:
        depth: blocks of the encoder.
        patch: voxels of a token along (z, y, x).

    Raises:
        ValueError: fewer blocks than doublings, or a patch that `upsampling_factors` refuses.
    """
    count = len(upsampling_factors(patch))
    if depth < count:
        raise ValueError(
            f"an encoder of {depth} blocks cannot be tapped {count} times, once for each doubling of a patch of "
            f"{patch[1]}: use a patch of {2**depth} or less in y and x, or a network of {count} blocks or more"
        )
    return [depth * (i + 1) // count for i in range(count)]


def _prime_factors(number: int) -> list[int]:
    """Prime factors, largest first; none of 1."""
    factors: list[int] = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            factors.insert(0, divisor)
            number //= divisor
        divisor += 1
    return factors
