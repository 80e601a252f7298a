"""A segmentation on the grid of its ground truth: voxel for voxel, or where one states to be a part of the other."""

import logging
from collections.abc import Sequence

import numpy as np

from scripts.data.files.stated_image import stated_image
from scripts.data.regions.mask_alignment import UpsampledMask, aligned_mask, mask_factors
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume
from scripts.data.volumes.voxel_size import VoxelSize
from scripts.ops.box import Box, Offset3

logger = logging.getLogger(__name__)

Position = tuple[float, float, float] | None


class ShiftedVolume(Volume):
    """A volume on the grid of another; 0 where it has no voxel.

    Args:
        volume: a part of the grid, or a larger volume.
        first: its first voxel on the grid, (z, y, x); negative where it begins before.
        shape: of the grid.

    Attributes:
        part: the voxels of the grid that the volume has.

    Raises:
        ValueError: it has none of them.

    Example:
        >>> ShiftedVolume(ArrayVolume(np.ones((1, 1, 2), np.uint8)), (0, 0, 1), (1, 1, 4))[...].tolist()
        [[[0, 1, 1, 0]]]
    """

    def __init__(self, volume: Volume, first: Offset3, shape: Sequence[int]) -> None:
        super().__init__(volume.path, shape, volume.dtype, volume.voxel_size_nm)
        self.volume, self.first, self.fork_safe = volume, first, volume.fork_safe
        low = [max(0, at) for at in first]
        high = [min(at + size, whole) for at, size, whole in zip(first, volume.shape, shape, strict=True)]
        self.part = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        wanted = Box(low, high)
        inside = wanted.overlap(self.part)
        if inside == wanted:
            return self._stored(wanted)
        block = np.zeros(wanted.shape, self.dtype)
        if inside is not None:
            block[inside.within(wanted).slices] = self._stored(inside)
        return block

    def _stored(self, box: Box) -> np.ndarray:
        z, y, x = (slice(low - at, high - at) for low, high, at in zip(box.start, box.stop, self.first, strict=True))
        return self.volume[z, y, x]

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.volume.close()


def first_voxel(
    truth: Volume, source: str, shape: Sequence[int], position: Position, voxel_size_nm: VoxelSize | None
) -> Offset3 | None:
    """The first voxel (z, y, x) of a segmentation or prediction in its ground truth; negative where it begins before.

    Volumes of one shape agree voxel for voxel. Otherwise one is a part of the other: the segmentation states its box in
    an image of the shape of the ground truth, or one of the two states an `offset`.

    Args:
        truth: the ground truth.
        source: path of the segmentation.
        shape, position, voxel_size_nm: of the segmentation, (z, y, x).

    Returns:
        None where nothing is stated.

    Raises:
        ValueError: positions with which neither is a part of the other, or voxels of two sizes.
    """
    if tuple(shape) == tuple(truth.shape):
        return 0, 0, 0
    named = f"the ground truth has shape {tuple(truth.shape)}, the prediction {tuple(shape)}"
    own = truth.voxel_size_nm
    if own and voxel_size_nm and any(abs(a - b) > 0.01 * a for a, b in zip(own, voxel_size_nm, strict=True)):
        raise ValueError(f"{named}, of voxels of {own} and {voxel_size_nm} nm (z, y, x); score at one resolution")
    first = _stated_first(truth, source)
    if first is None and position is None and truth.position is None:
        return None
    if first is None:
        pair = zip(position or (0.0, 0.0, 0.0), truth.position or (0.0, 0.0, 0.0), strict=True)
        z, y, x = (round(at - origin, 2) for at, origin in pair)
        first = (round(z), round(y), round(x))
        if first != (z, y, x):
            raise ValueError(f"{named}, which begins {z, y, x} voxels (z, y, x) from it; correct the offset of one")
    ranges = list(zip(first, shape, truth.shape, strict=True))
    inside = all(at >= 0 and at + size <= whole for at, size, whole in ranges)
    around = all(at <= 0 and at + size >= whole for at, size, whole in ranges)
    if not inside and not around:
        raise ValueError(
            f"{named} at the position {first} (z, y, x) in it: neither is a part of the other; correct the offset of "
            "one, or cut both to the same box"
        )
    return first


def on_truth(segments: Volume, truth: Volume) -> Volume:
    """A segmentation on the grid of its ground truth: itself, or a `ShiftedVolume`.

    Raises:
        ValueError: shapes that differ without a position, and as in `first_voxel`.
    """
    position = segments.position
    first = first_voxel(truth, segments.path, segments.shape, position, segments.voxel_size_nm)
    if first is None:
        raise ValueError(
            f"the ground truth has shape {tuple(truth.shape)}, the prediction {tuple(segments.shape)}; cut both to the "
            "same box, state the first voxel of the smaller one as the attribute offset, or score at one resolution"
        )
    return segments if tuple(segments.shape) == tuple(truth.shape) else ShiftedVolume(segments, first, truth.shape)


def mask_on_truth(mask: Volume, segments: Volume, truth: Volume) -> Volume:
    """A mask on the grid of the ground truth; one of the segmentation's own grid is placed with it.

    Args:
        mask: 0 where voxels do not count; see `aligned_mask`.
        segments: as `on_truth` returns them.
        truth: the ground truth.

    Raises:
        ValueError: it fits neither grid, or larger voxels of both.
    """
    if tuple(mask.shape) == tuple(truth.shape) or not isinstance(segments, ShiftedVolume):
        return _reported(aligned_mask(mask, truth))
    own = segments.volume
    if tuple(mask.shape) == tuple(own.shape):
        return ShiftedVolume(mask, segments.first, truth.shape)
    size = own.voxel_size_nm or truth.voxel_size_nm  # both have the same voxels
    factors = mask_factors(mask, own.shape, size)
    if factors is None or mask.position is not None:
        return _reported(aligned_mask(mask, truth))
    if mask_factors(mask, truth.shape, truth.voxel_size_nm or size) is not None:
        raise ValueError(
            f"mask {mask.path} has shape {tuple(mask.shape)} (z, y, x), the prediction {tuple(own.shape)}, the ground "
            f"truth {tuple(truth.shape)}; its voxels could be larger ones of either: give a mask whose file states its "
            "voxel size"
        )
    return ShiftedVolume(_reported(UpsampledMask(mask, factors, own.shape)), segments.first, truth.shape)


def _reported(mask: Volume) -> Volume:
    """The mask; larger voxels are printed."""
    if isinstance(mask, UpsampledMask):
        times = " x ".join(map(str, mask.factors))
        logger.info(f"mask {mask.path}: each of its voxels is {times} of the ground truth's (z, y, x)")
    return mask


def shared_box(text: str | None, segments: Volume, truth: Volume) -> Box:
    """The box to score, in voxels of the ground truth; an end that is left out is that of the voxels that both have.

    Raises:
        ValueError: a box that reaches out of them.
    """
    if not isinstance(segments, ShiftedVolume):
        return Box.parse(text, truth.shape)
    part = segments.part
    if text is None:
        return part
    ends = list(zip(part.start, part.stop, strict=True))
    ranges = [one.partition(":") for one in text.replace(" ", "").split(",")]
    filled = [f"{low or a}:{high or b}" for (low, _, high), (a, b) in zip(ranges, ends, strict=False)]
    box = Box.parse(",".join(filled) if len(ranges) == len(ends) else text, truth.shape)
    if not part.contains(box):
        raise ValueError(
            f"box {box} reaches out of what both have, {part} in voxels of the ground truth, where the prediction "
            f"{segments.path} of shape {tuple(segments.volume.shape)} (z, y, x) is; give a box inside it"
        )
    return box


def _stated_first(truth: Volume, source: str) -> Offset3 | None:
    """The position that a segmentation states in its image, where that has the shape of the ground truth."""
    place = stated_image(source)
    if place is None:
        return None
    try:
        with open_volume(place[0], cache_mib=0) as image:
            return place[1] if tuple(image.shape) == tuple(truth.shape) else None
    except (OSError, ValueError):
        return None
