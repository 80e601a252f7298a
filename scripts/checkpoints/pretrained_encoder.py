"""Load a pre-trained encoder into a network for segmentation, strictly, and print what was loaded."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.pretrained_weights import encoder_weights, name_list, read_weights
from scripts.data.volumes.downsampled import AS_STORED

logger = logging.getLogger(__name__)


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


def load_pretrained_encoder(
    network: torch.nn.Module,
    pretrained: str | os.PathLike[str] | None,
    rank: int = 0,
    recipe: Mapping[str, Any] | None = None,
) -> Transfer | None:
    """Load the encoder of a checkpoint into `network.encoder`, with its final norm, and print what was loaded.

    Reads a checkpoint of pre-training or of fine-tuning, or a bare state dict: with `encoder.` before its names, or of
    the encoder alone, or either as DistributedDataParallel or torch.compile name them. Nothing is loaded unless
    everything fits.

    Args:
        network: with an attribute `encoder`; the plain one, neither compiled nor wrapped for several processes.
        pretrained: path of the file; None leaves the network as it is.
        rank: of this process; only 0 prints.
        recipe: this run's settings by name: what differs in grey_low, grey_high and downsample is printed, with the
            seed.

    Returns:
        The outcome for each weight; None from scratch.

    Raises:
        ValueError: no such file; unreadable; no encoder in it; a weight missing, of another shape, not finite, or too
            many; another patch or number of heads in its recipe. Names the knobs that fit, where the file has a recipe.
    """
    if pretrained is None:
        if rank == 0:
            seed = f" (seed {recipe['seed']})" if recipe and "seed" in recipe else ""
            logger.info(f"encoder: from scratch{seed}")
        return None
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, torch.nn.Module):
        raise ValueError(f"{type(network).__name__} has no `encoder` to load into: give the plain network")
    path = Path(pretrained)
    weights, origin = read_weights(path)
    there, outside, bare = encoder_weights(weights, path)
    transfer = compare(encoder.state_dict(), there, outside, bare)
    check_fit(transfer, there, encoder, origin, path)
    encoder.load_state_dict({name: there[name] for name in transfer.loaded})
    if rank == 0:
        lines = [f"encoder: from {path}{_history(origin)}", transfer.table()]
        if "heads" not in (origin.get("sizes") or {}):
            lines.append(f"  the file has no recipe: that its encoder had {_heads(encoder)} heads cannot be checked")
        lines += _grey_differences(origin, recipe) + _other_voxels(origin, recipe)
        logger.info("\n".join(lines))
    return transfer


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


def check_fit(
    transfer: Transfer,
    there: Mapping[str, torch.Tensor],
    encoder: torch.nn.Module,
    origin: Mapping[str, Any],
    path: Path,
) -> None:
    """Refuse an encoder that does not fit completely, or whose recipe has other heads or another patch.

    Raises:
        ValueError: with the table, and the knobs that fit.
    """
    problems = []
    surplus = [name for name in transfer.unexpected if name in there]
    if transfer.missing or transfer.resized or surplus:
        problems.append(f"its weights are of another shape or number:\n{transfer.table()}\n")
    heads, patch = (origin.get("sizes") or {}).get("heads"), origin.get("patch")
    if heads is not None and heads != _heads(encoder):
        problems.append(f"it has {heads} attention heads, the network {_heads(encoder)} (their shapes are the same)")
    if patch is not None and list(patch) != list(getattr(encoder, "patch", patch)):
        problems.append(f"its patch is {list(patch)}, the network's {list(getattr(encoder, 'patch', []))}")
    if problems:
        raise ValueError(
            f"--pretrained '{path}' is of another encoder: {'; '.join(problems)}. {_fitting_knobs(origin)}"
        )
    broken = [name for name in transfer.loaded if not torch.isfinite(there[name]).all()]
    if broken:
        raise ValueError(
            f"--pretrained '{path}' holds weights that are not finite: {name_list(broken)}; its run failed"
        )


def _fitting_knobs(origin: Mapping[str, Any]) -> str:
    """Name the knobs that build the encoder of a file."""
    if not origin.get("network") and not origin.get("sizes"):
        return "Choose the --network and --patch it was trained with; the file has no recipe with them"
    patch = str(list(origin["patch"])).replace(" ", "") if origin.get("patch") else ""
    sizes = ", ".join(f"{name} {value}" for name, value in (origin.get("sizes") or {}).items())
    knobs = f"--network {origin.get('network')}" + (f' --patch "{patch}"' if patch else "")
    return f"Its recipe has {knobs}" + (f" (sizes: {sizes})" if sizes else "")


def _heads(encoder: torch.nn.Module) -> int:
    return int(encoder.get_submodule("blocks.0.attention").heads)  # type: ignore[arg-type]


def _history(origin: Mapping[str, Any]) -> str:
    """Describe the training of a file in brackets."""
    facts = [f"{origin['iteration']:,} iterations" if isinstance(origin.get("iteration"), int) else ""]
    facts += [f"{name} {origin[name]}" for name in ("network", "mask", "mask_ratio", "volumes") if name in origin]
    known = ", ".join(fact for fact in facts if fact)
    return f" ({known})" if known else ""


def _grey_differences(origin: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> list[str]:
    """Return a line for each grey limit that differs from pre-training."""
    return [
        f"  {name} is {recipe[name]} here, {origin[name]} in pre-training: the encoder sees other grey values"
        for name in ("grey_low", "grey_high")
        if recipe is not None and name in recipe and name in origin and recipe[name] != origin[name]
    ]


def _other_voxels(origin: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> list[str]:
    """Return a line where the voxels of pre-training were averaged from another number of stored ones."""
    if not origin or recipe is None or "downsample" not in recipe:
        return []
    here, there = list(recipe["downsample"]), list(origin.get("downsample", AS_STORED))
    if here == there:
        return []
    return [f"  downsample is {here} here, {there} in pre-training: right only where voxels differ as much"]
