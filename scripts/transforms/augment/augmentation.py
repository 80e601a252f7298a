"""What all augmentations share: when they act, on what, and how large an item they need.

A geometric augmentation reads true voxels only, so it needs an item larger than the crop, and what it returns is
smaller by that margin, the same whether it acted or not. Where an item has less room than that, because its region is
thin, the augmentation does what the room allows, down to nothing; it never pads, and never leaves less than the crop.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Randomizable, RandomizableTransform
from monai.utils import TransformBackends

from scripts.ops.box import Size3, three_sizes
from scripts.transforms.deferred import present_keys, shape_of

CROP: Size3 = (6, 96, 96)
"""The crop of the paper (Cheng et al. 2023)."""


class Augmentation(RandomizableTransform):
    """One random change of a (channels, z, y, x) item; a subclass draws in `draw` and applies in `apply`.

    Args:
        prob: how often it acts.

    Raises:
        ValueError: a probability outside 0 to 1.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"{type(self).__name__}: probability {prob} is outside 0 to 1")
        RandomizableTransform.__init__(self, prob)

    def randomize(self, data: Any = None) -> None:
        """Draw whether to act and how, for an item of the extent `data`, (z, y, x)."""
        super().randomize(None)
        if self._do_transform:
            self.draw(data)

    def __call__(self, volume: NdarrayOrTensor, randomize: bool = True) -> NdarrayOrTensor:
        """(channels, z, y, x) to the same kind of array; with `randomize=False` the last draw is used again.

        Raises:
            ValueError: an item that is not 4-D, smaller than the crop, or of a dtype that cannot be changed so.
        """
        array = _array(volume)
        if array.ndim != 4:
            raise ValueError(f"{type(self).__name__} takes (channels, z, y, x), not an item of shape {array.shape}")
        self.check(array)
        if randomize:
            self.randomize(array.shape[1:])
        changed = self.apply(array) if self._do_transform else self.identity(array)
        if changed is array:
            return volume
        return torch.from_numpy(np.ascontiguousarray(changed)) if isinstance(volume, torch.Tensor) else changed

    def draw(self, extent: Size3) -> None:
        """Draw how to act on an item of this extent."""
        raise NotImplementedError

    def apply(self, volume: np.ndarray) -> np.ndarray:
        """Act as drawn; the volume given stays as it is."""
        raise NotImplementedError

    def identity(self, volume: np.ndarray) -> np.ndarray:
        """What is returned when it does not act."""
        return volume

    def check(self, volume: np.ndarray) -> None:
        """Refuse what cannot be changed."""


class GreyAugmentation(Augmentation):
    """An augmentation of grey values alone; black is -1 and white is 1, see `ScaleGrey`."""

    def check(self, volume: np.ndarray) -> None:
        """Real grey values are wanted."""
        if not np.issubdtype(volume.dtype, np.floating):
            raise ValueError(
                f"{type(self).__name__} changes grey values in [-1, 1], not voxels of dtype {volume.dtype}; "
                "put ScaleGreyd before it, and name no labels in its keys"
            )


class GeometricAugmentation(Augmentation):
    """An augmentation that moves voxels: real ones are interpolated, whole ones (labels) taken from the nearest.

    Args:
        prob: how often it acts.
        crop: (z, y, x) voxels that are left at least, whatever room the item has.
    """

    def __init__(self, prob: float, crop: Sequence[int]) -> None:
        super().__init__(prob)
        self.crop = three_sizes(crop, "crop")

    @property
    def margin(self) -> Size3:
        """(z, y, x) voxels it needs on each side of its crop."""
        z, y, x = (
            -(-(before - after) // 2) for before, after in zip(self.extent_before(self.crop), self.crop, strict=True)
        )
        return z, y, x

    def extent_before(self, extent: Size3) -> Size3:
        """(z, y, x) of the item from which `extent` is left."""
        return self.input_extent(extent) if self.prob > 0 else extent

    def extent_after(self, extent: Size3) -> Size3:
        """(z, y, x) that is left of an item, never less than the crop."""
        if self.prob == 0:
            return extent
        z, y, x = (max(crop, size) for crop, size in zip(self.crop, self.output_extent(extent), strict=True))
        return z, y, x

    def input_extent(self, extent: Size3) -> Size3:
        """`extent_before` of one that acts."""
        raise NotImplementedError

    def output_extent(self, extent: Size3) -> Size3:
        """`extent_after` of one that acts, were there no crop to leave."""
        raise NotImplementedError

    def identity(self, volume: np.ndarray) -> np.ndarray:
        """The centre of the item."""
        return centre(volume, self.extent_after(extent_of(volume)))

    def check(self, volume: np.ndarray) -> None:
        """As large as the crop is wanted."""
        if any(size < crop for size, crop in zip(volume.shape[1:], self.crop, strict=True)):
            raise ValueError(
                f"{type(self).__name__}: an item of {volume.shape[1:]} voxels (z, y, x) is smaller than the crop "
                f"{self.crop}; read a larger one or give a smaller crop"
            )


class Augmentationd(Randomizable, MapTransform):
    """Dictionary form: all keys of an item get one and the same draw.

    Args:
        augmentation: the array form.
        keys: what to change, each (channels, z, y, x) with the same last three axes.
        allow_missing_keys: whether an item may lack a key.
    """

    backend = Augmentation.backend

    def __init__(self, augmentation: Augmentation, keys: KeysCollection, allow_missing_keys: bool) -> None:
        super().__init__(keys, allow_missing_keys)
        self.augmentation = augmentation

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> "Augmentationd":
        """Draw from this state from now on."""
        self.augmentation.set_random_state(seed, state)
        self.R = self.augmentation.R
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw for an item of the extent `data`, (z, y, x)."""
        self.augmentation.randomize(data)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its keys changed alike.

        Raises:
            KeyError: a key that is not there.
            ValueError: keys of different extent, voxels not read yet, or what the array form refuses.
        """
        item = dict(data)
        name = type(self).__name__
        keys = present_keys(item, self)
        unread = [key for key in self.keys if key in item.get("deferred", ())]
        if unread:
            raise ValueError(f"{name} needs the voxels of {unread}, which are not read yet; use the loader's sampler")
        extents = {tuple(shape[-3:]) for key in keys if (shape := shape_of(item, key)) is not None}
        if len(extents) > 1:
            raise ValueError(f"{name}: keys {tuple(keys)} have different extents {sorted(extents)} (z, y, x)")
        for key in keys:
            self.augmentation.check(_array(item[key]))
        if extents:
            self.randomize(extents.pop())
        for key in keys:
            item[key] = self.augmentation(item[key], randomize=False)
        return item


class GeometricAugmentationd(Augmentationd):
    """Dictionary form of a geometric augmentation: image and label move together."""

    augmentation: GeometricAugmentation

    @property
    def margin(self) -> Size3:
        """(z, y, x) voxels it needs on each side of its crop."""
        return self.augmentation.margin

    def extent_before(self, extent: Size3) -> Size3:
        """(z, y, x) of the item from which `extent` is left."""
        return self.augmentation.extent_before(extent)


def centre(volume: np.ndarray, extent: Size3) -> np.ndarray:
    """View of the middle of (..., z, y, x); the odd voxel too many is at the end."""
    z, y, x = ((size - wanted) // 2 for size, wanted in zip(volume.shape[-3:], extent, strict=True))
    return volume[..., z : z + extent[0], y : y + extent[1], x : x + extent[2]]


def extent_of(volume: np.ndarray) -> Size3:
    """(z, y, x) of (..., z, y, x)."""
    z, y, x = volume.shape[-3:]
    return z, y, x


def _array(volume: NdarrayOrTensor) -> np.ndarray:
    if not isinstance(volume, torch.Tensor):
        return np.asarray(volume)
    tensor = volume.detach().cpu()
    return np.asarray(tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor)
