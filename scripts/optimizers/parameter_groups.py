"""Groups for the optimizer: which parameters decay, and the learning rate of an effective batch."""

from typing import Any

from torch import nn

REFERENCE_BATCH = 256
"""Samples a step that a base learning rate is given for, by the MAE recipe."""


def parameter_groups(network: nn.Module, weight_decay: float = 0.05) -> list[dict[str, Any]]:
    """Two groups for an optimizer: matrices decay, norms, biases and every other 1-D parameter do not.

    The mask token is 1-D, and so does not decay. Parameters that need no gradient are left out.

    Returns:
        `[{"name": "decayed", "params": [...], "weight_decay": weight_decay}, {"name": "undecayed", ...: 0}]`
    """
    if weight_decay < 0:
        raise ValueError(f"weight decay {weight_decay} is negative")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"name": "decayed", "params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"name": "undecayed", "params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def scaled_lr(base_lr: float, batch: int, processes: int = 1, accumulation: int = 1) -> float:
    """The learning rate of a step: base_lr * effective batch / 256 (linear scaling, as in the MAE recipe).

    Args:
        base_lr: rate for 256 samples a step; 1.5e-4 in the recipe.
        batch: samples a process takes through the network at once.
        processes: processes that share a step.
        accumulation: batches whose gradients are summed before a step.
    """
    if base_lr <= 0 or min(batch, processes, accumulation) < 1:
        raise ValueError(
            f"each must be positive: base_lr {base_lr}, batch {batch}, processes {processes}, "
            f"accumulation {accumulation}"
        )
    return base_lr * batch * processes * accumulation / REFERENCE_BATCH
