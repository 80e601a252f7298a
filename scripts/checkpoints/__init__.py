"""Checkpoints, run folders and run logs: write, read, restore."""

from scripts.checkpoints.auxiliary_channels import auxiliary_count
from scripts.checkpoints.best_checkpoint import BestCheckpoint
from scripts.checkpoints.pretrained import load_pretrained
from scripts.checkpoints.probed_networks import probed_networks
from scripts.checkpoints.restore import decoder_of, recipe_of, restore
from scripts.checkpoints.run_folder import RunFolder

__all__ = [
    "BestCheckpoint",
    "RunFolder",
    "auxiliary_count",
    "decoder_of",
    "load_pretrained",
    "probed_networks",
    "recipe_of",
    "restore",
]
