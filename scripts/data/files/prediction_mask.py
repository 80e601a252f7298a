"""The mask of a prediction or segmentation: a volume, or the image that it states."""

import logging
from dataclasses import dataclass

import numpy as np

from scripts.data.files.predictions import open_prediction
from scripts.data.files.stated_image import stated_image
from scripts.data.regions.mask_alignment import UpsampledMask, mask_factors
from scripts.data.regions.volume_mask import NONZERO, NOT, MaskVolume
from scripts.data.volumes import Volume, open_volume
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Box, Offset3, Size3

logger = logging.getLogger(__name__)

AS_IT_IS = (1, 1, 1)
"""Factors of a mask that has the voxels of the prediction."""


def mask_path(mask: str, source: str) -> str:
    """The path of a mask: the image of a prediction or segmentation for `nonzero`, else as it is.

    Args:
        mask: of the command line.
        source: the prediction or segmentation.

    Raises:
        ValueError: `nonzero` of a file that states no image; another rule.
    """
    if mask.startswith(NOT):
        raise ValueError(f"--mask {mask}: give a volume that is 0 where voxels do not count, or {NONZERO}")
    if mask != NONZERO:
        return mask
    place = stated_image(source)
    if place is None:
        raise ValueError(
            f"--mask {NONZERO}: '{source}' does not state which image it is of; give the image itself, --mask my.h5:raw"
        )
    return place[0]


def read_mask(mask: str, pred: str, box: Box) -> np.ndarray:
    """(z, y, x) bool of a box of a prediction: where a mask is neither 0 nor -1, unknown.

    A mask has the grid of the prediction, or of the image in which the prediction states its position, or voxels that
    are larger by whole numbers than those of one of them. Only the box is read.

    Args:
        mask: a volume, or `nonzero`.
        pred: the prediction.
        box: to read, in voxels of the prediction.

    Raises:
        ValueError: a mask that fits neither grid, or both; as in `mask_path`.
    """
    path = mask_path(mask, pred)
    with open_volume(path, cache_mib=8) as volume:
        place = _placed(volume, pred)
        z, y, x = (at + low for at, low in zip(place.first, box.start, strict=True))
        part = Box((z, y, x), (z + box.shape[0], y + box.shape[1], x + box.shape[2]))
        finer = volume if place.factors == AS_IT_IS else UpsampledMask(volume, place.factors, place.shape)
        return MaskVolume(finer, 0, unknown=True)[part.slices]


def checked_mask(mask: str, pred: str) -> str:
    """The path of a mask, checked against the prediction before work starts; larger voxels are reported.

    Raises:
        ValueError: as in `read_mask`.
    """
    path = mask_path(mask, pred)
    with open_volume(path, cache_mib=0) as volume:
        place = _placed(volume, pred)
    factors = place.factors
    if place.unread is not None:
        logger.info(
            f"warning: the image '{place.unread}' of the prediction cannot be read, so mask {path} is taken as one of "
            "its voxels"
        )
    if factors != AS_IT_IS:
        times = " x ".join(map(str, factors))
        logger.info(f"mask {path}: each of its voxels is {times} of the prediction's (z, y, x)")
    return path


@dataclass(frozen=True)
class _Place:
    """A grid that a mask has after up-sampling, and the prediction's first voxel in it."""

    shape: Size3
    factors: Size3
    first: Offset3
    unread: str | None = None
    """The image, where it cannot be read."""


def _placed(volume: Volume, pred: str) -> _Place:
    with open_prediction(pred) as prediction:
        _, *own = prediction.shape
        size = prediction.voxel_size_nm
    shape = (own[0], own[1], own[2])
    images, unread = ([], None) if tuple(volume.shape) == shape else _image_grid(volume, pred, shape)
    if size is None and images:
        size = images[0][1]  # both have the same voxels
    grids: list[tuple[Size3, VoxelSize | None, Offset3]] = [(shape, size, (0, 0, 0)), *images]
    places = [
        _Place(grid, factors, first, unread if grid != shape else None)
        for grid, size, first in grids
        if (factors := mask_factors(volume, grid, size)) is not None
    ]
    exact = [place for place in places if place.factors == AS_IT_IS] or places
    if len(exact) == 1:
        return exact[0]
    image = f", its image {grids[1][0]}" if len(grids) > 1 else ""
    problem = (
        "they must agree, or the mask have voxels that are larger by whole numbers, in a file that states their size"
        if not exact
        else "its voxels could be larger ones of either: give a mask whose file states its voxel size"
    )
    raise ValueError(
        f"mask {volume.path} has shape {tuple(volume.shape)} (z, y, x), the prediction {shape}{image}; {problem}"
    )


def _image_grid(
    volume: Volume, pred: str, shape: Size3
) -> tuple[list[tuple[Size3, VoxelSize | None, Offset3]], str | None]:
    """The grid of the image that a prediction states, if any; where the image cannot be read, its path and the mask's.

    The grid of the mask is that of the image where it holds the box of the prediction.
    """
    place = stated_image(pred)
    if place is None:
        return [], None
    path, first = place
    unread = None
    try:
        with open_volume(path, cache_mib=0) as image:
            whole, size = image.shape, image.voxel_size_nm
    except (OSError, ValueError):
        whole, size, unread = volume.shape, volume.voxel_size_nm, path
    inside = all(at + extent <= end for at, extent, end in zip(first, shape, whole, strict=True))
    return ([(whole, size, first)] if inside and tuple(whole) != shape else []), unread
