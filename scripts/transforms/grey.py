"""Grey values to the range the network sees: black is -1, white is 1."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from scripts.ops.nonfinite import REFUSE, ZERO, NonFiniteError, checked_choice
from scripts.transforms.deferred import present_keys


class ScaleGrey(Transform):
    """Map [low, high] to [-1, 1] in float32; for uint8 this is (x/255 - 0.5)/0.5.

    That is the scale of the authors' earlier code and of PyTorch Connectomics.

    Computed as (x - centre) * (1 / half range), two operations that every device rounds alike, so that a batch scaled
    on a GPU equals one scaled by the loader to the bit.

    Args:
        low: grey value that becomes -1; 0 for uint8, to be declared for any other dtype.
        high: grey value that becomes 1; 255 for uint8, to be declared for any other dtype.
        nonfinite: "zero" turns NaN and infinite values into 0, the middle of the range; else they are an error.

    Raises:
        ValueError: only one of the two given, or low not below high.

    Example:
        >>> ScaleGrey()(np.array([[[0, 255]]], np.uint8)).tolist()
        [[[-1.0, 1.0]]]
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, low: float | None = None, high: float | None = None, nonfinite: str = REFUSE) -> None:
        self.nonfinite = checked_choice(nonfinite)
        if (low is None) != (high is None):
            raise ValueError(f"low={low}, high={high}: declare both ends of the grey range or neither")
        if low is not None and high is not None and not -np.inf < low < high < np.inf:
            raise ValueError(f"grey range low={low}, high={high} must be finite and ascending")
        self.low, self.high = low, high

    def __call__(self, volume: NdarrayOrTensor) -> torch.Tensor:
        """(..., z, y, x) grey values to float32 of the same shape, on the device they are on.

        Raises:
            ValueError: a dtype without declared range, or a value outside it, with its place.
        """
        low, high = self._range(volume.dtype)
        grey = _float32_copy(volume)
        if self.nonfinite == ZERO:
            _fill_nonfinite(grey, (low + high) / 2)
        if self.low is not None:
            _check_inside(grey, low, high)
        grey -= (low + high) / 2
        grey *= 2 / (high - low)
        return torch.from_numpy(grey) if isinstance(grey, np.ndarray) else grey

    def _range(self, dtype: Any) -> tuple[float, float]:
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if dtype == (torch.uint8 if isinstance(dtype, torch.dtype) else np.uint8):
            return 0.0, 255.0
        raise ValueError(
            f"grey values of dtype {dtype} have no declared range; give the values that are black and white, "
            "for example low=0, high=65535"
        )


class ScaleGreyd(MapTransform):
    """Scale the grey values of the given keys, see `ScaleGrey`.

    Args:
        keys: what to scale.
        low: grey value that becomes -1.
        high: grey value that becomes 1.
        allow_missing_keys: whether an item may lack a key.
        nonfinite: "zero" turns NaN and infinite values into 0; else they are an error.

    Example:
        >>> ScaleGreyd("image", low=0, high=200)({"image": np.array([[[[0, 100, 200]]]])})["image"].tolist()
        [[[[-1.0, 0.0, 1.0]]]]
    """

    backend = ScaleGrey.backend

    def __init__(
        self,
        keys: KeysCollection = "image",
        low: float | None = None,
        high: float | None = None,
        allow_missing_keys: bool = False,
        nonfinite: str = REFUSE,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = ScaleGrey(low, high, nonfinite)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale the item's keys; one whose voxels are still to be gathered is left to `on_batch`."""
        item = dict(data)
        for key in present_keys(item, self):
            item[key] = self.scale(item[key])
        return item

    def on_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The same for a batch gathered on the device."""
        return {key: self.scale(value) if key in self.keys else value for key, value in batch.items()}


def _float32_copy(volume: NdarrayOrTensor) -> NdarrayOrTensor:
    if isinstance(volume, torch.Tensor):
        return volume.to(torch.float32, copy=True)
    return np.ascontiguousarray(volume).astype(np.float32)


def _fill_nonfinite(grey: NdarrayOrTensor, value: float) -> None:
    if isinstance(grey, torch.Tensor):
        grey[~torch.isfinite(grey)] = value
    else:
        grey[~np.isfinite(grey)] = value


def _check_inside(grey: NdarrayOrTensor, low: float, high: float) -> None:
    if low <= grey.min() and grey.max() <= high:  # false for NaN too
        return
    values = grey.cpu().numpy() if isinstance(grey, torch.Tensor) else grey
    place = tuple(map(int, np.argwhere(~((values >= low) & (values <= high)))[0]))
    odd = int(np.count_nonzero(~np.isfinite(values)))
    if odd:
        place = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
    where = f"at {place} of a crop of shape {tuple(values.shape)} (..., z, y, x)"
    if odd:
        raise NonFiniteError(
            f"grey value {values[place]} {where}: {odd} voxels of it are NaN or infinite; choose a box without them, "
            "fill them, or give a bundle --nonfinite zero, which puts the middle of the grey range there"
        )
    raise ValueError(
        f"grey value {values[place]:g} {where} is outside the declared range {low:g} to {high:g}; declare the range "
        "the volume really has"
    )
