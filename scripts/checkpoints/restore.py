"""Restore a network, its recipe and its decoder from a checkpoint."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import scripts
from scripts.checkpoints.file import load_checkpoint, load_weights, read_json_object
from scripts.checkpoints.recipe import read_recipe

PRETRAINING = "pretraining"
"""Task of a checkpoint whose recipe has a mask and names no task."""


def recipe_of(
    checkpoint: str | os.PathLike[str], model: str | os.PathLike[str], task: str | None = None
) -> dict[str, Any]:
    """Return the recipe of a checkpoint, or that of the bundle's model file where it has none or is missing.

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
        raise ValueError(f"checkpoint {checkpoint} is {checkpoint_text(recipe)}, but '{task}' is wanted: {way_out}")
    return {**published, **recipe}


def decoder_of(checkpoint: str | os.PathLike[str], model: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the decoder chosen on the validation box, {"name", "settings"}; that of the model file as in `recipe_of`.

    Raises:
        ValueError: a checkpoint from before the first validation, or of something that is not decoded.
    """
    content = load_checkpoint(checkpoint, plain=True) if Path(checkpoint).is_file() else {"recipe": {}}
    if not content["recipe"]:
        content = _model_file(model)
    found = content.get("decoder") or content.get("parts", {}).get("validation", {}).get("decoder")
    if not found:
        origin = f"{checkpoint_text(content['recipe'])}, iteration {content.get('iteration', 0):,}"
        raise ValueError(
            f"checkpoint {checkpoint} ({origin}) names no decoder: it was saved before the first validation, or is no "
            "segmentation; take the run's best.pt"
        )
    return {"name": found["name"], "settings": dict(found["settings"])}


def restore(network: torch.nn.Module, checkpoint: str | os.PathLike[str]) -> torch.nn.Module:
    """Load the weights of a checkpoint into a network, and return it.

    Raises:
        ValueError: no such file, unreadable, or of another network; then it names both.
    """
    if not Path(checkpoint).is_file():
        raise ValueError(
            f"there is no checkpoint '{checkpoint}': train first (configs/train.json), or name one with --checkpoint"
        )
    content = load_checkpoint(checkpoint, plain=True)
    load_weights(network, content["network"], f"checkpoint {checkpoint} ({checkpoint_text(content.get('recipe', {}))})")
    return network


def task_of(recipe: Mapping[str, Any]) -> str:
    """Return the task of a recipe."""
    return str(recipe.get("task", PRETRAINING if "mask_ratio" in recipe else "unknown"))


def checkpoint_text(recipe: Mapping[str, Any]) -> str:
    """Return `the checkpoint of a pre-training, vit_base`, `the checkpoint of 'affinity', vit_base, 3 channels`."""
    task = task_of(recipe)
    words = ["the checkpoint of a pre-training" if task == PRETRAINING else f"the checkpoint of '{task}'"]
    if "network" in recipe:
        words.append(str(recipe["network"]))
    if "activations" in recipe:
        words.append(f"{len(recipe['activations'])} channels")
    return ", ".join(words)


def _model_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return recipe and decoder of a bundle's model file, or of that beside the code where the path does not exist,
    as in a package that is used from another working directory."""
    beside = Path(scripts.__file__).parents[1] / "configs" / "model.json"
    file = next((file for file in (Path(path), beside) if file.is_file()), None)
    content = {} if file is None else read_json_object(file)
    return {**content, "recipe": read_recipe(content, str(file))}
