"""Remove the channels that only a loss needed from the weights of a network."""

from collections.abc import Mapping
from typing import Any

import torch

from scripts.networks.architectures import HEADS


def without_auxiliary(
    weights: Mapping[str, torch.Tensor], recipe: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and recipe of the same network with the channels of `activations` alone; its logits stay as they are.

    The last layer has its output channels in one block each, so the first blocks are kept.

    Args:
        weights: state dict of a network of this recipe.
        recipe: names architecture, activations and, where there are any, auxiliary offsets.

    Returns:
        Both as they were where nothing is auxiliary.
    """
    auxiliary = len(recipe.get("auxiliary_offsets") or ())
    if not auxiliary:
        return dict(weights), dict(recipe)
    channels = len(recipe["activations"])
    head = HEADS[recipe.get("architecture", "unetr")]
    kept = dict(weights)
    for name in (f"{head}.weight", f"{head}.bias"):
        rows = weights[name].shape[0] // (channels + auxiliary)
        kept[name] = weights[name][: channels * rows].clone()
    return kept, {**recipe, "auxiliary_offsets": []}
