"""What can be wrong with the settings of a fine-tuning alone, found before a volume is opened or a folder made."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from scripts.engines.precision import AUTO
from scripts.engines.precision_inferer import PRECISIONS
from scripts.metrics.decoder_search import DecoderSearch
from scripts.networks.architectures import ARCHITECTURES, check_trunk_patch
from scripts.networks.upsampling import even_taps
from scripts.workflow.preflight import check_batch, check_crop, check_network, check_positive, one_of

PRESET = frozenset({"width", "depth", "heads", "drop_path", "layer_decay"})
"""What a preset of `network` names: an encoder, and how it is fine-tuned."""
TRIAL = (4, 32, 32)
"""Voxels of the empty maps that the decoder is tried on."""


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
        ValueError: the first knob that cannot be, with its value and what would do.
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


def check_stride(stride: Sequence[int], window: Sequence[int]) -> None:
    """Raise ValueError unless windows that are a stride apart leave no gap."""
    whole = len(stride) == 3 and all(isinstance(step, int) and not isinstance(step, bool) for step in stride)
    if not whole or any(not 0 < step <= size for step, size in zip(stride, window, strict=True)):
        raise ValueError(
            f"stride {list(stride)} is not three whole numbers (z, y, x) from 1 to the window's {list(window)}; half "
            "of it is usual"
        )


def check_channels(activations: Sequence[str], channels: int, choice: DecoderSearch) -> None:
    """Raise ValueError unless targets, activations and decoder speak of the same number of maps."""
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
