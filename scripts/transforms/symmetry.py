"""A random symmetry for each crop: flips along z, y and x, and an exchange of y and x."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Randomizable, Transform
from monai.utils import TransformBackends

from scripts.ops.symmetry import SWAP_YX, SYMMETRIES, apply_flips, apply_symmetries, apply_symmetry
from scripts.transforms.deferred import present_keys, shape_of


class RandSymmetry(Randomizable, Transform):
    """Apply one of the 16 symmetries of `scripts.ops.symmetry`, each as likely.

    Where a crop is not square in plane y and x cannot trade places: one of the 8 flips is drawn instead.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self) -> None:
        self.code = 0

    def randomize(self, shape: Any = None) -> None:
        """Draw `self.code` for a crop of the given shape (..., z, y, x)."""
        square = shape is None or shape[-1] == shape[-2]
        self.code = int(self.R.randint(SYMMETRIES)) % (SYMMETRIES if square else SWAP_YX)

    def __call__(self, volume: NdarrayOrTensor, randomize: bool = True) -> NdarrayOrTensor:
        """(..., z, y, x) to the same shape; with `randomize=False` the code drawn last is used again."""
        if randomize:
            self.randomize(volume.shape)
        if isinstance(volume, np.ndarray):
            return np.ascontiguousarray(apply_symmetry(volume, self.code))
        return apply_symmetry(volume, self.code).contiguous()


class RandSymmetryd(Randomizable, MapTransform):
    """Give all keys of an item one and the same random symmetry, and store its code as `item["symmetry"]`.

    Args:
        keys: what to move, each (..., z, y, x) with the same last three axes.
        allow_missing_keys: whether an item may lack a key.

    Example:
        >>> move = RandSymmetryd(["image", "label"]).set_random_state(0)
        >>> volume = np.arange(16).reshape(1, 1, 4, 4)
        >>> moved = move({"image": volume, "label": volume})
        >>> bool((moved["image"] == moved["label"]).all())
        True
    """

    backend = RandSymmetry.backend

    def __init__(self, keys: KeysCollection = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.symmetry = RandSymmetry()

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> "RandSymmetryd":
        """Draw from this state from now on."""
        self.symmetry.set_random_state(seed, state)
        self.R = self.symmetry.R
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw the code for a crop of this shape."""
        self.symmetry.randomize(data)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Move the item's keys.

        Raises:
            ValueError: keys of different extent, which one symmetry cannot move together.
        """
        item = dict(data)
        shapes = {tuple(shape[-3:]) for key in self.keys if (shape := shape_of(item, key)) is not None}
        if len(shapes) > 1:
            raise ValueError(
                f"keys {self.keys} have different extents {sorted(shapes)} (z, y, x); they cannot be moved together"
            )
        self.randomize(next(iter(shapes), None))
        for key in present_keys(item, self):
            item[key] = self.symmetry(item[key], randomize=False)
        item["symmetry"] = self.symmetry.code
        return item

    def on_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The same for a batch gathered on the device: move the keys by the codes in `batch["symmetry"]`."""
        moved = dict(batch)
        codes = batch["symmetry"]
        for key in self.keys:
            if key in moved:
                volumes: torch.Tensor = moved[key]
                square = volumes.shape[-1] == volumes.shape[-2]
                moved[key] = apply_symmetries(volumes, codes) if square else apply_flips(volumes, codes)
        return moved
