"""The 16 symmetries of a stack of sections, each named by one number from 0 to 15.

A section stack has no preferred direction along z, y or x and, where a voxel is square in plane, y and x may trade
places. Bits of a code: 4 flips z, 2 flips y, 1 flips x, and then 8 swaps y and x. Axes are the last three: (..., z, y,
x).
"""

from typing import TypeVar

import numpy as np
import torch

from scripts.ops.signed_view import as_signed_view

FLIP_X, FLIP_Y, FLIP_Z, SWAP_YX = 1, 2, 4, 8
SYMMETRIES = 16

Volume = TypeVar("Volume", np.ndarray, torch.Tensor)


def apply_symmetry(volume: Volume, code: int) -> Volume:
    """Flip and swap the last three axes as `code` states: a view of an array, a copy of a tensor where an axis flips.

    Raises:
        ValueError: a code outside 0 to 15.
    """
    if not 0 <= code < SYMMETRIES:
        raise ValueError(f"symmetry {code} is not one of 0 to {SYMMETRIES - 1}")
    flipped = [axis for axis, bit in ((-3, FLIP_Z), (-2, FLIP_Y), (-1, FLIP_X)) if code & bit]
    if flipped:
        volume = _flip_tensor(volume, flipped) if isinstance(volume, torch.Tensor) else np.flip(volume, tuple(flipped))
    if code & SWAP_YX:
        volume = volume.swapaxes(-1, -2)
    return volume


def inverse_symmetry(code: int) -> int:
    """The code that undoes `code`: a swap turns a flip of y into a flip of x, all else undoes itself."""
    if not code & SWAP_YX:
        return code
    y_and_x = (code & FLIP_X) * FLIP_Y + (code & FLIP_Y) // FLIP_Y
    return (code & (FLIP_Z | SWAP_YX)) | y_and_x


def apply_symmetries(batch: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Give each sample of a batch its own symmetry, on the device the batch is on, without asking the host.

    Args:
        batch: (B, ..., z, y, x), square in plane.
        codes: (B,) whole numbers from 0 to 15.

    Raises:
        ValueError: a batch that is not square in plane, or another number of codes than samples.
    """
    if batch.shape[-1] != batch.shape[-2]:
        raise ValueError(f"a batch of shape {tuple(batch.shape)} is not square in plane, so y and x cannot be swapped")
    return _swap(apply_flips(batch, codes), codes)


def apply_flips(batch: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """As `apply_symmetries`, for codes 0 to 7 alone: any plane will do, the swap of y and x is left out."""
    if codes.shape != batch.shape[:1]:
        raise ValueError(f"{tuple(codes.shape)} symmetry codes for a batch of shape {tuple(batch.shape)}")
    moved = as_signed_view(batch)
    for axis, bit in ((-3, FLIP_Z), (-2, FLIP_Y), (-1, FLIP_X)):
        moved = torch.where(_chosen(moved, codes, bit), moved.flip(axis), moved)
    return moved.view(batch.dtype)


def _swap(batch: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    moved = as_signed_view(batch)
    return torch.where(_chosen(moved, codes, SWAP_YX), moved.transpose(-1, -2), moved).view(batch.dtype)


def _flip_tensor(volume: torch.Tensor, axes: list[int]) -> torch.Tensor:
    return torch.flip(as_signed_view(volume), axes).view(volume.dtype)


def _chosen(batch: torch.Tensor, codes: torch.Tensor, bit: int) -> torch.Tensor:
    return (codes & bit).bool().view(-1, *[1] * (batch.ndim - 1))
