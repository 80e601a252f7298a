"""Weights as a package has them: a plain state dict, and beside it, in JSON, what else its checkpoint held."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from scripts.checkpoints.auxiliary_channels import without_auxiliary
from scripts.checkpoints.file import about_weights, load_checkpoint

LARGEST = 25 * 2**20
"""Bytes of the largest file that the zoo takes."""
KEPT = ("format", "version", "made_with", "iteration", "recipe", "decoder", "scores")
"""What of a checkpoint is kept beside the weights."""


@dataclass(frozen=True)
class Weights:
    """A state dict, and what is known about it, in plain values."""

    state: dict[str, torch.Tensor]
    about: dict[str, Any]

    @property
    def parameters(self) -> int:
        """How many numbers."""
        return sum(value.numel() for value in self.state.values())

    def halved(self) -> "Weights":
        """The same in float16, half as large."""
        return replace(
            self,
            state={name: value.half() if value.is_floating_point() else value for name, value in self.state.items()},
        )


def read_weights(path: Path) -> Weights:
    """Read a checkpoint of ours, or a plain state dict with or without its JSON file; leave out auxiliary channels.

    Raises:
        ValueError: no such file, or neither of them.
    """
    if path.is_dir():
        raise ValueError(f"--weights {path} is a folder; name the file, such as {path}/checkpoints/best.pt")
    if not path.is_file():
        raise ValueError(f"--weights {path}: there is no such file")
    content = load_checkpoint(path, plain=True)
    about = {name: without_folders(content[name]) for name in KEPT if name in content}
    if "val_loss" in content:
        about.setdefault("scores", {"val_loss": content["val_loss"]})
    state, recipe = without_auxiliary(content["network"], content["recipe"])
    about["recipe"] = without_folders(recipe)
    state = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    return Weights(state, about)


def without_folders(value: Any) -> Any:
    """Plain values with every path cut to its last part: a recipe names volumes of the machine it was made on."""
    if isinstance(value, Mapping):
        return {str(name): without_folders(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if isinstance(value, str) else value


def write_weights(weights: Weights, path: Path) -> None:
    """Write the state dict to `path` and what is known about it beside; the same weights give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # to an open file: torch's own writer hides the system's message
        torch.save(weights.state, file)
    write_about(weights, path)


def write_about(weights: Weights, path: Path) -> None:
    """Write the JSON file that belongs beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about_weights(path).write_text(json.dumps(weights.about, indent=4) + "\n", encoding="utf-8")


def write_large_files(folder: Path, url: str, weights: Path | None) -> None:
    """`large_files.yml`: where `models/model.pt` is downloaded from, with its checksum where the file is known."""
    lines = ["large_files:", '  - path: "models/model.pt"', f'    url: "{url}"']
    if weights is not None:
        lines += [f'    hash_val: "{sha256(weights)}"', '    hash_type: "sha256"']
    (folder / "large_files.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_torchscript(package: Path) -> Path:
    """Export `models/model.pt` to `models/model.ts` with MONAI's `ckpt_export`, run inside the package.

    The same weights give the same bytes: the order of constants, that of a set, is fixed by the hash seed.

    Raises:
        ValueError: the network cannot be scripted; the last line of MONAI's words.
    """
    made = package / "models" / "model.ts"
    words = ["--net_id", "network_def", "--filepath", "models/model.ts", "--ckpt_file", "models/model.pt"]
    words += ["--meta_file", "configs/metadata.json", "--config_file", "configs/inference.json"]
    ended = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-m", "monai.bundle", "ckpt_export", *words],
        cwd=package,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode or not made.is_file():
        last = (ended.stderr.strip() or ended.stdout.strip() or "no message").splitlines()[-1]
        raise ValueError(f"the network cannot be exported to TorchScript: {last}; package without --torchscript")
    for cache in list(package.rglob("__pycache__")):  # numba's, which python's -B does not prevent
        shutil.rmtree(cache)
    strip_torchscript(made)
    return made


def strip_torchscript(path: Path) -> None:
    """Remove from an export its time, the paths of source files, which only help a debugger, and their checksum."""
    plain = path.with_name("plain.ts")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(plain, "w") as target:
        for entry in source.infolist():
            if entry.filename.endswith((".debug_pkl", "/serialization_id")):
                continue
            content = source.read(entry)
            if entry.filename.endswith("extra/metadata.json"):
                content = json.dumps({k: v for k, v in json.loads(content).items() if k != "timestamp"}).encode()
            target.writestr(zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0)), content)
    plain.replace(path)
