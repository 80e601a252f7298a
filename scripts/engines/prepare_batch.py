"""Unpack batches for training and validation engines, in the form of MONAI's `prepare_batch`."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from scripts.networks.tokens import kept_tokens

MaskedBatch = tuple[torch.Tensor, tuple[torch.Tensor, ...], tuple[torch.Tensor], dict[str, Any]]
TargetBatch = tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor], tuple[()], dict[str, Any]]
BoxBatch = tuple[torch.Tensor, torch.Tensor, tuple[()], dict[str, Any]]


def prepare_masked_batch(
    batch: Mapping[str, Any],
    device: str | torch.device | None = None,
    non_blocking: bool = False,
    **kwargs: Any,
) -> MaskedBatch:
    """Unpack a batch in MONAI's prepare-batch form: input, target, and further arguments of `forward`.

    Args:
        batch: "image" (b, 1, z, y, x), "mask" (b, gz, gy, gx), True where a token is hidden, and, where the
            loader lists them, "kept" (b, k) tokens; "unmasked", bool like the image, where the volumes have a mask.
        device: target of the tensors.
        non_blocking: copy from pinned memory without waiting.
        kwargs: passed to `Tensor.to`.

    Returns:
        The image; (image, mask), and the voxels that count, for the loss; (indices of the kept tokens,) for
        `forward`; no keywords.
    """
    image = _plain(batch["image"]).to(device, non_blocking=non_blocking, **kwargs)
    mask = _plain(batch["mask"])
    kept = batch["kept"] if "kept" in batch else kept_tokens(mask)
    kept = kept.to(device, non_blocking=non_blocking)
    target: tuple[torch.Tensor, ...] = (image, mask.to(device, non_blocking=non_blocking))
    if "unmasked" in batch:
        target += (_plain(batch["unmasked"]).to(device, non_blocking=non_blocking),)
    return image, target, (kept,), {}


def prepare_target_batch(
    batch: Mapping[str, Any],
    device: str | torch.device | None = None,
    non_blocking: bool = False,
    **kwargs: Any,
) -> TargetBatch:
    """Unpack a batch of crops with targets in MONAI's prepare-batch form.

    Args:
        batch: "image" (b, 1, z, y, x), "target" (b, c, z, y, x) and "known", bool of the same shape, True where the
            labels decide.
        device: target of the tensors.
        non_blocking: copy from pinned memory without waiting.
        kwargs: passed to `Tensor.to`.

    Returns:
        The image; (target, known) for the loss; no further arguments; no keywords.
    """
    image = _plain(batch["image"]).to(device, non_blocking=non_blocking, **kwargs)
    target = _plain(batch["target"]).to(device, non_blocking=non_blocking, **kwargs)
    return image, (target, _plain(batch["known"]).to(device, non_blocking=non_blocking)), (), {}


def prepare_box_batch(
    batch: Mapping[str, Any],
    device: str | torch.device | None = None,
    non_blocking: bool = False,
    **kwargs: Any,
) -> BoxBatch:
    """Unpack a batch of boxes: the image is copied to the device, the labels stay on the CPU, which scores them.

    Args:
        batch: "image" (b, 1, z, y, x) and "label", integers of the same shape; "unmasked", bool likewise, where the
            volumes have a mask: a keyword of the inferer.
        device: target of the image.
        non_blocking: copy from pinned memory without waiting.
        kwargs: passed to `Tensor.to`.
    """
    image = _plain(batch["image"]).to(device, non_blocking=non_blocking, **kwargs)
    keywords = {"unmasked": _plain(batch["unmasked"])} if "unmasked" in batch else {}
    return image, _plain(batch["label"]).cpu(), (), keywords


def microbatches(batch: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Yield equal shares of a collated batch along its first axis, in order.

    Raises:
        ValueError: the batch is not divisible by `count`.
    """
    size = len(batch["image"])
    if size % count:
        raise ValueError(
            f"a batch of {size} crops cannot be divided into {count} equal microbatches; choose another accumulation"
        )
    step = size // count
    for first in range(0, size, step):
        yield {key: value[first : first + step] for key, value in batch.items()}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Remove MONAI's metadata: compiled networks and plain losses need a torch.Tensor."""
    as_tensor = getattr(tensor, "as_tensor", None)
    return as_tensor() if as_tensor is not None else tensor
