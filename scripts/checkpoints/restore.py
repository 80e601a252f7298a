"""A network, what it was made for and how it is decoded, as a checkpoint describes them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.file import load_checkpoint, load_weights

PRETRAINING = "pretraining"
"""Task of a checkpoint whose recipe has a mask and names no task."""


def recipe_of(
    checkpoint: str | os.PathLike[str], otherwise: Mapping[str, Any], task: str | None = None
) -> dict[str, Any]:
    """The recipe in a checkpoint; another one where there is no such file, or a plain state dict without one.

    Args:
        checkpoint: path of `best.pt`, `last.pt` or an `iteration_*.pt`.
        otherwise: what rebuilds the network, by name, such as sizes, crop, patch, grey_low and grey_high.
        task: what the checkpoint must be for, the "task" of its recipe; null for anything.

    Raises:
        ValueError: a checkpoint for another task, such as one of pre-training where a segmentation is wanted.
    """
    if not Path(checkpoint).is_file():
        return dict(otherwise)
    recipe = load_checkpoint(checkpoint, plain=True)["recipe"]
    if recipe and task is not None and task_of(recipe) != task:
        way_out = f"choose a checkpoint that was trained for '{task}'"
        if task_of(recipe) == PRETRAINING:
            way_out = f"fine-tune it first (configs/train.json --pretrained {checkpoint}), then take that run's best.pt"
        raise ValueError(f"checkpoint {checkpoint} is {in_words(recipe)}, but '{task}' is wanted: {way_out}")
    return {**otherwise, **recipe}


def decoder_of(checkpoint: str | os.PathLike[str], otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """The decoder chosen on the validation box: {"name", "settings"}; another one where there is no such file.

    Raises:
        ValueError: a checkpoint from before the first validation, or of something that is not decoded.
    """
    if not Path(checkpoint).is_file():
        return {"name": otherwise["name"], "settings": dict(otherwise["settings"])}
    content = load_checkpoint(checkpoint, plain=True)
    if not content["recipe"]:
        return {"name": otherwise["name"], "settings": dict(otherwise["settings"])}
    found = content.get("decoder") or content.get("parts", {}).get("validation", {}).get("decoder")
    if not found:
        raise ValueError(
            f"checkpoint {checkpoint} ({in_words(content['recipe'])}, iteration {content['iteration']:,}) names no "
            "decoder: it was saved before the first validation, or is no segmentation; take the run's best.pt"
        )
    return {"name": found["name"], "settings": dict(found["settings"])}


def restore(network: torch.nn.Module, checkpoint: str | os.PathLike[str]) -> torch.nn.Module:
    """The network with the weights of a checkpoint.

    Raises:
        ValueError: no such file, unreadable, or of another network; then it names both.
    """
    if not Path(checkpoint).is_file():
        raise ValueError(
            f"there is no checkpoint '{checkpoint}': train first (configs/train.json), or name one with --checkpoint"
        )
    content = load_checkpoint(checkpoint, plain=True)
    load_weights(network, content["network"], f"checkpoint {checkpoint} ({in_words(content.get('recipe', {}))})")
    return network


def task_of(recipe: Mapping[str, Any]) -> str:
    """What a checkpoint with this recipe is for."""
    return str(recipe.get("task", PRETRAINING if "mask_ratio" in recipe else "unknown"))


def in_words(recipe: Mapping[str, Any]) -> str:
    """`the checkpoint of a pre-training, vit_base`, `the checkpoint of 'affinity', vit_base, 3 channels`."""
    task = task_of(recipe)
    words = ["the checkpoint of a pre-training" if task == PRETRAINING else f"the checkpoint of '{task}'"]
    if "network" in recipe:
        words.append(str(recipe["network"]))
    if "activations" in recipe:
        words.append(f"{len(recipe['activations'])} channels")
    return ", ".join(words)
