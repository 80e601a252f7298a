"""Labels of a part of an image, at their position in it; everywhere else a voxel reads as -1, unknown."""

import numpy as np

from scripts.data.regions.known_labels import UNKNOWN, KnownLabels
from scripts.data.volumes.downsampled import DownsampledVolume
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box, Offset3, Size3


class PlacedLabels(Volume):
    """A label volume as one of the shape of its image.

    Args:
        labels: instance labels of a box of the image.
        corner: first voxel of the labels in the image, (z, y, x).
        shape: of the image.

    Attributes:
        part: the labelled box, in voxels of the image.

    Raises:
        ValueError: labels that reach out of the image.

    Example:
        >>> labels = ArrayVolume(np.ones((1, 2, 2), np.uint8))
        >>> PlacedLabels(labels, (0, 1, 1), (1, 4, 4))[0, 1].tolist()
        [-1, 1, 1, -1]
    """

    def __init__(self, labels: Volume, corner: Offset3, shape: Size3) -> None:
        known = KnownLabels(labels)
        super().__init__(labels.path, shape, known.dtype, labels.voxel_size_nm)
        self.labels, self.fork_safe = known, labels.fork_safe
        z, y, x = (first + size for first, size in zip(corner, labels.shape, strict=True))
        try:
            self.part = Box.parse(Box(corner, (z, y, x)), shape)
        except ValueError:
            raise ValueError(
                f"labels {labels.path} of shape {tuple(labels.shape)} state the position {corner} (z, y, x), which "
                f"reaches out of the image of shape {tuple(shape)}; correct their offset{_in_nm(labels, shape)}, or "
                "cut them to the image"
            ) from None

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        wanted = Box(low, high)
        block = np.full(wanted.shape, UNKNOWN, self.dtype)
        inside = wanted.overlap(self.part)
        if inside is not None:
            block[inside.within(wanted).slices] = self.labels[inside.within(self.part).slices]
        return block

    def remarks(self) -> list[str]:
        """Where the labels are in the image, and what the label volume lacks."""
        return [f"its labels are placed at {self.part} of the image, by the offset they state", *self.labels.remarks()]

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.labels.close()


def _in_nm(labels: Volume, shape: Size3) -> str:
    """A remark on an offset that fits the image if its numbers are nm, not voxels."""
    if labels.offset is None or labels.voxel_size_nm is None:
        return ""
    first = [at / edge for at, edge in zip(labels.offset, labels.voxel_size_nm, strict=True)]
    fits = all(
        at == round(at) and at + size <= whole for at, size, whole in zip(first, labels.shape, shape, strict=True)
    )
    if not fits:
        return ""
    return f" (if its numbers are nm, {tuple(map(round, first))} in voxels, add the attribute units 'nm')"


def labelled_part(label: Volume) -> Box | None:
    """The box that labels of a part of an image cover, in voxels of the region; None where they cover all of it."""
    if isinstance(label, PlacedLabels):
        return label.part
    if isinstance(label, DownsampledVolume) and isinstance(label.volume, PlacedLabels):
        return label.volume.part.coarser(label.factors)
    return None
