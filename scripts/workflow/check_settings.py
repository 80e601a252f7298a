"""Check the settings of a run against each other, before a volume is opened or a folder made."""

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from scripts.engines.precision import AUTO
from scripts.engines.precision_inferer import PRECISIONS
from scripts.metrics.decoder_search import DecoderSearch
from scripts.networks.architectures import ARCHITECTURES, check_trunk_patch
from scripts.networks.upsampling import even_taps
from scripts.ops.token_masks import check_ratio

STRATEGIES = {"random": "tokens", "space_only": "columns", "section_only": "sections"}
SAMPLERS = ("loader", "device")
NETWORK_SIZES = {"width", "depth", "heads", "decoder_width", "decoder_depth", "decoder_heads"}
PRESET = frozenset({"width", "depth", "heads", "drop_path", "layer_decay"})
"""Keys of a preset of `network`: the sizes of an encoder, and how it is fine-tuned."""
TRIAL = (4, 32, 32)
"""Voxels of the empty maps that the decoder is tried on."""


def check_settings(
    crop: Sequence[int],
    patch: Sequence[int],
    network: str,
    presets: Mapping[str, Mapping[str, int]],
    mask: str,
    mask_ratio: float,
    precision: str,
    sampler: str,
    batch: int,
    accumulation: int,
    world: int,
    positive: Mapping[str, float],
) -> None:
    """Check the knobs of `train.json` against each other.

    Args:
        positive: further knobs by name, each of which must be above 0.

    Raises:
        ValueError: the first knob that cannot be, with its value and a remedy.
    """
    check_crop(crop, patch)
    check_network(network, presets)
    one_of("mask", mask, tuple(STRATEGIES))
    one_of("precision", precision, (AUTO, *PRECISIONS))
    one_of("sampler", sampler, SAMPLERS)
    _check_mask(mask, mask_ratio, [size // step for size, step in zip(crop, patch, strict=True)])
    check_positive({"batch": batch, "accumulation": accumulation, **positive})
    check_batch(batch, accumulation, world)


def check_segmentation_settings(
    crop: Sequence[int],
    patch: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    network: str,
    presets: Mapping[str, Mapping[str, Any]],
    decoder: str,
    decoders: Mapping[str, Sequence[int]],
    activations: Sequence[str],
    channels: int,
    choice: DecoderSearch,
    precision: str,
    batch: int,
    accumulation: int,
    world: int,
    positive: Mapping[str, float],
    pretrained: str | os.PathLike[str] | None = None,
    architecture: str = "unetr",
    trunk: str = "",
    trunks: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Check the knobs of a `train.json` of fine-tuning against each other.

    Args:
        channels: maps that the targets have.
        choice: decoder and settings of validation; tried on empty maps of as many channels.
        positive: further knobs by name, each of which must be above 0.
        pretrained: a file that must be there.
        architecture: name of the network; it decides which of decoder and trunk are used.
        trunk: preset of the residual U-Net, one of `trunks`.

    Raises:
        ValueError: the first knob that cannot be, with its value and a remedy.
    """
    check_crop(crop, patch)
    check_crop(window, patch, "window")
    check_stride(stride, window)
    check_network(network, presets, PRESET)
    one_of("architecture", architecture, tuple(ARCHITECTURES))
    if architecture == "unetr":
        even_taps(presets[network]["depth"], patch)
        one_of("unetr_decoder", decoder, tuple(name for name in decoders if not name.startswith("_")))
    else:
        one_of("trunk", trunk, tuple(name for name in trunks if not name.startswith("_")))
        check_trunk_patch(patch, trunks[trunk])
    one_of("precision", precision, (AUTO, *PRECISIONS))
    check_channels(activations, channels, choice)
    check_positive({"batch": batch, "accumulation": accumulation, **positive})
    check_batch(batch, accumulation, world)
    if pretrained is not None and not Path(pretrained).is_file():
        raise ValueError(
            f"there is no file '{pretrained}' to take the encoder from; give --pretrained the best.pt of a "
            "pre-training, or leave it out to start from scratch"
        )


def check_positive(knobs: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the knob, unless each is a number above 0."""
    for name, value in knobs.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"{name} {value!r} is not a number above 0")


def check_batch(batch: int, accumulation: int, world: int) -> None:
    """Raise ValueError unless a batch can be divided evenly."""
    if batch % (world * accumulation):
        raise ValueError(
            f"batch {batch} is not divisible by {world} processes x accumulation {accumulation}; the nearest batch "
            "that is: "
            f"{max(1, round(batch / (world * accumulation))) * world * accumulation}"
        )


def check_crop(crop: Sequence[int], patch: Sequence[int], name: str = "crop") -> None:
    """Raise ValueError unless a crop, or other named size, is a whole number of patches along each axis."""
    for what, sizes in ((name, crop), ("patch", patch)):
        if len(sizes) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
            raise ValueError(f"{what} {list(sizes)} is not three whole numbers of voxels: z, y, x")
    for axis, size, step in zip("zyx", crop, patch, strict=True):
        if size % step:
            lower = size - size % step
            nearest = " or ".join(str(n) for n in (lower, lower + step) if n)
            raise ValueError(
                f"{name} {list(crop)}: {size} along {axis} is no multiple of the patch's {step}; use {nearest}"
            )


def check_network(
    network: str, presets: Mapping[str, Mapping[str, Any]], needed: Set[str] = frozenset(NETWORK_SIZES)
) -> None:
    """Raise ValueError unless the network is a preset that names the sizes needed, and they fit together."""
    one_of("network", network, tuple(name for name in presets if not name.startswith("_")))
    sizes = presets[network]
    missing = needed - sizes.keys()
    if missing:
        raise ValueError(f"network '{network}' lacks {sorted(missing)}; a preset names {sorted(needed)}")
    for part, width, heads in (("", "width", "heads"), ("decoder ", "decoder_width", "decoder_heads")):
        if width in needed and sizes[width] % sizes[heads]:
            raise ValueError(
                f"network '{network}': {part}width {sizes[width]} is not divisible by {sizes[heads]} heads"
            )


def _check_mask(mask: str, ratio: Any, grid: Sequence[int]) -> None:
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        raise ValueError(f"mask_ratio {ratio!r} is not a number between 0 and 1")
    z, y, x = grid
    units = {"random": z * y * x, "space_only": y * x, "section_only": z}[mask]
    check_ratio(units, ratio, STRATEGIES[mask], grid)


def one_of(name: str, value: Any, known: Sequence[str]) -> None:
    """Raise ValueError unless a knob's value is known."""
    if value not in known:
        raise ValueError(f"{name} '{value}' is not one of {', '.join(known)}")


def check_stride(stride: Sequence[int], window: Sequence[int]) -> None:
    """Raise ValueError unless windows that are a stride apart leave no gap."""
    whole = len(stride) == 3 and all(isinstance(step, int) and not isinstance(step, bool) for step in stride)
    if not whole or any(not 0 < step <= size for step, size in zip(stride, window, strict=True)):
        raise ValueError(
            f"stride {list(stride)} is not three whole numbers (z, y, x) from 1 to the window's {list(window)}; half "
            "of it is usual"
        )


def check_channels(activations: Sequence[str], channels: int, choice: DecoderSearch) -> None:
    """Raise ValueError unless targets, activations and decoder have the same number of channels."""
    if len(activations) != channels:
        raise ValueError(
            f"the targets have {channels} channels, but {len(activations)} activations are named: "
            f"{list(activations)}; give one for each"
        )
    try:
        for _ in choice.instances(np.zeros((channels, *TRIAL), np.float32)):
            pass
    except ValueError as error:
        raise ValueError(f"decoder '{choice.decoder}' cannot decode what is trained: {error}") from error
