"""From predictions to instances, as MONAI transforms: a decoder is passed in, and cleaning follows."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from scripts.ops.labels.label_cleanup import crop_border, fill_holes, remove_small_objects


class DecodeInstances(Transform):
    """Turn a prediction into instances with any of `scripts.ops.decoding.decoders`.

    Args:
        decoder: takes a (channels, z, y, x) numpy array and returns (z, y, x) ids, for example
            `scripts.ops.decoding.decoders.ZWatershed(low=0.1, high=0.98)`.

    Example:
        >>> decode = DecodeInstances(lambda maps: (maps[0] > 0.5).astype(np.uint32))
        >>> decode(np.array([[[[0.2, 0.9]]]])).tolist()
        [[[[0, 1]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, decoder: Callable[[np.ndarray], np.ndarray]) -> None:
        self.decoder = decoder

    def __call__(self, prediction: NdarrayOrTensor) -> torch.Tensor:
        """(channels, z, y, x) prediction, on any device, to (1, z, y, x) int64 ids on the CPU; the prediction stays.

        Raises:
            ValueError: what the decoder refuses.
        """
        instances = self.decoder(_numpy(prediction))
        return torch.from_numpy(instances.astype(np.int64))[None]


class DecodeInstancesd(MapTransform):
    """Dictionary form of `DecodeInstances`; one decoder for all keys."""

    backend = DecodeInstances.backend

    def __init__(
        self, keys: KeysCollection, decoder: Callable[[np.ndarray], np.ndarray], allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.decode = DecodeInstances(decoder)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the instances in place of each prediction."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.decode(item[key])
        return item


class CleanInstances(Transform):
    """Crop a border, fill the holes that one object encloses, remove small objects, in this order.

    Args:
        smallest: objects of fewer voxels are removed.
        holes: whether to fill holes.
        border: (z, y, x) voxels to crop at both ends of each axis.

    Example:
        >>> CleanInstances(smallest=2)(np.array([[[[1, 0, 2, 2]]]])).tolist()
        [[[[0, 0, 2, 2]]]]
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, smallest: int = 0, holes: bool = False, border: Sequence[int] = (0, 0, 0)) -> None:
        self.smallest, self.holes, self.border = smallest, holes, tuple(border)

    def __call__(self, instances: NdarrayOrTensor) -> torch.Tensor:
        """(1, z, y, x) ids to (1, z, y, x) int64 ids; the ids that stay keep their value.

        Raises:
            ValueError: more than one channel, ids that are not whole numbers, or a border that leaves nothing.
        """
        labels = _numpy(instances)
        if labels.ndim != 4 or labels.shape[0] != 1:
            raise ValueError(f"instances of shape {labels.shape} are not (1, z, y, x)")
        cleaned = crop_border(labels[0], self.border)
        cleaned = fill_holes(cleaned) if self.holes else cleaned
        return torch.from_numpy(remove_small_objects(cleaned, self.smallest).astype(np.int64))[None]


class CleanInstancesd(MapTransform):
    """Dictionary form of `CleanInstances`."""

    backend = CleanInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        smallest: int = 0,
        holes: bool = False,
        border: Sequence[int] = (0, 0, 0),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.clean = CleanInstances(smallest, holes, border)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with each segmentation cleaned."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.clean(item[key])
        return item


def _numpy(array: NdarrayOrTensor) -> np.ndarray:
    if not isinstance(array, torch.Tensor):
        return np.asarray(array)
    array = array.detach().cpu()
    if array.dtype == torch.bfloat16:
        array = array.float()
    return np.asarray(array.as_tensor() if hasattr(array, "as_tensor") else array)
