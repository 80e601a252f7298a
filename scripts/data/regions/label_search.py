"""Check labels before training: known voxels, objects to learn from, values that are ids."""

from collections.abc import Iterator, Sequence

import numpy as np

from scripts.data.regions.region import Region
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box

ROWS_VOXELS = 2**24
"""Voxels read at a time: a section, or some rows of a large one."""
LOOKED = 16
"""Sections of a region that are searched for a second id."""
WINDOW = 512
"""Side of the piece of a section, in voxels, that image and labels are compared in."""


def check_foreground(regions: Sequence[Region]) -> None:
    """Make sure that a split has labelled objects; reads sections, far apart ones first, until one is found.

    Raises:
        ValueError: background alone; ids that no signed 64-bit number holds.
    """
    for region in regions:
        if next(_ids(region), None) is not None:
            return
    places = ", ".join(
        f"{region.label.path} in {region.sampling_box}" for region in regions if region.label is not None
    )
    raise ValueError(
        f"no foreground to learn from: every known label is 0 (background) in {places}; check that these are the "
        "labels of this volume, and choose a box or sections with objects"
    )


def single_id(regions: Sequence[Region]) -> int | None:
    """The id that all objects share, as in a mask that was never numbered; None where there are several, or none.

    Reads `LOOKED` sections of each region at most, and ends at a second id.
    """
    found: set[int] = set()
    for region in regions:
        for ids in _ids(region, LOOKED):
            found |= set(ids[:2].tolist())
            if len(found) > 1:
                return None
    return found.pop() if found else None


def check_not_swapped(region: Region) -> None:
    """Refuse grey values in place of labels: inside objects labels repeat from voxel to voxel, micrographs do not.

    Reads a piece of one section of both.

    Raises:
        ValueError: fewer than half of the label voxels equal their neighbour in x, and more of the image's do.
    """
    if region.label is None:
        return
    if region.label.path and region.label.path == region.image.path:
        raise ValueError(f"{region.image.path} is given as the volume and as its labels; name the dataset with the ids")
    box = region.sampling_box
    z = (box.start[0] + box.stop[0]) // 2
    (_, y0, x0), (_, height, width) = box.start, box.shape
    y, x = y0 + max(0, height - WINDOW) // 2, x0 + max(0, width - WINDOW) // 2
    piece = Box((z, y, x), (z + 1, y + min(height, WINDOW), x + min(width, WINDOW)))
    labels, image = _repeats(region.label, piece), _repeats(region.image, piece)
    if labels < 0.5 and image > labels:
        raise ValueError(
            f"labels {region.label.path} look like grey values and {region.image.path} like labels: {labels:.0%} and "
            f"{image:.0%} of the voxels of section {z} equal their neighbour; swap volumes and labels"
        )


def _repeats(volume: Volume, piece: Box) -> float:
    block = volume[piece.slices]
    return float(np.mean(block[..., 1:] == block[..., :-1])) if block.shape[2] > 1 else 1.0


def _ids(region: Region, sections: int | None = None) -> Iterator[np.ndarray]:
    """The positive ids of one piece of a section after the other, where there are any."""
    if region.label is None:
        return
    (z0, y0, x0), (z1, y1, x1) = region.sampling_box.start, region.sampling_box.stop
    rows = max(1, ROWS_VOXELS // (x1 - x0))
    for z in spread(z1 - z0)[:sections]:
        for y in range(y0, y1, rows):
            block = region.label[z0 + z, y : min(y + rows, y1), x0:x1]
            if block.max() > 0:
                yield np.unique(block[block > 0])


def spread(count: int) -> list[int]:
    """0 to count - 1, far apart ones first: 0, 4, 2, 6, 1, 5, 3, 7."""
    bits = max(1, (count - 1).bit_length())
    return sorted(range(count), key=lambda n: int(f"{n:0{bits}b}"[::-1], 2))
