"""Load a residual U-Net of another task, or of masked pre-training, strictly; print what was loaded."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from scripts.checkpoints.weight_transfer import PRETRAINED, FileContent, Transfer, check_finite, compare, read_weights
from scripts.networks import ResidualUNet

logger = logging.getLogger(__name__)

TRUNK = "trunk."
"""Before the names of a trunk's weights in a pre-training, and in a network that has an encoder too."""
COARSEST = "coarsest."
"""Before the names of the coarsest level of a residual U-Net, which no encoder has."""
HEAD = "head"
"""Last layer of a residual U-Net, which belongs to the task: never loaded here."""


def load_pretrained_trunk(
    network: ResidualUNet,
    pretrained: str | os.PathLike[str],
    rank: int = 0,
    knob: str = PRETRAINED,
    content: FileContent | None = None,
) -> Transfer:
    """Load all weights of a checkpoint or state dict of a residual U-Net but its last layer, and print a table.

    Args:
        network: the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of the file.
        rank: of this process; only 0 prints.
        knob: that names the file, for messages.
        content: weights and recipe of the file, where they were read already.

    Returns:
        What was loaded; the file's last layer is "left out".

    Raises:
        ValueError: no such file; unreadable; a weight missing, of another shape, not finite, or too many.
    """
    path = Path(pretrained)
    weights, origin = content or read_weights(path, knob)
    weights = {name.removeprefix(TRUNK): value for name, value in weights.items()}
    there = {name: value for name, value in weights.items() if name.split(".")[0] != HEAD}
    wanted = {name: value for name, value in network.state_dict().items() if name.split(".")[0] != HEAD}
    transfer = compare(wanted, there, tuple(name for name in weights if name not in there), bare=False)
    if transfer.missing or transfer.unexpected or transfer.resized:
        named = origin.get("architecture", "unetr" if origin.get("task") else None)
        known = f" (its recipe has architecture {named})" if named else ""
        raise ValueError(
            f"{knob} '{path}' is of another architecture or of other sizes than this residual U-Net{known}:\n"
            f"{transfer.table()}\n. Choose the --architecture, --trunk and --trunk_norm it was trained with, or leave "
            "it out to train from scratch"
        )
    check_finite({name: there[name] for name in transfer.loaded}, path, knob)
    network.load_state_dict({name: there[name] for name in transfer.loaded}, strict=False)
    if rank == 0:
        logger.info(f"trunk: from {path}\n{transfer.table()}")
    return transfer


def is_trunk(names: Iterable[str]) -> bool:
    """Whether the names of weights are those of a residual U-Net, fine-tuned or pre-trained, without an encoder."""
    names = list(names)
    trunk = any(name.removeprefix(TRUNK).startswith(COARSEST) for name in names)
    return trunk and not any(name.startswith("encoder.") for name in names)
