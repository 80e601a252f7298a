"""A network and its masks as a checkpoint describes them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.handlers.checkpoint_file import load_checkpoint, load_weights


def recipe_of(checkpoint: str | os.PathLike[str], otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe in a checkpoint; another one where there is no such file, so that the network can be built untrained.

    Args:
        checkpoint: path of `best.pt`, `last.pt` or an `iteration_*.pt`.
        otherwise: sizes, crop, patch, mask, mask_ratio, grey_low and grey_high by name.
    """
    if not Path(checkpoint).is_file():
        return dict(otherwise)
    return {**otherwise, **load_checkpoint(checkpoint)["recipe"]}


def restore(network: torch.nn.Module, checkpoint: str | os.PathLike[str]) -> torch.nn.Module:
    """The network with the weights of a checkpoint.

    Raises:
        ValueError: no such file, unreadable, or of another network.
    """
    if not Path(checkpoint).is_file():
        raise ValueError(
            f"there is no checkpoint '{checkpoint}': pre-train first (configs/train.json), or name one with "
            "--checkpoint"
        )
    load_weights(network, load_checkpoint(checkpoint)["network"], f"checkpoint {checkpoint}")
    return network
