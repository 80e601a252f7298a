"""Class weights of a target as a volume, to look at or to weigh a loss of one's own."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from scripts.ops.targets.class_weights import class_weights


class ClassWeights(Transform):
    """1 where a target is of its commoner class, max(r, 1 - r) / min(r, 1 - r) elsewhere; 0 where unknown.

    r is the positive share of the known voxels over all channels, clipped to [0.05, 0.95] (Lin et al. 2021).
    `scripts.losses.WeightedBCE` makes the same by itself.
    """

    backend = [TransformBackends.TORCH]  # noqa: RUF012 (MONAI's own form)

    def __call__(self, target: NdarrayOrTensor, known: NdarrayOrTensor | None = None) -> torch.Tensor:
        """(C, z, y, x) target, and bool of the same shape where it is known, to float32 weights of that shape.

        Raises:
            ValueError: a mask that is not bool or not of the target's shape.
        """
        volume = torch.as_tensor(target)
        where = torch.ones(volume.shape, dtype=torch.bool) if known is None else torch.as_tensor(known)
        return class_weights(volume[None], where[None])[0] * where


class ClassWeightsd(MapTransform):
    """Dictionary form of `ClassWeights`: the weights of each key under `<key>_weight`.

    Args:
        keys: targets.
        known: key of the mask; all is known where the item has none.
        allow_missing_keys: whether an item may lack a key.
    """

    backend = ClassWeights.backend

    def __init__(self, keys: KeysCollection = "target", known: str = "known", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.weigh, self.known = ClassWeights(), known

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with the weights added."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[f"{key}_weight"] = self.weigh(item[key], item.get(self.known))
        return item
