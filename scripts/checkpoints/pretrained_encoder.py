"""Carry a pre-trained encoder into a network for segmentation: whole, and said aloud, or not at all."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.pretrained_weights import encoder_weights, in_words, read_weights
from scripts.data.volumes.downsampled import AS_STORED


@dataclass(frozen=True)
class Transfer:
    """What became of each weight; names of encoder weights are without `encoder.`.

    Args:
        loaded: copied into the network's encoder.
        missing: wanted by the network's encoder, not in the file.
        unexpected: in the file's encoder, not in the network's; or beside a bare encoder.
        resized: in both, of another shape: "name: shape there, shape wanted".
        left_out: no part of an encoder, such as the autoencoder's decoder: not wanted, by design.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    resized: tuple[str, ...]
    left_out: tuple[str, ...]

    def table(self) -> str:
        """One line for each kind: how many, and which where they are few or belong to few parts."""
        rows = [
            ("loaded", self.loaded),
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("resized", self.resized),
            ("left out", self.left_out),
        ]
        return "\n".join(f"  {kind:<11}{len(names):>5}  {in_words(names)}".rstrip() for kind, names in rows)


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
        pretrained: path of the file; None leaves the network as it is and says so.
        rank: of this process; only 0 prints.
        recipe: this run's settings by name: what differs in grey_low, grey_high and downsample is printed, with the
            seed.

    Returns:
        What became of each weight; None from scratch.

    Raises:
        ValueError: no such file; unreadable; no encoder in it; a weight missing, of another shape, not finite, or too
            many; another patch or number of heads in its recipe. Says which knobs would fit, where the file tells.
    """
    if pretrained is None:
        if rank == 0:
            seed = f" (seed {recipe['seed']})" if recipe and "seed" in recipe else ""
            print(f"encoder: from scratch{seed}", flush=True)
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
        print("\n".join(lines), flush=True)
    return transfer


def compare(
    wanted: Mapping[str, torch.Tensor], there: Mapping[str, torch.Tensor], outside: tuple[str, ...], bare: bool
) -> Transfer:
    """What fits, what does not, and what is left out of the weights of a file."""
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
    """Refuse an encoder that does not fit whole, or whose recipe tells of other heads or another patch.

    Raises:
        ValueError: with the table, and the knobs that would fit.
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
        raise ValueError(f"--pretrained '{path}' is of another encoder: {'; '.join(problems)}. {_way_out(origin)}")
    broken = [name for name in transfer.loaded if not torch.isfinite(there[name]).all()]
    if broken:
        raise ValueError(f"--pretrained '{path}' holds weights that are not finite: {in_words(broken)}; its run failed")


def _way_out(origin: Mapping[str, Any]) -> str:
    """Which knobs build the encoder of a file."""
    if not origin.get("network") and not origin.get("sizes"):
        return "Choose the --network and --patch it was trained with; the file has no recipe that would tell them"
    patch = str(list(origin["patch"])).replace(" ", "") if origin.get("patch") else ""
    sizes = ", ".join(f"{name} {value}" for name, value in (origin.get("sizes") or {}).items())
    knobs = f"--network {origin.get('network')}" + (f' --patch "{patch}"' if patch else "")
    return f"Its recipe says {knobs}" + (f" (sizes: {sizes})" if sizes else "")


def _heads(encoder: torch.nn.Module) -> int:
    return int(encoder.get_submodule("blocks.0.attention").heads)  # type: ignore[arg-type]


def _history(origin: Mapping[str, Any]) -> str:
    """How it came to be, in brackets."""
    facts = [f"{origin['iteration']:,} iterations" if isinstance(origin.get("iteration"), int) else ""]
    facts += [f"{name} {origin[name]}" for name in ("network", "mask", "mask_ratio", "volumes") if name in origin]
    told = ", ".join(fact for fact in facts if fact)
    return f" ({told})" if told else ""


def _grey_differences(origin: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> list[str]:
    """A line for each grey value that is scaled in another way than in pre-training."""
    return [
        f"  {name} is {recipe[name]} here, {origin[name]} in pre-training: the encoder sees other grey values"
        for name in ("grey_low", "grey_high")
        if recipe is not None and name in recipe and name in origin and recipe[name] != origin[name]
    ]


def _other_voxels(origin: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> list[str]:
    """A line where the voxels of pre-training were averaged from another number of stored ones."""
    if not origin or recipe is None or "downsample" not in recipe:
        return []
    here, there = list(recipe["downsample"]), list(origin.get("downsample", AS_STORED))
    if here == there:
        return []
    return [f"  downsample is {here} here, {there} in pre-training: right only where voxels differ as much"]
