"""Find the encoder's weights in a file of `--pretrained`: a checkpoint, or a bare state dict of any prefix."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.file import read_torch_file
from scripts.checkpoints.recipe import read_recipe
from scripts.checkpoints.run_files import BEST, CHECKPOINTS

PARTS = ("patch_embedding", "blocks", "norm")
"""First parts of the names of an encoder's weights."""
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of DistributedDataParallel and torch.compile."""
SHOWN = 6
"""Names listed one by one; more are counted."""


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the weights of a file by name, and their recipe, empty for a bare state dict; runs no code of the file.

    Raises:
        ValueError: no file, damaged, or no state dict.
    """
    if not path.is_file():
        within = path / CHECKPOINTS / BEST
        hint = f": name the checkpoint in it, {within}" if within.is_file() else ""
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"--pretrained '{path}' {what}{hint}; leave it out (null) to train from scratch")
    content = read_torch_file(
        path, f"--pretrained '{path}'", "choose another checkpoint, or null to train from scratch"
    )
    origin: dict[str, Any] = {}
    if isinstance(content, Mapping) and {"format", "network"} <= content.keys():
        origin = {"iteration": content.get("iteration"), **read_recipe(content, f"--pretrained '{path}'")}
        content = content["network"]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"--pretrained '{path}' holds no weights by name, but a {type(content).__name__}")
    strange = [f"{name} ({type(value).__name__})" for name, value in content.items() if not torch.is_tensor(value)]
    if strange:
        raise ValueError(
            f"--pretrained '{path}' is neither a checkpoint of this project nor a state dict: {name_list(strange)} "
            "are no weights"
        )
    return {str(name): value for name, value in content.items()}, origin


def encoder_weights(
    weights: Mapping[str, torch.Tensor], path: Path
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], bool]:
    """Return the encoder's weights without prefix, the names of all others, and whether the file is a bare encoder.

    Raises:
        ValueError: no encoder among them.
    """
    plain = plain_names(weights)
    inside = {name.removeprefix("encoder."): v for name, v in plain.items() if name.startswith("encoder.")}
    bare = not inside
    if bare:
        inside = {name: value for name, value in plain.items() if name.split(".")[0] in PARTS}
    if not any(name.split(".")[0] in PARTS for name in inside):
        raise ValueError(
            f"--pretrained '{path}' holds no encoder: no weight named encoder.* or {'.*, '.join(PARTS)}.* among "
            f"its {len(plain)} ({name_list(plain)})"
        )
    outside = tuple(name for name in plain if name not in inside and not name.startswith("encoder."))
    return inside, outside, bare


def plain_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the same weights, named as those of the plain network."""
    return {_unwrapped(name): value for name, value in weights.items()}


def name_list(names: Iterable[str]) -> str:
    """List all names where they are few; else count them by their first part, or list the first ones."""
    listed = list(names)
    if len(listed) <= SHOWN:
        return "; ".join(listed)
    parts: dict[str, int] = {}
    for name in listed:
        parts[name.split(".")[0]] = parts.get(name.split(".")[0], 0) + 1
    if len(parts) <= SHOWN:
        return ", ".join(f"{part}.* ({count})" if count > 1 else part for part, count in parts.items())
    return "; ".join(listed[:SHOWN]) + f"; and {len(listed) - SHOWN} more"


def _unwrapped(name: str) -> str:
    while name.startswith(WRAPPERS):
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
    return name
