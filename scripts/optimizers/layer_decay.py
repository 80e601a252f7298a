"""Learning rates that fall toward the image: what is far from the output learns slowest (Bao et al. 2022, BEiT)."""

from collections.abc import Sequence
from typing import Any

from torch import nn


def layer_decay_groups(network: nn.Module, lr: float, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of a network with an attribute `encoder`, such as `UNETR`; without one, layer_decay must be 1.

    The patch embedding is layer 0 and block i, counted from 1, is layer i; of an encoder of depth d all the rest (its
    final norm, and the decoder) is layer d + 1. A layer's rate is lr * layer_decay ** (d + 1 - layer). Matrices
    decay; norms, biases and every other 1-D parameter do not. Parameters that need no gradient are left out.

    The decoder comes first, so the rate that a log shows of the first group is the full one. A schedule that
    multiplies rates, such as `monai.optimizers.WarmupCosineSchedule`, scales all groups alike.

    Args:
        network: the plain network, neither compiled nor wrapped for several processes.
        lr: learning rate of the decoder.
        weight_decay: of matrices.
        layer_decay: factor from a layer to the one before it, above 0 and up to 1; BEiT and MAE take 0.65 for ViT-B
            and 0.75 for ViT-L. 1 gives two groups, decayed and undecayed.

    Returns:
        `[{"name": "decoder, decayed", "params": [...], "lr": lr, "weight_decay": weight_decay}, ...]`

    Raises:
        ValueError: a number out of its range, or a network without an encoder of blocks.
    """
    if lr <= 0 or weight_decay < 0 or not 0 < layer_decay <= 1:
        raise ValueError(
            f"lr {lr} must be positive, weight_decay {weight_decay} 0 or more, layer_decay {layer_decay} above 0 and "
            "at most 1"
        )
    depth = 0 if layer_decay == 1 else encoder_depth(network)
    layers: dict[int, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            layer = depth + 1 if layer_decay == 1 else layer_of(name, depth)
            layers.setdefault(layer, []).append(parameter)
    groups: list[dict[str, Any]] = []
    for layer in sorted(layers, reverse=True):
        rate = lr * layer_decay ** (depth + 1 - layer)
        title = "all" if layer_decay == 1 else _title(layer, depth)
        for suffix, decay, wanted in (("decayed", weight_decay, True), ("undecayed", 0.0, False)):
            members = [parameter for parameter in layers[layer] if (parameter.ndim > 1) == wanted]
            if members:
                groups.append({"name": f"{title}, {suffix}", "params": members, "lr": rate, "weight_decay": decay})
    return groups


def layer_of(name: str, depth: int) -> int:
    """The layer, 0 to depth + 1, of a parameter by its full name."""
    parts = name.split(".")
    if parts[:2] == ["encoder", "patch_embedding"]:
        return 0
    if parts[:2] == ["encoder", "blocks"]:
        return int(parts[2]) + 1
    return depth + 1


def group_table(groups: Sequence[dict[str, Any]]) -> str:
    """The groups of an optimizer as lines of text: name, parameters, learning rate, weight decay."""
    rows = [("group", "parameters", "learning rate", "weight decay")]
    for group in groups:
        parameters = sum(parameter.numel() for parameter in group["params"])
        rows.append((str(group["name"]), f"{parameters:,}", f"{group['lr']:.3g}", f"{group['weight_decay']:g}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}" for row in rows
    )


def encoder_depth(network: nn.Module) -> int:
    """Blocks of a network's encoder.

    Raises:
        ValueError: no encoder, or one without blocks.
    """
    blocks = getattr(getattr(network, "encoder", None), "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or len(blocks) == 0:
        raise ValueError(
            f"{type(network).__name__} has no `encoder` with `blocks`: give the plain network, neither compiled nor "
            "wrapped for several processes, or layer_decay 1 where the architecture has no encoder"
        )
    return len(blocks)


def _title(layer: int, depth: int) -> str:
    if layer == 0:
        return "patch embedding"
    return "decoder" if layer == depth + 1 else f"block {layer}"
