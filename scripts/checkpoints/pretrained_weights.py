"""The encoder's weights in a file of `--pretrained`: a checkpoint, or a bare state dict, by whatever names it has."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

PARTS = ("patch_embedding", "blocks", "norm")
"""First words of an encoder's weights."""
WRAPPERS = ("module.", "_orig_mod.")
"""What DistributedDataParallel and torch.compile put before every name."""
SHOWN = 6
"""Names told one by one; more are counted."""


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights of a file by name, and the recipe they came with (empty of a bare state dict); runs no code of it.

    Raises:
        ValueError: no file, damaged, or no state dict.
    """
    if not path.is_file():
        within = path / "checkpoints" / "best.pt"
        hint = f": name the checkpoint in it, {within}" if within.is_file() else ""
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"--pretrained '{path}' {what}{hint}; leave it out (null) to train from scratch")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0][:160] if str(error) else "no message"
        raise ValueError(
            f"--pretrained '{path}' ({path.stat().st_size} bytes) cannot be read: it is cut off, damaged, or no file "
            f"of weights ({type(error).__name__}: {reason})"
        ) from error
    origin: dict[str, Any] = {}
    if isinstance(content, Mapping) and {"format", "network"} <= content.keys():
        origin = {"iteration": content.get("iteration"), **(content.get("recipe") or {})}
        content = content["network"]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"--pretrained '{path}' holds no weights by name, but a {type(content).__name__}")
    strange = [f"{name} ({type(value).__name__})" for name, value in content.items() if not torch.is_tensor(value)]
    if strange:
        raise ValueError(
            f"--pretrained '{path}' is neither a checkpoint of this project nor a state dict: {in_words(strange)} "
            "are no weights"
        )
    return {str(name): value for name, value in content.items()}, origin


def encoder_weights(
    weights: Mapping[str, torch.Tensor], path: Path
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], bool]:
    """The encoder's weights without prefix, the names of all others, and whether the encoder came bare.

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
            f"its {len(plain)} ({in_words(plain)})"
        )
    outside = tuple(name for name in plain if name not in inside and not name.startswith("encoder."))
    return inside, outside, bare


def plain_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights, named as those of the plain network."""
    return {_unwrapped(name): value for name, value in weights.items()}


def in_words(names: Iterable[str]) -> str:
    """All names where they are few; else how many begin with which part, or the first ones."""
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
