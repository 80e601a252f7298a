"""The frozen networks that a probe compares: pre-trainings, the same networks untrained, and grey values alone."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from scripts.checkpoints.restore import PRETRAINING, checkpoint_text, recipe_of, restore, task_of
from scripts.networks import pretraining_network
from scripts.networks.token_features import GreyMoments, GreyVoxels, PretrainedTokens, TokenFeatures
from scripts.ops.box import Size3, three_sizes

UNTRAINED = "untrained"
"""In place of a checkpoint: the bundle's published network without training."""


@dataclass(frozen=True)
class ProbedNetwork:
    """Features of tokens under a name.

    Attributes:
        name: of a row of the table.
        features: frozen.
        window: voxels (z, y, x) that it was trained on.
    """

    name: str
    features: TokenFeatures
    window: Size3


def probed_networks(
    checkpoints: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str],
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> list[ProbedNetwork]:
    """The networks of checkpoints, each after its baselines: grey values of its tokens, and the same network untrained.

    Baselines that two checkpoints share are there once.

    Args:
        checkpoints: of pre-trainings, one or several; "untrained" for the network of the model file.
        model: the bundle's `configs/model.json`.
        seed: of the untrained weights.
        device: of all networks.

    Raises:
        ValueError: no such file, a checkpoint of another task, or one without an encoder.
    """
    paths = [checkpoints] if isinstance(checkpoints, str | os.PathLike) else list(checkpoints)
    found: dict[str, ProbedNetwork] = {}
    for path in paths:
        if str(path) != UNTRAINED and not Path(path).is_file():
            raise ValueError(f"there is no checkpoint '{path}'; name the best.pt of a pre-training, or {UNTRAINED}")
        recipe = recipe_of(path, model)
        if task_of(recipe) != PRETRAINING:
            raise ValueError(
                f"'{path}' is {checkpoint_text(recipe)}: a probe reads the encoders of pre-trainings; name the best.pt "
                "of one"
            )
        for network in _with_baselines(path, recipe, seed, torch.device(device)):
            found.setdefault(network.name, network)
    return list(found.values())


def _with_baselines(
    path: str | os.PathLike[str], recipe: Mapping[str, Any], seed: int, device: torch.device
) -> list[ProbedNetwork]:
    window = three_sizes(recipe["crop"], "crop")
    untrained = _network(recipe, seed, device)
    patch = untrained.patch
    tokens = "x".join(map(str, patch))
    kind = recipe.get("network", recipe["architecture"]) if recipe["architecture"] == "mae" else recipe["architecture"]
    made: list[tuple[str, Any]] = [
        (f"grey mean and deviation, {tokens}", GreyMoments(patch)),
        (f"grey voxels, {tokens}", GreyVoxels(patch)),
        (f"{UNTRAINED} {kind}, {tokens}", untrained),
    ]
    if str(path) != UNTRAINED:
        trained = _network(recipe, seed, device)
        restore(trained.network, path)
        made.append((str(path), trained))
    return [ProbedNetwork(name, cast(TokenFeatures, features), window) for name, features in made]


def _network(recipe: Mapping[str, Any], seed: int, device: torch.device) -> PretrainedTokens:
    """The network of a recipe with first weights of a seed, in evaluation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = pretraining_network(recipe["architecture"], recipe["patch"], recipe["sizes"], recipe["trunk_sizes"])
    return PretrainedTokens(network).to(device).eval()
