"""Check the voxels of regions before training: readable, finite, imaged."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from scripts.data.regions.label_search import spread
from scripts.data.regions.region import Region
from scripts.ops.box import Box
from scripts.ops.nonfinite import REFUSE, checked_choice

SECTIONS, PIECES = 16, 4
"""Sections of a region that are sampled, and pieces of each."""
PIECE = 64
"""Side of a piece in voxels: four tokens of 16 x 16."""
TOKEN = 16
LARGE_VOXEL_NM = 1000.0
"""An edge above 1 um is no electron microscopy: more likely a wrong unit."""
MANY_EMPTY = 0.1
"""Share of tokens of one value from which on a region is reported."""


def check_voxels(regions: Sequence[Region], nonfinite: str = REFUSE) -> None:
    """Read some pieces of each region, so that damage in the middle of a volume is found before training.

    Args:
        regions: with the boxes to read.
        nonfinite: "refuse" refuses values that are NaN or infinite; "zero" and "skip" leave them to others.

    Raises:
        OSError: a piece cannot be read; names the chunk.
        ValueError: a voxel that is NaN or infinite, or another choice.
    """
    refuse = checked_choice(nonfinite) == REFUSE
    for region in regions:
        for box, piece in sampled_pieces(region):
            if refuse and piece.dtype.kind == "f" and not np.isfinite(piece).all():
                raise ValueError(_not_finite(region, box, piece))


def region_remarks(region: Region) -> list[str]:
    """What the user should know about a region before training, one sentence each.

    What its files lack or state without being applied, voxels above 1 um, and space that was never imaged.
    """
    remarks = list(region.image.remarks())
    if region.label is not None:
        remarks += [f"labels {region.label.path}: {remark}" for remark in region.label.remarks()]
    if region.mask is not None:
        remarks += [f"mask {region.mask.path}: {remark}" for remark in region.mask.remarks()]
    size = region.image.voxel_size_nm
    if size is not None and max(size) > LARGE_VOXEL_NM:
        edges = " x ".join(f"{edge:g}" for edge in size)
        remarks.append(f"it states voxels of {edges} nm (z, y, x), above 1 um: is the unit in the file right?")
    values = {float(edge) for _, piece in sampled_pieces(region) for edge in (piece.min(), piece.max())}
    share = 0.0 if region.mask is not None else empty_share(region)
    if len(values) == 1:
        remarks.append(
            f"every sampled voxel of box {region.box} is {values.pop():g}, there is nothing to learn from: is this the "
            "image, and was this box imaged?"
        )
    elif share >= MANY_EMPTY:
        remarks.append(
            f"{share:.0%} of the sampled tokens hold one value, as space that was never imaged does; leave it out with "
            "--mask nonzero (--mask not:255 where it is white), pre-training also with --reject "
            "\"{'_target_': 'scripts.data.MostlyBlack'}\" or MissingSection; or choose a smaller box"
        )
    return remarks


def empty_share(region: Region) -> float:
    """Share of the tokens of 1 x 16 x 16 voxels, in sampled pieces, that hold one value."""
    empty = total = 0
    for _, piece in sampled_pieces(region):
        _, height, width = piece.shape
        rows, columns = height // TOKEN, width // TOKEN
        if not rows or not columns:
            continue
        tokens = piece[0, : rows * TOKEN, : columns * TOKEN].reshape(rows, TOKEN, columns, TOKEN)
        empty += int((tokens.max(axis=(1, 3)) == tokens.min(axis=(1, 3))).sum())
        total += rows * columns
    return empty / total if total else 0.0


def sampled_pieces(region: Region) -> Iterator[tuple[Box, np.ndarray]]:
    """Pieces of sections of a region, far apart ones first: boxes and their voxels."""
    (z0, y0, x0), (depth, height, width) = region.box.start, region.box.shape
    side_y, side_x = min(PIECE, height), min(PIECE, width)
    for k, z in enumerate(spread(depth)[:SECTIONS]):
        for j in range(PIECES):
            number = k * PIECES + j + 1
            y = y0 + int(_fraction(number, 2) * (height - side_y + 1))
            x = x0 + int(_fraction(number, 3) * (width - side_x + 1))
            box = Box((z0 + z, y, x), (z0 + z + 1, y + side_y, x + side_x))
            yield box, region.image[box.slices]


def _fraction(number: int, base: int) -> float:
    """Element of the van der Corput sequence: fills [0, 1) evenly, however many are taken."""
    value, scale = 0.0, 1.0
    while number:
        number, digit = divmod(number, base)
        scale /= base
        value += digit * scale
    return value


def _not_finite(region: Region, box: Box, piece: np.ndarray) -> str:
    at = tuple(int(i) for i in np.argwhere(~np.isfinite(piece))[0])
    place = tuple(first + i for first, i in zip(box.start, at, strict=True))
    name = "NaN (not a number)" if np.isnan(piece[at]) else "infinite"
    path = os.fspath(region.image.path or "the volume")
    return (
        f"{path}: the voxel (z, y, x) = {place} is {name}; write the volume again with such voxels filled, for "
        "example by numpy.nan_to_num, choose a box without them, or give --nonfinite zero (to a training also "
        "--nonfinite skip)"
    )
