"""Optimizers, parameter groups and learning rates."""

from scripts.optimizers.layer_decay import group_table, layer_decay_groups
from scripts.optimizers.muon import MuonAdamW, pretraining_optimizer
from scripts.optimizers.parameter_groups import parameter_groups, scaled_lr

__all__ = [
    "MuonAdamW",
    "group_table",
    "layer_decay_groups",
    "parameter_groups",
    "pretraining_optimizer",
    "scaled_lr",
]
