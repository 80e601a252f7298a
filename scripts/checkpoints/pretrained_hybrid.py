"""Load a hybrid of another task, or of masked pre-training, strictly: encoder, trunk, and what joins them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch

from scripts.checkpoints.pretrained_encoder import fitting_encoder, load_pretrained_encoder
from scripts.checkpoints.pretrained_trunk import TRUNK, load_pretrained_trunk
from scripts.checkpoints.weight_transfer import FileContent, Transfer, check_finite
from scripts.networks import HybridUNet

JOINT = ("from_tokens.weight", "from_tokens.bias", "gate")
"""Weights between encoder and trunk; their sizes follow from those of both."""


def load_pretrained_hybrid(
    network: HybridUNet,
    pretrained: str | os.PathLike[str],
    content: FileContent,
    rank: int = 0,
    recipe: Mapping[str, Any] | None = None,
) -> Transfer | None:
    """Load all weights of a hybrid but its last layer, and print a table of its trunk and one of its encoder.

    Args:
        network: the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of the file.
        content: weights and recipe of the file.
        rank: of this process; only 0 prints.
        recipe: this run's settings by name.

    Returns:
        The outcome for each weight of the encoder.

    Raises:
        ValueError: a weight missing, of another shape, not finite, or too many.
    """
    path = Path(pretrained)
    weights, origin = content
    fitting_encoder(cast(torch.nn.Module, network.encoder), weights, origin, path)  # before anything is loaded
    joint = {name: weights[name] for name in JOINT}
    check_finite(joint, path)
    trunk = {name: value for name, value in weights.items() if name.startswith(TRUNK)}
    load_pretrained_trunk(network.trunk, pretrained, rank, content=(trunk, origin))
    transfer = load_pretrained_encoder(network, pretrained, rank, recipe, content)
    network.load_state_dict(joint, strict=False)
    return transfer


def is_hybrid(names: Iterable[str]) -> bool:
    """Whether the names of weights are those of a hybrid."""
    return set(JOINT) <= set(names)
