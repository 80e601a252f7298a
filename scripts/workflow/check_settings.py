"""Check the settings of a run against each other, before a volume is opened or a folder made.

What one part of a run can check alone is checked by its constructor, which the `checks` of a config call first.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.checkpoints.pretrained import check_sources
from scripts.metrics.decoder_search import DecoderSearch
from scripts.workflow.knobs import KNOBS, knob_value

TRUNK = "residual_unet"
"""Architecture without an encoder."""
TRIAL = (4, 32, 32)
"""Voxels of the empty maps that the decoder is tried on."""


def check_settings(
    recipe: Mapping[str, Any],
    knobs: Mapping[str, Any],
    channels: int | None = None,
    decoder_search: DecoderSearch | None = None,
) -> None:
    """Check the recipe of a `train.json`: every knob, whole patches in crop and window, the start, numbers of channels.

    Args:
        recipe: as in the checkpoint.
        knobs: further knobs by name.
        channels: maps that the targets have.
        decoder_search: the decoder of validation; tried on empty maps of as many channels.

    Raises:
        ValueError: the first knob that cannot be, with its value and a remedy.
    """
    for name, value in {**recipe, **knobs}.items():
        if name in KNOBS and not isinstance(value, Mapping):
            knob_value(name, value)
    for name in ("crop", "window"):
        if name in recipe:
            check_crop(recipe[name], recipe["patch"], name)
    if "pretrained_head" in recipe:
        names = ("architecture", "pretrained", "pretrained_head", "pretrained_trunk")
        check_sources(*(recipe[name] for name in names))
    if recipe.get("freeze") and recipe.get("architecture") == TRUNK:
        raise ValueError(
            f"freeze {recipe['freeze']}: a {TRUNK} has no encoder to freeze; use --freeze 0, or --architecture hybrid "
            "or unetr"
        )
    form, architecture = recipe.get("unetr_form", "published"), recipe.get("architecture")
    if form != "published" and architecture not in (None, "unetr"):
        raise ValueError(
            f"unetr_form '{form}': a {architecture} has no decoder of a UNETR; use --architecture unetr, or leave "
            "unetr_form at published"
        )
    warm_up, iterations = recipe.get("warm_up", 0), recipe.get("iterations")
    if iterations is not None and warm_up > iterations:
        raise ValueError(
            f"warm_up {warm_up} is longer than the {iterations} iterations, so the learning rate never reaches lr; use "
            f"--warm_up {iterations // 20}, or more iterations"
        )
    if decoder_search is not None:
        check_channels(recipe["activations"], channels or 0, decoder_search)


def check_crop(crop: Sequence[int], patch: Sequence[int], name: str = "crop") -> None:
    """Raise ValueError unless a crop, or other named size, is a whole number of patches along each axis."""
    for axis, size, step in zip("zyx", crop, patch, strict=True):
        if size % step:
            lower = size - size % step
            nearest = " or ".join(str(n) for n in (lower, lower + step) if n)
            raise ValueError(
                f"{name} {list(crop)}: {size} along {axis} is no multiple of the patch's {step}; use {nearest}"
            )


def check_channels(activations: Sequence[str], channels: int, decoder_search: DecoderSearch) -> None:
    """Raise ValueError unless targets, activations and decoder have the same number of channels."""
    if len(activations) != channels:
        raise ValueError(
            f"the targets have {channels} channels, but {len(activations)} activations are named: "
            f"{list(activations)}; give one for each"
        )
    try:
        for _ in decoder_search.instances(np.zeros((channels, *TRIAL), np.float32)):
            pass
    except ValueError as error:
        raise ValueError(f"decoder '{decoder_search.decoder}' cannot decode what is trained: {error}") from error
