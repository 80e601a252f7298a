"""Parameter groups and learning rates."""

from scripts.optimizers.layer_decay import group_table, layer_decay_groups
from scripts.optimizers.parameter_groups import parameter_groups, scaled_lr

__all__ = [
    "group_table",
    "layer_decay_groups",
    "parameter_groups",
    "scaled_lr",
]
