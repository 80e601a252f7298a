"""Masks on the grid of their image: voxel for voxel, of a part of it, or of larger voxels."""

from collections.abc import Sequence

import numpy as np

from scripts.data.regions.label_alignment import aligned_labels, check_same_shape
from scripts.data.volumes.volume import Volume
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Offset3, Size3

SAME_SIZE = 0.01
"""Relative difference up to which two voxel sizes count as one."""


class UpsampledMask(Volume):
    """A mask of larger voxels on the grid of its image: each voxel of the image has the value of the one it is in.

    Args:
        mask: of larger voxels.
        factors: voxels (z, y, x) of the image along one of the mask.
        shape: of the image. Voxels that are left at the end of an axis have the value of the last one of the mask.

    Example:
        >>> UpsampledMask(ArrayVolume(np.array([[[1, 0]]], np.uint8)), (1, 1, 2), (1, 1, 5))[...].tolist()
        [[[1, 1, 0, 0, 0]]]
    """

    def __init__(self, mask: Volume, factors: Sequence[int], shape: Sequence[int]) -> None:
        size = mask.voxel_size_nm
        finer = None if size is None else [edge / factor for edge, factor in zip(size, factors, strict=True)]
        super().__init__(mask.path, shape, mask.dtype, finer)
        self.mask, self.factors, self.fork_safe = mask, tuple(factors), mask.fork_safe

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        axes = zip(low, high, self.factors, self.mask.shape, strict=True)
        z, y, x = (np.minimum(np.arange(a, b) // factor, size - 1) for a, b, factor, size in axes)
        block = self.mask[z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        return block[np.ix_(z - z[0], y - y[0], x - x[0])]

    def remarks(self) -> list[str]:
        """The factors, and what the file of the mask lacks."""
        return [f"each of its voxels is {_times(self.factors)} of the image's (z, y, x)", *self.mask.remarks()]

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.mask.close()


def aligned_mask(mask: Volume, image: Volume) -> Volume:
    """A mask on the grid of its image, without reading it.

    The mask has the shape of the image, or states the position of the part that it covers, or has voxels that are
    larger by whole numbers (see `mask_factors`).

    Raises:
        ValueError: neither; a coarser mask that states a position inside the image.
    """
    same_voxels = not _other_voxels(mask, image.voxel_size_nm)
    if tuple(mask.shape) == tuple(image.shape) or (mask.position is not None and same_voxels):
        return aligned_labels(mask, image, "mask")
    factors = mask_factors(mask, image.shape, image.voxel_size_nm)
    if factors is None:
        if same_voxels:
            check_same_shape(mask, image, "mask")
        raise ValueError(
            f"mask {mask.path} has shape {tuple(mask.shape)} and voxels of {_nm(mask.voxel_size_nm)} (z, y, x), image "
            f"{image.path} {tuple(image.shape)} and {_nm(image.voxel_size_nm)}; save the mask with the voxels of the "
            "image, or with larger ones that are whole multiples of them and cover all of it"
        )
    _check_start(mask, image, factors)
    return UpsampledMask(mask, factors, image.shape)


def mask_factors(mask: Volume, shape: Sequence[int], voxel_size_nm: VoxelSize | None) -> Size3 | None:
    """Voxels (z, y, x) of a grid along one voxel of a mask that covers all of it; (1, 1, 1) for the same grid.

    They are the ratios of the voxel sizes where both are stated, else those of the shapes. An axis of n voxels at the
    factor f has n / f voxels, rounded up or down.

    Args:
        mask: the mask.
        shape: (z, y, x) of the grid.
        voxel_size_nm: (z, y, x) of the grid, if known.

    Returns:
        None where no factors fit, or several do.
    """
    possible = [_possible(coarse, fine) for coarse, fine in zip(mask.shape, shape, strict=True)]
    own = mask.voxel_size_nm
    if own is None or voxel_size_nm is None:
        if not all(len(factors) == 1 for factors in possible):
            return None
        z, y, x = (factors[0] for factors in possible)
        return z, y, x
    ratios = [edge / finer for edge, finer in zip(own, voxel_size_nm, strict=True)]
    z, y, x = map(round, ratios)
    whole = all(abs(ratio - round(ratio)) <= SAME_SIZE * ratio for ratio in ratios)
    all_possible = all(
        round(ratio) in _possible(coarse, fine, every=True)
        for ratio, coarse, fine in zip(ratios, mask.shape, shape, strict=True)
    )
    return (z, y, x) if whole and all_possible else None


def _possible(coarse: int, fine: int, every: bool = False) -> list[int]:
    """Factors that make `coarse` voxels of `fine` ones; only the one that leaves no rest, unless all are wanted."""
    if fine % coarse == 0 and not every:
        return [fine // coarse]
    nearby = range(max(1, fine // (coarse + 1)), fine // max(1, coarse - 1) + 2)
    return [factor for factor in nearby if coarse in (fine // factor, -(-fine // factor))]


def _other_voxels(mask: Volume, size: VoxelSize | None) -> bool:
    """Whether a mask states other voxels than those of this size."""
    if mask.voxel_size_nm is None or size is None:
        return False
    return any(abs(a - b) > SAME_SIZE * b for a, b in zip(mask.voxel_size_nm, size, strict=True))


def _check_start(mask: Volume, image: Volume, factors: Size3) -> None:
    """The first voxels of mask and image share a corner; files state their corners, or their centres."""
    if mask.position is None:
        return
    origin = image.position or (0.0, 0.0, 0.0)
    for at, factor, first in zip(mask.position, factors, origin, strict=True):
        shift = at * factor - first
        if min(abs(shift), abs(shift - (factor - 1) / 2)) > 0.01 * factor:
            raise ValueError(
                f"mask {mask.path} of shape {tuple(mask.shape)} states the position {mask.position} (z, y, x) in its "
                f"voxels, image {image.path} of shape {tuple(image.shape)} {image.position}; a mask of larger voxels "
                "covers all of its image: correct the position, or save the mask with the voxels of the image"
            )


def _nm(size: Sequence[float] | None) -> str:
    return "an unknown size" if size is None else f"{_times(size)} nm"


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
