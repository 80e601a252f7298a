"""Remove the channels that only a loss needed from the weights of a network, or take those of another network."""

from collections.abc import Mapping
from typing import Any

import torch

from scripts.networks.architectures import last_layer
from scripts.ops.targets.shape_descriptors import CHANNELS

NO_AUXILIARY: dict[str, Any] = {"auxiliary_offsets": [], "auxiliary_descriptors": None}
"""Settings of a recipe without auxiliary channels."""


def auxiliary_of(recipe: Mapping[str, Any]) -> list[list[Any]]:
    """What each auxiliary channel of a network is, in order: an offset, or a window and one of its descriptors.

    Args:
        recipe: has `auxiliary_offsets` and `auxiliary_descriptors` where there are any.
    """
    window = recipe.get("auxiliary_descriptors")
    offsets = [list(step) for step in recipe.get("auxiliary_offsets") or ()]
    return offsets + ([[*map(float, window), name] for name in CHANNELS] if window else [])


def auxiliary_count(recipe: Mapping[str, Any]) -> int:
    """How many output channels of a network are behind those of `activations`."""
    return len(auxiliary_of(recipe))


def without_auxiliary(
    weights: Mapping[str, torch.Tensor], recipe: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and recipe of the same network with the channels of `activations` alone; its logits stay as they are.

    The last layer has its output channels in one block each, so the first blocks are kept.

    Args:
        weights: state dict of a network of this recipe.
        recipe: names architecture, activations and what is auxiliary, if anything is.

    Returns:
        Both as they were where nothing is auxiliary.
    """
    auxiliary = auxiliary_count(recipe)
    if not auxiliary:
        return dict(weights), dict(recipe)
    channels = len(recipe["activations"])
    kept = dict(weights)
    for name in _last_layer(recipe):
        rows = weights[name].shape[0] // (channels + auxiliary)
        kept[name] = weights[name][: channels * rows].clone()
    return kept, {**recipe, **NO_AUXILIARY}


def with_auxiliary_of(
    weights: Mapping[str, torch.Tensor],
    recipe: Mapping[str, Any],
    fresh: Mapping[str, torch.Tensor],
    wanted: Mapping[str, Any],
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Weights with the auxiliary channels of another network of the same task, and a line where that changes any.

    Args:
        weights: state dict of a network of `recipe`.
        recipe: names architecture, activations and what is auxiliary, if anything is.
        fresh: state dict of the other network, whose auxiliary channels are taken.
        wanted: recipe of the other network.
    """
    there, here = auxiliary_of(recipe), auxiliary_of(wanted)
    layer = _last_layer(recipe)
    if there == here or not all(_same_inputs(weights.get(name), fresh.get(name)) for name in layer):
        return dict(weights), []
    kept, _ = without_auxiliary(weights, recipe)
    channels = len(recipe["activations"])
    for name in layer:
        joined = fresh[name].clone()
        rows = joined.shape[0] // (channels + len(here)) * channels
        if kept[name].shape[0] == rows:
            joined[:rows] = kept[name]
            kept[name] = joined
    new = f"; {len(here)} auxiliary channels start new" if here else ""
    left_out = f"; {len(there)} auxiliary channels of the file are left out" if there else ""
    return kept, [f"  the last layer has its {channels} channels from the file{left_out}{new}"]


def _same_inputs(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    """Whether two weights of a layer differ in their output channels at most."""
    if first is None or second is None:
        return False
    return first.dim() == second.dim() and first.shape[1:] == second.shape[1:]


def _last_layer(recipe: Mapping[str, Any]) -> tuple[str, str]:
    """Names of weight and bias of the last layer."""
    head = last_layer(recipe.get("architecture", "unetr"), recipe.get("unetr_form", "published"))
    return f"{head}.weight", f"{head}.bias"
