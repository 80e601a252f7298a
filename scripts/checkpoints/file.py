"""Checkpoint files: written atomically, read without running code, loaded strictly."""

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import scripts
from scripts.checkpoints.environment import made_with
from scripts.checkpoints.recipe import read_recipe
from scripts.checkpoints.run_files import BEST, CHECKPOINTS
from scripts.data.files.replacing import is_full, replacing

FORMAT = 1
"""Version of the content; increased when a reader of older files must know."""
WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes of DistributedDataParallel and torch.compile."""
CODE_SIGNS = ("unsupported global", "unsupported class", "unrecognized function")
"""In the messages of torch's safe unpickler: the file names a function or class to call."""


def network_content(network: torch.nn.Module, recipe: Mapping[str, Any], iteration: int) -> dict[str, Any]:
    """Return what every checkpoint has: weights, the recipe that rebuilds their network, iteration and versions.

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
    """Write a checkpoint under a temporary name, force it to disk and rename it: the old file stays until then.

    Raises:
        OSError: no space or no permission; names the file that is still good.
    """
    path = Path(path)
    try:
        with replacing(path, overwrite=True, durable=True) as partial, partial.open("wb") as file:
            torch.save(dict(content), file)  # to an open file: torch's own writer hides the system's message
    except (OSError, RuntimeError) as error:  # torch's writer turns a failed write into a RuntimeError
        still = f"the last good checkpoint is {path}" if path.exists() else "there is no earlier checkpoint"
        reason = error.strerror if isinstance(error, OSError) and is_full(error) else _reason(error)
        raise OSError(
            f"checkpoint {path} cannot be written ({reason}); {still}: free space or choose another folder, then "
            "resume with --resume true"
        ) from error


def link_or_copy(source: Path, target: Path) -> None:
    """Give a written checkpoint a second name; takes no space where the file system has hard links."""
    with replacing(target, overwrite=True) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


def read_torch_file(path: Path, name: str, remedy: str, map_location: str | torch.device = "cpu") -> Any:
    """Read tensors and plain values from a file of `torch.save`, without running code of the file.

    Args:
        path: of the file.
        name: of the file in messages, such as "checkpoint runs/a/last.pt".
        remedy: what the user can do where it cannot be read.
        map_location: where tensors are loaded.

    Raises:
        ValueError: the file is damaged, cut off, of another program, or holds code, which is not run.
    """
    try:
        broken = _broken_part(path)
        if broken is not None:
            raise OSError(f"the checksum of {broken} is wrong")
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        size = f"{path.stat().st_size} bytes" if path.is_file() else "no file"
        cause = f"it is cut off, damaged or of another program ({_reason(error)})"
        if isinstance(error, pickle.UnpicklingError) and any(sign in str(error).lower() for sign in CODE_SIGNS):
            cause = "it holds code, or objects other than tensors and plain values; nothing of it was run"
        raise ValueError(f"{name} ({size}) cannot be read: {cause}; {remedy}") from error


def load_checkpoint(
    path: str | os.PathLike[str], map_location: str | torch.device = "cpu", plain: bool = False
) -> dict[str, Any]:
    """Read a checkpoint of this project; tensors and plain values only, no code of the file is run.

    A package has the weights alone in `model.pt`, a plain state dict, and what else a checkpoint holds in `model.json`
    beside it; the two read as one. A state dict may have the names of DistributedDataParallel or torch.compile.

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
    remedy = f"use another checkpoint of the run, such as {CHECKPOINTS}/{BEST} or {CHECKPOINTS}/iteration_*.pt"
    content = read_torch_file(path, f"checkpoint {path}", remedy, map_location)
    beside = about_weights(path)
    if is_state_dict(content):
        content = {plain_name(n) if isinstance(n, str) else n: value for n, value in content.items()}
    if isinstance(content, dict) and "network" not in content and beside.is_file():
        content = {**read_json_object(beside), "network": content}
    elif plain and is_state_dict(content):
        content = {"format": FORMAT, "version": scripts.__version__, "iteration": 0, "recipe": {}, "network": content}
    if not isinstance(content, dict) or not {"format", "network", "iteration"} <= content.keys():
        found = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"checkpoint {path} is not one of this project: it needs format, network and iteration, found {found}"
        )
    _check_content(content, path)
    return {**content, "recipe": read_recipe(content, f"checkpoint {path}")}


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object, such as a model file.

    Raises:
        ValueError: not UTF-8 text, not JSON, or another value; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no JSON text ({' '.join(str(error).split())[:120]}); copy or write it again"
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object; copy or write it again")
    return content


def _check_content(content: Mapping[str, Any], path: Path) -> None:
    """Refuse weights, an iteration or saved states of another type."""
    network, iteration, parts = content["network"], content["iteration"], content.get("parts", {})
    if not is_state_dict(network) or not all(isinstance(name, str) for name in network):
        raise ValueError(
            f"checkpoint {path}: network is {_shown(network)}, not weights by name; use another checkpoint"
        )
    if isinstance(iteration, bool) or not isinstance(iteration, int) or not 0 <= iteration < 2**53:
        raise ValueError(f"checkpoint {path}: iteration is {_shown(iteration)}, not a count; use another checkpoint")
    if not isinstance(parts, Mapping) or not all(isinstance(part, Mapping) for part in parts.values()):
        raise ValueError(f"checkpoint {path}: parts is {_shown(parts)}, not states by name; use another checkpoint")


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {' '.join(repr(value).split())[:40]}"


def _broken_part(path: Path) -> str | None:
    """The first part of the archive that torch writes whose checksum is wrong; torch itself compares none."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return archive.testzip()


def is_state_dict(content: Any) -> bool:
    """Return whether the content of a file is weights by name and nothing else."""
    return isinstance(content, dict) and bool(content) and all(isinstance(v, torch.Tensor) for v in content.values())


def plain_name(name: str) -> str:
    """Return the name that a weight has in the plain network."""
    while name.startswith(WRAPPERS):
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
    return name


def about_weights(path: str | os.PathLike[str]) -> Path:
    """Return the JSON file beside a plain state dict, with what else a checkpoint has."""
    return Path(path).with_suffix(".json")


def load_weights(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: str) -> None:
    """Load all weights strictly; for a network of another shape the error names what differs.

    Raises:
        ValueError: parameters missing, unknown or of another shape.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    differing = [f"{n}: {found[n]} there, {wanted[n]} wanted" for n in wanted if n in found and found[n] != wanted[n]]
    missing = [f"{n}: not there, {wanted[n]} wanted" for n in wanted if n not in found]
    unknown = [f"{n}: {found[n]} there, not wanted" for n in found if n not in wanted]
    problems = differing + missing + unknown
    if problems:
        more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise ValueError(
            f"{source} is of another network: {'; '.join(problems[:6])}{more}. Choose the --network it was trained "
            "with, or another checkpoint"
        )
    try:
        network.load_state_dict(dict(weights))
    except (RuntimeError, TypeError, NotImplementedError) as error:  # such as weights of another kind of tensor
        raise ValueError(
            f"{source} has weights that cannot be used ({_reason(error)}); use another checkpoint"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the message of the operating system where there is one, else the first sentence."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    first = str(error).splitlines()[0].partition(". ")[0] if str(error) else "no message"
    return f"{type(error).__name__}: {first[:160]}"


def _plain(value: Any) -> Any:
    """Keep mappings, lists, numbers and text, so that the file loads without code; turn anything else into its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if not str(key).startswith("_")}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)
