"""Load all weights of a fine-tuned network, its last layer too, to train it further for the same task."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.auxiliary_channels import with_auxiliary_of
from scripts.checkpoints.pretrained_encoder import fitting_encoder, history, other_voxels
from scripts.checkpoints.weight_transfer import Transfer, check_finite, compare, read_weights
from scripts.ops.targets.affinity_convention import convention

logger = logging.getLogger(__name__)

TARGETS = ("task", "channels", "activations", "offsets")
"""Settings of a recipe that name what each output channel is."""


def load_pretrained_task(
    network: torch.nn.Module, pretrained: str | os.PathLike[str], recipe: Mapping[str, Any], rank: int = 0
) -> Transfer:
    """Load all weights of a checkpoint of the same task, architecture, sizes and channels, and print a table.

    Auxiliary channels are loaded where the file has the same ones; else those of the network stay as they are.

    Args:
        network: the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of a checkpoint, or of a package's `model.pt` with `model.json` beside it.
        recipe: this run's settings by name, those of `TARGETS` and the architecture among them.
        rank: of this process; only 0 prints.

    Returns:
        The outcome for each weight.

    Raises:
        ValueError: no such file; unreadable; without a recipe; of other targets or another network; not finite.
    """
    path = Path(pretrained)
    weights, origin = read_weights(path)
    check_targets(origin, recipe, path)
    wanted = network.state_dict()
    notes: list[str] = []
    there, same = dict(weights), origin["architecture"] == recipe["architecture"]
    if same:
        there, notes = with_auxiliary_of(weights, origin, wanted, recipe)
        if isinstance(encoder := getattr(network, "encoder", None), torch.nn.Module):
            fitting_encoder(encoder, weights, origin, path)
    transfer = compare(wanted, there, (), bare=False)
    if not same or transfer.missing or transfer.unexpected or transfer.resized:
        raise ValueError(
            f"--pretrained '{path}' is of another architecture or of other sizes (its recipe has "
            f"{network_words(origin)}, this run {network_words(recipe)}):\n{transfer.table()}\n. --pretrained_head "
            "keep needs the network it was trained with: choose that, or --pretrained_head drop"
        )
    check_finite(there, path)
    network.load_state_dict(there)
    if rank == 0:
        lines = [f"network with its last layer: from {path}{history(origin)}", transfer.table(), *notes]
        logger.info("\n".join(lines + other_voxels(origin, recipe)))
    return transfer


def check_targets(origin: Mapping[str, Any], recipe: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError unless the channels of a file mean what those of this run do."""
    start = f"--pretrained_head keep: '{path}'"
    if not {"task", "architecture"} <= origin.keys():
        raise ValueError(
            f"{start} has no recipe of a segmentation, so its channels are unknown: name a checkpoint of fine-tuning, "
            "or leave --pretrained_head at drop"
        )
    differing = [
        f"{name} is {origin.get(name)} there, {recipe.get(name)} here"
        for name in TARGETS
        if _comparable(name, origin.get(name)) != _comparable(name, recipe.get(name))
    ]
    if differing:
        raise ValueError(
            f"{start} was trained for other targets: {'; '.join(differing)}; --pretrained_head drop takes over the "
            "rest of its network"
        )


def network_words(recipe: Mapping[str, Any]) -> str:
    """Return `architecture residual_unet, trunk small, trunk_norm batch`, by the knobs that choose a network."""
    architecture = recipe.get("architecture")
    names = {
        "unetr": ("network", "unetr_form", "unetr_decoder"),
        "residual_unet": ("trunk", "trunk_norm"),
        "hybrid": ("network", "trunk", "trunk_norm"),
    }
    chosen = [f"{name} {recipe[name]}" for name in names.get(str(architecture), ()) if name in recipe]
    return ", ".join([f"architecture {architecture}", *chosen])


def _comparable(name: str, value: Any) -> Any:
    """A setting as one value for all its spellings."""
    if name == "offsets" and isinstance(value, str):
        value = convention(value).offsets
    if isinstance(value, list | tuple):
        return [list(one) if isinstance(one, list | tuple) else one for one in value]
    return value
