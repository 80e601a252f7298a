"""A network, what it was made for and how it is decoded, as a checkpoint describes them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import scripts
from scripts.checkpoints.file import load_checkpoint, load_weights
from scripts.checkpoints.recipe import upgraded_recipe

PRETRAINING = "pretraining"
"""Task of a checkpoint whose recipe has a mask and names no task."""


def recipe_of(
    checkpoint: str | os.PathLike[str], model: str | os.PathLike[str], task: str | None = None
) -> dict[str, Any]:
    """The recipe in a checkpoint; that of the bundle's model file where the checkpoint has none, or is not there.

    Args:
        checkpoint: path of `best.pt`, `last.pt`, an `iteration_*.pt`, or a plain state dict.
        model: the bundle's `configs/model.json`; what a checkpoint leaves out is read there too.
        task: what the checkpoint must be for, the "task" of its recipe; null for anything.

    Raises:
        ValueError: a checkpoint for another task, such as one of pre-training where a segmentation is wanted.
    """
    published = _model_file(model)["recipe"]
    if not Path(checkpoint).is_file():
        return published
    recipe = load_checkpoint(checkpoint, plain=True)["recipe"]
    if recipe and task is not None and task_of(recipe) != task:
        way_out = f"choose a checkpoint that was trained for '{task}'"
        if task_of(recipe) == PRETRAINING:
            way_out = f"fine-tune it first (configs/train.json --pretrained {checkpoint}), then take that run's best.pt"
        raise ValueError(f"checkpoint {checkpoint} is {in_words(recipe)}, but '{task}' is wanted: {way_out}")
    return {**published, **recipe}


def decoder_of(checkpoint: str | os.PathLike[str], model: str | os.PathLike[str]) -> dict[str, Any]:
    """The decoder chosen on the validation box, {"name", "settings"}; that of the model file as in `recipe_of`.

    Raises:
        ValueError: a checkpoint from before the first validation, or of something that is not decoded.
    """
    content = load_checkpoint(checkpoint, plain=True) if Path(checkpoint).is_file() else {"recipe": {}}
    if not content["recipe"]:
        content = _model_file(model)
    found = content.get("decoder") or content.get("parts", {}).get("validation", {}).get("decoder")
    if not found:
        raise ValueError(
            f"checkpoint {checkpoint} ({in_words(content['recipe'])}, iteration {content.get('iteration', 0):,}) names "
            "no decoder: it was saved before the first validation, or is no segmentation; take the run's best.pt"
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


def _model_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """ "recipe" and "decoder" of a bundle's model file; that beside the code where the path leads nowhere, as it does
    in a package that is used from another working directory."""
    beside = Path(scripts.__file__).parents[1] / "configs" / "model.json"
    file = next((file for file in (Path(path), beside) if file.is_file()), None)
    content: dict[str, Any] = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
    return {**content, "recipe": upgraded_recipe(content.get("recipe", {}))}
