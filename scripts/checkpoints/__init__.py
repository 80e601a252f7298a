"""Checkpoints, run folders and run logs: write, read, restore."""

from scripts.checkpoints.best_checkpoint import BestCheckpoint
from scripts.checkpoints.pretrained_encoder import load_pretrained, load_pretrained_encoder
from scripts.checkpoints.restore import decoder_of, recipe_of, restore
from scripts.checkpoints.run_folder import RunFolder
from scripts.checkpoints.run_log import read_log

__all__ = [
    "BestCheckpoint",
    "RunFolder",
    "decoder_of",
    "load_pretrained",
    "load_pretrained_encoder",
    "read_log",
    "recipe_of",
    "restore",
]
