"""Read the weights of a file for `--pretrained`, and compare them with those of a network."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.file import about_weights, is_state_dict, plain_name, read_json_object, read_torch_file
from scripts.checkpoints.recipe import read_recipe
from scripts.checkpoints.run_files import BEST, CHECKPOINTS

FileContent = tuple[dict[str, torch.Tensor], dict[str, Any]]
"""Weights of a file by plain name, and its recipe."""
PRETRAINED = "--pretrained"
"""The knob that names such a file."""
SHOWN = 6
"""Names listed one by one; more are counted."""


@dataclass(frozen=True)
class Transfer:
    """The outcome for each weight; names of encoder weights are without `encoder.`.

    Args:
        loaded: copied into the network's encoder.
        missing: in the network's encoder, not in the file.
        unexpected: in the file's encoder, not in the network's; or beside a bare encoder.
        resized: in both, of another shape: "name: shape there, shape wanted".
        left_out: outside the encoder, such as the autoencoder's decoder: not loaded, by design.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    resized: tuple[str, ...]
    left_out: tuple[str, ...]

    def table(self) -> str:
        """Format one line for each kind: how many, and their names where they are few."""
        rows = [
            ("loaded", self.loaded),
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("resized", self.resized),
            ("left out", self.left_out),
        ]
        return "\n".join(f"  {kind:<11}{len(names):>5}  {name_list(names)}".rstrip() for kind, names in rows)


def read_weights(path: Path, knob: str = PRETRAINED) -> FileContent:
    """Return the weights of a file by plain name, and its recipe, empty for a bare state dict; run no code of the file.

    A state dict with a JSON file beside it, as in a package, has the recipe of that file.

    Args:
        path: of the file.
        knob: that names the file, for messages.

    Raises:
        ValueError: no file, damaged, or no state dict.
    """
    source = f"{knob} '{path}'"
    if not path.is_file():
        within = path / CHECKPOINTS / BEST
        hint = f": name the checkpoint in it, {within}" if within.is_file() else ""
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"{source} {what}{hint}; leave it out (null) to train from scratch")
    content = read_torch_file(path, source, "choose another checkpoint, or null to train from scratch")
    if is_state_dict(content) and about_weights(path).is_file():
        content = {**read_json_object(about_weights(path)), "network": content}
    origin: dict[str, Any] = {}
    if isinstance(content, Mapping) and {"format", "network"} <= content.keys():
        origin = {"iteration": content.get("iteration"), **read_recipe(content, source)}
        content = content["network"]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{source} holds no weights by name, but a {type(content).__name__}")
    strange = [f"{name} ({type(value).__name__})" for name, value in content.items() if not torch.is_tensor(value)]
    if strange:
        raise ValueError(
            f"{source} is neither a checkpoint of this project nor a state dict: {name_list(strange)} are no weights"
        )
    return {plain_name(str(name)): value for name, value in content.items()}, origin


def compare(
    wanted: Mapping[str, torch.Tensor], there: Mapping[str, torch.Tensor], outside: tuple[str, ...], bare: bool
) -> Transfer:
    """Sort the weights of a file into those that fit, those that do not, and those left out."""
    differing = [name for name in wanted if name in there and wanted[name].shape != there[name].shape]
    unexpected = tuple(name for name in there if name not in wanted)
    return Transfer(
        loaded=tuple(name for name in wanted if name in there and name not in differing),
        missing=tuple(name for name in wanted if name not in there),
        unexpected=unexpected + (outside if bare else ()),
        resized=tuple(f"{n}: {tuple(there[n].shape)} there, {tuple(wanted[n].shape)} wanted" for n in differing),
        left_out=() if bare else outside,
    )


def check_finite(weights: Mapping[str, torch.Tensor], path: Path, knob: str = PRETRAINED) -> None:
    """Raise ValueError for weights that are not finite; names them."""
    broken = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"{knob} '{path}' holds weights that are not finite: {name_list(broken)}; its run failed")


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
