"""Load a pre-trained residual U-Net into one for another task: all weights but the last layer, strictly."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.pretrained_encoder import Transfer, load_pretrained_encoder
from scripts.checkpoints.pretrained_weights import name_list, plain_names, read_weights
from scripts.networks import ResidualUNet

logger = logging.getLogger(__name__)

HEAD = "head"
"""The last layer, which belongs to the task: never loaded."""


def load_pretrained(
    network: torch.nn.Module,
    pretrained: str | os.PathLike[str] | None,
    rank: int = 0,
    recipe: Mapping[str, Any] | None = None,
) -> Transfer | None:
    """Load what a network can take from a file: its encoder, or the trunk of a residual U-Net without one.

    Arguments, result and errors are those of `load_pretrained_encoder`.
    """
    if not isinstance(network, ResidualUNet):
        return load_pretrained_encoder(network, pretrained, rank, recipe)
    if pretrained is None:
        if rank == 0:
            logger.info(f"trunk: from scratch (seed {recipe['seed']})" if recipe else "trunk: from scratch")
        return None
    return load_pretrained_trunk(network, pretrained, rank)


def load_pretrained_trunk(network: ResidualUNet, pretrained: str | os.PathLike[str], rank: int = 0) -> Transfer:
    """Load all weights of a checkpoint or state dict of a residual U-Net but its last layer, and print a table.

    Args:
        network: the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of the file.
        rank: of this process; only 0 prints.

    Returns:
        What was loaded; the file's last layer is "left out".

    Raises:
        ValueError: no such file; unreadable; a weight missing, of another shape, not finite, or too many.
    """
    path = Path(pretrained)
    weights, origin = read_weights(path)
    there = plain_names(weights)
    wanted = {name: value for name, value in network.state_dict().items() if name.split(".")[0] != HEAD}
    differing = [name for name in wanted if name in there and wanted[name].shape != there[name].shape]
    transfer = Transfer(
        loaded=tuple(name for name in wanted if name in there and name not in differing),
        missing=tuple(name for name in wanted if name not in there),
        unexpected=tuple(name for name in there if name not in wanted and name.split(".")[0] != HEAD),
        resized=tuple(f"{n}: {tuple(there[n].shape)} there, {tuple(wanted[n].shape)} wanted" for n in differing),
        left_out=tuple(name for name in there if name.split(".")[0] == HEAD),
    )
    if transfer.missing or transfer.unexpected or transfer.resized:
        named = origin.get("architecture", "unetr" if origin.get("task") else None)
        known = f" (its recipe has architecture {named})" if named else ""
        raise ValueError(
            f"--pretrained '{path}' is of another architecture or of other sizes than this residual U-Net{known}:\n"
            f"{transfer.table()}\n. Choose the --architecture and --trunk it was trained with, or leave it out to "
            "train from scratch"
        )
    broken = [name for name in transfer.loaded if not torch.isfinite(there[name]).all()]
    if broken:
        raise ValueError(
            f"--pretrained '{path}' holds weights that are not finite: {name_list(broken)}; its run failed"
        )
    network.load_state_dict({name: there[name] for name in transfer.loaded}, strict=False)
    if rank == 0:
        logger.info(f"trunk: from {path}\n{transfer.table()}")
    return transfer
