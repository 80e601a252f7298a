"""Checkpoint files: written whole or not at all, read without running code, and clear about what does not fit."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import scripts
from scripts.checkpoints.environment import made_with

FORMAT = 1
"""Raised when a reader of older files must know."""


def network_content(network: torch.nn.Module, recipe: Mapping[str, Any], iteration: int) -> dict[str, Any]:
    """What every checkpoint has: weights, the recipe that rebuilds their network, iteration, and what made it.

    Args:
        network: the plain network, neither compiled nor wrapped for several processes.
        recipe: plain values; names that begin with an underscore are comments and left out.
        iteration: optimizer steps done.
    """
    return {
        "format": FORMAT,
        "version": scripts.__version__,
        "made_with": made_with(),
        "iteration": iteration,
        "recipe": _plain(recipe),
        "network": network.state_dict(),
    }


def save_atomically(content: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a checkpoint beside its place, put it on the disk, then move it there: the old file stays until then.

    Raises:
        OSError: no space, no permission; says which file is still good.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch's writer turns a failed write into a RuntimeError
        partial.unlink(missing_ok=True)
        still = f"the last good checkpoint is {path}" if path.exists() else "no earlier checkpoint is there"
        raise OSError(
            f"checkpoint {path} cannot be written ({_reason(error)}); {still}: free space or choose another "
            "folder, then "
            "go on with --resume true"
        ) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Give a written checkpoint a second name; costs no space where the file system has hard links."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    partial.unlink(missing_ok=True)
    try:
        os.link(source, partial)
    except OSError:
        partial.write_bytes(source.read_bytes())
    os.replace(partial, target)


def load_checkpoint(
    path: str | os.PathLike[str], map_location: str | torch.device = "cpu", plain: bool = False
) -> dict[str, Any]:
    """Read a checkpoint of ours; tensors and plain values only, no code of the file is run.

    A package has the weights alone in `model.pt`, a plain state dict, and what else a checkpoint holds in `model.json`
    beside it; the two read as one.

    Args:
        path: of the file.
        map_location: where tensors are loaded.
        plain: read a state dict alone as a checkpoint with an empty recipe; else it is an error.

    Raises:
        ValueError: no file, cut off, damaged, or not a checkpoint of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}")
    try:
        content = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise ValueError(
            f"checkpoint {path} ({path.stat().st_size} bytes) cannot be read: it is cut off, damaged or of another "
            "program "
            f"({_reason(error)}); use another checkpoint of the run, such as checkpoints/best.pt or "
            "checkpoints/iteration_*.pt"
        ) from error
    beside = about_weights(path)
    if isinstance(content, dict) and "network" not in content and beside.is_file():
        content = {**json.loads(beside.read_text(encoding="utf-8")), "network": content}
    elif plain and is_state_dict(content):
        content = {"format": FORMAT, "version": scripts.__version__, "iteration": 0, "recipe": {}, "network": content}
    if not isinstance(content, dict) or not {"format", "network", "iteration"} <= content.keys():
        found = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"checkpoint {path} is not one of this project: it needs format, network and iteration, found {found}"
        )
    return content


def is_state_dict(content: Any) -> bool:
    """Whether what a file holds is weights by name and nothing else."""
    return isinstance(content, dict) and bool(content) and all(isinstance(v, torch.Tensor) for v in content.values())


def about_weights(path: str | os.PathLike[str]) -> Path:
    """The JSON file beside a plain state dict, with what a checkpoint holds besides the weights."""
    return Path(path).with_suffix(".json")


def load_weights(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Load all weights, or none: a network of another shape is an error that names what differs.

    Raises:
        ValueError: parameters missing, unknown or of another shape.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    there = {name: tuple(value.shape) for name, value in weights.items()}
    differing = [f"{n}: {there[n]} there, {wanted[n]} wanted" for n in wanted if n in there and there[n] != wanted[n]]
    missing = [f"{n}: not there, {wanted[n]} wanted" for n in wanted if n not in there]
    unknown = [f"{n}: {there[n]} there, not wanted" for n in there if n not in wanted]
    problems = differing + missing + unknown
    if problems:
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise ValueError(
            f"{source} is of another network: {'; '.join(problems[:6])}{more}. Choose the --network it was trained "
            "with, or "
            "another checkpoint"
        )
    network.load_state_dict(dict(weights))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: BaseException) -> str:
    """The system's own words where there are any, else the first line."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else 'no message'}"


def _plain(value: Any) -> Any:
    """Mappings, lists, numbers and text only, so that the file loads without code; anything else becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if not str(key).startswith("_")}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)
