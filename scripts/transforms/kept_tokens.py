"""Indices of the tokens the encoder will see, made where the mask is made: on a GPU, counting them would have to
wait."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform
from monai.utils.enums import TransformBackends

from scripts.networks.tokens import kept_tokens


class KeptTokensd(Transform):
    """Put `item["kept"]`, int64 (K,) ascending, beside a mask; batches of it are what `Encoder` takes.

    Args:
        mask_key: bool (gz, gy, gx), True = hidden.
        kept_key: where the indices go.
    """

    backend = [TransformBackends.TORCH]  # noqa: RUF012 (MONAI's own form)

    def __init__(self, mask_key: Hashable = "mask", kept_key: Hashable = "kept") -> None:
        self.mask_key, self.kept_key = mask_key, kept_key

    def __call__(self, item: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The item with its kept tokens."""
        return {**item, self.kept_key: kept_tokens(item[self.mask_key][None])[0]}
