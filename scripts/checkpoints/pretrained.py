"""What a fine-tuning starts from: an encoder, a trunk, both, a fine-tuned network of the same task, or nothing."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.pretrained_encoder import load_pretrained_encoder
from scripts.checkpoints.pretrained_hybrid import is_hybrid, load_pretrained_hybrid
from scripts.checkpoints.pretrained_task import load_pretrained_task
from scripts.checkpoints.pretrained_trunk import is_trunk, load_pretrained_trunk
from scripts.checkpoints.weight_transfer import Transfer, read_weights
from scripts.networks import HybridUNet, ResidualUNet

logger = logging.getLogger(__name__)

KEEP = "keep"
"""Value of `pretrained_head` that loads the last layer too."""


def load_pretrained(
    network: torch.nn.Module,
    pretrained: str | os.PathLike[str] | None,
    rank: int = 0,
    recipe: Mapping[str, Any] | None = None,
    head: str = "drop",
    trunk: str | os.PathLike[str] | None = None,
) -> Transfer | None:
    """Load what a network can take from a file, strictly, and print a table.

    A UNETR takes the encoder, a residual U-Net all weights but the last layer. A hybrid takes the trunk of a file that
    has no encoder, all weights but the last layer of one of a hybrid, else the encoder, and with `trunk` its encoder
    from `pretrained` and its trunk from a second file.

    Args:
        network: the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of the file; None leaves the network as it is.
        rank: of this process; only 0 prints.
        recipe: this run's settings by name; needed to keep the head.
        head: "drop", or "keep": load all weights, those of the last layer too, of a network of the same task.
        trunk: path of the file of a hybrid's trunk.

    Returns:
        The outcome for each weight of `pretrained`; None from scratch.

    Raises:
        ValueError: choices that exclude each other; no such file; unreadable; of another network or task.
    """
    architecture = "hybrid" if isinstance(network, HybridUNet) else type(network).__name__
    check_sources(architecture, pretrained, head, trunk)
    if pretrained is None and isinstance(network, ResidualUNet):
        if rank == 0:
            logger.info(f"trunk: from scratch (seed {recipe['seed']})" if recipe else "trunk: from scratch")
        return None
    if pretrained is None:
        return load_pretrained_encoder(network, None, rank, recipe)
    if head == KEEP:
        return load_pretrained_task(network, pretrained, recipe or {}, rank)
    if isinstance(network, ResidualUNet):
        return load_pretrained_trunk(network, pretrained, rank)
    if not isinstance(network, HybridUNet):
        return load_pretrained_encoder(network, pretrained, rank, recipe)
    if trunk is not None:
        load_pretrained_trunk(network.trunk, trunk, rank, "--pretrained_trunk")
        return load_pretrained_encoder(network, pretrained, rank, recipe)
    content = read_weights(Path(pretrained))
    if is_trunk(content[0]):
        return load_pretrained_trunk(network.trunk, pretrained, rank, content=content)
    if is_hybrid(content[0]):
        return load_pretrained_hybrid(network, pretrained, content, rank, recipe)
    return load_pretrained_encoder(network, pretrained, rank, recipe, content)


def check_sources(
    architecture: str, pretrained: str | os.PathLike[str] | None, head: str, trunk: str | os.PathLike[str] | None
) -> None:
    """Raise ValueError for choices of a start that exclude each other."""
    if head not in ("drop", KEEP):
        raise ValueError(f"--pretrained_head '{head}' is not one of drop, {KEEP}")
    if pretrained is None and head == KEEP:
        raise ValueError("--pretrained_head keep: name the fine-tuned checkpoint of the same task with --pretrained")
    if trunk is None:
        return
    if architecture != "hybrid":
        raise ValueError(
            f"--pretrained_trunk '{trunk}' is for the architecture hybrid, this is {architecture}: use --pretrained"
        )
    if pretrained is None:
        raise ValueError(
            f"--pretrained_trunk '{trunk}' comes beside the encoder of --pretrained: a trunk alone is --pretrained"
        )
    if head == KEEP:
        raise ValueError("--pretrained_head keep takes all weights from --pretrained: leave --pretrained_trunk out")
