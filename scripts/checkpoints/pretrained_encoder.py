"""Load a pre-trained encoder into a network, strictly; print what was loaded."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.recipe import AS_STORED
from scripts.checkpoints.weight_transfer import FileContent, Transfer, check_finite, compare, name_list, read_weights

logger = logging.getLogger(__name__)


def load_pretrained_encoder(
    network: torch.nn.Module,
    pretrained: str | os.PathLike[str] | None,
    rank: int = 0,
    recipe: Mapping[str, Any] | None = None,
    content: FileContent | None = None,
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
        content: weights and recipe of the file, where they were read already.

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
    weights, origin = content or read_weights(path)
    there, transfer = fitting_encoder(encoder, weights, origin, path)
    encoder.load_state_dict(there)
    if rank == 0:
        lines = [f"encoder: from {path}{history(origin)}", transfer.table()]
        heads = getattr(encoder, "heads", None)
        if heads is not None and "heads" not in (origin.get("sizes") or {}):
            lines.append(f"  the file has no recipe: that its encoder had {heads} heads cannot be checked")
        logger.info("\n".join(lines + other_voxels(origin, recipe)))
    return transfer


def fitting_encoder(
    encoder: torch.nn.Module, weights: Mapping[str, torch.Tensor], origin: Mapping[str, Any], path: Path
) -> tuple[dict[str, torch.Tensor], Transfer]:
    """Return the weights of an encoder by its own names, and the outcome for each.

    Args:
        encoder: that they must fit.
        weights: of the file, by their plain names.
        origin: recipe of the file.
        path: of the file, for the message.

    Raises:
        ValueError: as `encoder_weights` and `check_fit`.
    """
    there, outside, bare = encoder_weights(weights, encoder.state_dict(), path)
    transfer = compare(encoder.state_dict(), there, outside, bare)
    check_fit(transfer, there, encoder, origin, path)
    return {name: there[name] for name in transfer.loaded}, transfer


def encoder_weights(
    weights: Mapping[str, torch.Tensor], wanted: Iterable[str], path: Path
) -> tuple[dict[str, torch.Tensor], tuple[str, ...], bool]:
    """Return the encoder's weights without prefix, the names of all others, and whether the file is a bare encoder.

    Args:
        weights: of the file, by their plain names.
        wanted: names of the weights of the network's encoder; the first parts of them are those of a bare encoder.
        path: of the file, for the message.

    Raises:
        ValueError: no encoder among them.
    """
    parts = list(dict.fromkeys(name.split(".")[0] for name in wanted))
    inside = {name.removeprefix("encoder."): v for name, v in weights.items() if name.startswith("encoder.")}
    bare = not inside
    if bare:
        inside = {name: value for name, value in weights.items() if name.split(".")[0] in parts}
    if not any(name.split(".")[0] in parts for name in inside):
        raise ValueError(
            f"--pretrained '{path}' holds no encoder: no weight named encoder.* or {'.*, '.join(parts)}.* among "
            f"its {len(weights)} ({name_list(weights)})"
        )
    outside = tuple(name for name in weights if name not in inside and not name.startswith("encoder."))
    return inside, outside, bare


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
    heads, wanted = (origin.get("sizes") or {}).get("heads"), getattr(encoder, "heads", None)
    patch = origin.get("patch")
    if heads is not None and wanted is not None and heads != wanted:
        problems.append(f"it has {heads} attention heads, the network {wanted} (their shapes are the same)")
    if patch is not None and list(patch) != list(getattr(encoder, "patch", patch)):
        problems.append(f"its patch is {list(patch)}, the network's {list(getattr(encoder, 'patch', []))}")
    if problems:
        raise ValueError(
            f"--pretrained '{path}' is of another encoder: {'; '.join(problems)}. {_fitting_knobs(origin)}"
        )
    check_finite({name: there[name] for name in transfer.loaded}, path)


def _fitting_knobs(origin: Mapping[str, Any]) -> str:
    """Name the knobs that build the encoder of a file."""
    if not origin.get("network") and not origin.get("sizes"):
        return "Choose the --network and --patch it was trained with; the file has no recipe with them"
    patch = str(list(origin["patch"])).replace(" ", "") if origin.get("patch") else ""
    sizes = ", ".join(f"{name} {value}" for name, value in (origin.get("sizes") or {}).items())
    knobs = f"--network {origin.get('network')}" + (f' --patch "{patch}"' if patch else "")
    return f"Its recipe has {knobs}" + (f" (sizes: {sizes})" if sizes else "")


def history(origin: Mapping[str, Any]) -> str:
    """Describe the training of a file in brackets."""
    facts = [f"{origin['iteration']:,} iterations" if isinstance(origin.get("iteration"), int) else ""]
    facts += [f"{name} {origin[name]}" for name in ("network", "token_mask", "mask_ratio", "volumes") if name in origin]
    known = ", ".join(fact for fact in facts if fact)
    return f" ({known})" if known else ""


def other_voxels(origin: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> list[str]:
    """Return a line for each grey limit, and one for the down-sampling, that differ from those of a file's training."""
    if recipe is None:
        return []
    lines = [
        f"  {name} is {recipe[name]} here, {origin[name]} in pre-training: the encoder sees other grey values"
        for name in ("grey_low", "grey_high")
        if name in recipe and name in origin and recipe[name] != origin[name]
    ]
    if origin and "downsample" in recipe:
        here, there = list(recipe["downsample"]), list(origin.get("downsample", AS_STORED))
        if here != there:
            lines.append(
                f"  downsample is {here} here, {there} in pre-training: right only where voxels differ as much"
            )
    return lines
