"""The last step of a training chain: labels to what the network predicts, cut to its crop."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, Window, three_sizes
from scripts.transforms.known_labels import UNKNOWN, OneSidedTarget, Target, as_volume
from scripts.transforms.label_erosion import ErodeLabel

Reach = tuple[Size3, Size3]
"""Voxels before the first of a crop and after its last, each (z, y, x)."""
NONE: Reach = ((0, 0, 0), (0, 0, 0))


class MakeTargetsd(MapTransform):
    """Erode the labels, make every target of them, and cut image and targets to the centre: the dictionary form of all.

    The item's volumes are read larger than the crop by `margin`, so that targets are as right at the border of a crop
    as in its middle; they may be larger still, or reach less far along an axis where the volume ends, as its border is
    then the crop's. Unknown voxels are those labelled -1, or where the mask volume is 0.

    Args:
        targets: what to predict, in the order of the network's channels.
        crop: (z, y, x) voxels that stay.
        erosion: that of `ErodeLabel`, before any target.
        image: key of the image, (channels, z, y, x).
        label: key of the labels, (1, z, y, x) whole numbers; taken out of the item.
        mask: key of a volume that is 0 where labels are unknown, (1, z, y, x); read and taken out where there is one.

    Raises:
        ValueError: no targets, or a crop that is none or smaller than a target can do with, as with a long offset.

    Example:
        >>> from scripts.transforms import AffinityTarget, BinaryTarget
        >>> make = MakeTargetsd([BinaryTarget(), AffinityTarget()], crop=(2, 8, 8))
        >>> make.channels, make.margin
        (4, (1, 2, 2))
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(
        self,
        targets: Sequence[Target],
        crop: Sequence[int] = (6, 96, 96),
        erosion: int = 1,
        image: KeysCollection = "image",
        label: str = "label",
        mask: str = "label_mask",
    ) -> None:
        super().__init__(image)
        self.targets, self.erode = tuple(targets), ErodeLabel(erosion)
        self.crop: Size3 = three_sizes(crop, "crop")
        self.label, self.mask = label, mask
        self._reaches = [_reach(target) for target in self.targets]
        if not self.targets:
            raise ValueError("no targets: give at least one, such as scripts.transforms.AffinityTarget")
        for target in self.targets:
            if any(size < least for size, least in zip(self.crop, target.smallest, strict=True)):
                raise ValueError(
                    f"a crop of {self.crop} voxels (z, y, x) is smaller than {target.smallest}, the least that "
                    f"{type(target).__name__} makes sense on: its offsets are longer than the crop"
                )

    @property
    def channels(self) -> int:
        """Those of all targets: what the network must put out."""
        return sum(target.channels for target in self.targets)

    @property
    def margin(self) -> Size3:
        """(z, y, x) voxels to read around the crop, at both ends of each axis."""
        z, y, x = (max(target.margin[axis] for target in self.targets) + self.erode.margin[axis] for axis in range(3))
        return z, y, x

    def extent_before(self, extent: Size3) -> Size3:
        """(z, y, x) voxels that an item needs for the crop, whatever comes after; see `augmentation_margin`."""
        z, y, x = (size + 2 * more for size, more in zip(self.crop, self.margin, strict=True))
        return z, y, x

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with "target", float32, and "known", bool: (C, z, y, x) tensors of the crop, 0 where unknown.

        Raises:
            KeyError: an image or labels that are not there.
            ValueError: volumes of different extent or smaller than the crop, or labels that are not labels.
        """
        item = dict(data)
        if self.label not in item:
            raise KeyError(f"MakeTargetsd reads '{self.label}', but the item has only {sorted(map(str, item))}")
        label = self._with_mask(as_volume(item.pop(self.label), self.label), item.pop(self.mask, None))
        corner = self._corner(label.shape)
        for key in self.key_iterator(item):
            if tuple(item[key].shape[-3:]) != label.shape:
                raise ValueError(
                    f"'{key}' has {tuple(item[key].shape[-3:])} voxels (z, y, x) and '{self.label}' {label.shape}; "
                    "they must cover the same"
                )
            item[key] = _contiguous(item[key][(..., *self._around(corner, NONE, label.shape))])
        item["target"], item["known"] = self._made(label, corner)
        return item

    def _made(self, label: np.ndarray, corner: Size3) -> tuple[torch.Tensor, torch.Tensor]:
        near = self._around(corner, _farthest(self._reaches), label.shape)
        label, corner = self.erode.part(label, near), _within(corner, near)
        maps, sure = [], []
        for target, reach in zip(self.targets, self._reaches, strict=True):
            around = self._around(corner, reach, label.shape)
            inner = self._around(_within(corner, around), NONE, label.shape)
            maps.append(target.maps(label[around], inner))
            sure.append(target.known(label[around], inner))
        if len(maps) == 1:  # the array that the target made: another of that size costs more than most targets
            made, known = maps[0].astype(np.float32, copy=False), sure[0]
        else:
            made, known = np.concatenate(maps, dtype=np.float32, casting="unsafe"), torch.cat(sure)
        unknown = ~known.numpy()
        if unknown.any():
            made[unknown] = 0
        return torch.from_numpy(made), known

    def _corner(self, shape: tuple[int, ...]) -> Size3:
        """First voxel of the centred crop."""
        if any(size < length for size, length in zip(shape, self.crop, strict=True)):
            raise ValueError(f"labels of {shape} voxels (z, y, x) are smaller than the crop {self.crop}")
        z, y, x = ((size - length) // 2 for size, length in zip(shape, self.crop, strict=True))
        return z, y, x

    def _around(self, corner: Size3, reach: Reach, shape: tuple[int, ...]) -> Window:
        """The crop at that corner, and as much of what is in reach as there is."""
        z, y, x = (
            slice(max(0, start - before), min(size, start + length + after))
            for start, length, before, after, size in zip(corner, self.crop, *reach, shape, strict=True)
        )
        return z, y, x

    def _with_mask(self, label: np.ndarray, mask: Any) -> np.ndarray:
        if mask is None:
            return label
        unknown = as_volume(mask, self.mask) == 0
        if unknown.shape != label.shape:
            raise ValueError(
                f"'{self.mask}' has {unknown.shape} voxels (z, y, x) and '{self.label}' {label.shape}; they must cover "
                "the same"
            )
        if not unknown.any():
            return label
        return np.where(unknown, UNKNOWN, _signed(label))


def _signed(label: np.ndarray) -> np.ndarray:
    """The labels in a dtype that has -1.

    Raises:
        ValueError: an id above 2^63 - 1.
    """
    if label.dtype.kind not in "ub":
        return label
    if label.dtype.itemsize == 8 and label.max() > np.iinfo(np.int64).max:
        raise ValueError(f"id {label.max()} is above 2^63 - 1, so it cannot be beside unknown voxels, which are -1")
    return label.astype(np.int64)


def _reach(target: Target) -> Reach:
    return target.reach if isinstance(target, OneSidedTarget) else (target.margin, target.margin)


def _farthest(reaches: Sequence[Reach]) -> Reach:
    before, after = ([max(steps) for steps in zip(*side, strict=True)] for side in zip(*reaches, strict=True))
    return (before[0], before[1], before[2]), (after[0], after[1], after[2])


def _within(corner: Size3, window: Window) -> Size3:
    z, y, x = (start - part.start for start, part in zip(corner, window, strict=True))
    return z, y, x


def _contiguous(volume: Any) -> Any:
    return volume.contiguous() if isinstance(volume, torch.Tensor) else np.ascontiguousarray(volume)
