"""A package as a folder: configs, documents, code, weights, each as the zoo wants it."""

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from scripts.checkpoints.file import about_weights, load_checkpoint, load_weights
from scripts.tools.packaging.code import ROOT, copy_code, needed_code
from scripts.tools.packaging.configs import packaged, packaged_model, read_json, write_json
from scripts.tools.packaging.weights import (
    Weights,
    sha256,
    write_large_files,
    write_torchscript,
    write_weights,
)

NOT_DATA_SETS = ("template.json",)
MODEL = "model.json"


@dataclass(frozen=True)
class Contents:
    """What goes into a package.

    Attributes:
        bundle: its folder in the repository.
        weights: for models/model.pt; None for a package without.
        url: where models/model.pt can be downloaded, in place of the file itself.
        torchscript: whether to add models/model.ts.
    """

    bundle: Path
    weights: Weights | None = None
    url: str | None = None
    torchscript: bool = False

    @property
    def name(self) -> str:
        """Of the bundle."""
        return self.bundle.name


def write_package(contents: Contents, folder: Path) -> None:
    """Fill an empty folder that has the bundle's name.

    Raises:
        ValueError: a bundle that is not complete, weights of another network, a network that cannot be exported.
    """
    bundle, weights = contents.bundle, contents.weights
    for needed in ("LICENSE", "configs/metadata.json", "configs/inference.json", f"configs/{MODEL}", "docs/README.md"):
        if not (bundle / needed).is_file():
            raise ValueError(f"{bundle} has no {needed}, which every bundle of the model zoo has; write it first")
    model = read_json(bundle / "configs" / MODEL)
    if weights is not None:
        weights = replace(weights, about={**weights.about, **_merged(model, weights.about)})
    about = weights.about if weights is not None else {}
    shutil.copyfile(bundle / "LICENSE", folder / "LICENSE")
    for path in sorted((bundle / "configs").iterdir()):
        if path.suffix == ".json":
            write_json(packaged(read_json(path), contents.name), folder / "configs" / path.name)
        elif path.is_file():
            shutil.copyfile(path, folder / "configs" / path.name)
    write_json(packaged_model(model, about), folder / "configs" / MODEL)
    shutil.copytree(bundle / "docs", folder / "docs")
    copy_code(needed_code(sorted((folder / "configs").glob("*.json"))), folder)
    for path in sorted((ROOT / "data_manifests").glob("*.json")):
        if path.name not in NOT_DATA_SETS:
            write_json(read_json(path), folder / "data_manifests" / path.name)
    if weights is not None:
        check_weights(weights, folder)
        write_scores(about, folder / "configs" / "metadata.json")
        write_weights(weights, folder / "models" / "model.pt")
    copy_other_weights(bundle / "models", folder / "models")
    if contents.torchscript:
        write_torchscript(folder)
    if contents.url is not None:
        file = folder / "models" / "model.pt"
        write_large_files(folder, contents.url, file if weights is not None else None)
    write_readme(contents, weights, folder)


def check_weights(weights: Weights, folder: Path) -> None:
    """Load the weights into the network that the packaged inference.json names, without a weights file.

    Raises:
        ValueError: they are of another network; names what differs.
    """
    parser = ConfigParser()
    parser.read_config(str(folder / "configs" / "inference.json"))
    parser["bundle_root"] = str(folder)
    with torch.device("cpu"):
        network = parser.get_parsed_content("network_def")
    load_weights(network, weights.state, "the weights")


def copy_other_weights(models: Path, target: Path) -> None:
    """Copy the weights that a bundle has beside models/model.pt, such as another network's, with their JSON files.

    Raises:
        ValueError: weights that cannot be read, or without a JSON file.
    """
    for path in sorted(models.glob("*.pt")):
        if path.name != "model.pt":
            load_checkpoint(path)
            target.mkdir(exist_ok=True)
            for file in (path, about_weights(path)):
                shutil.copyfile(file, target / file.name)


def write_scores(about: dict[str, Any], metadata: Path) -> None:
    """Put the scores that came with the weights where a browser of the zoo looks, if nothing stands there."""
    content = read_json(metadata)
    scores = {name: round(float(value), 6) for name, value in about.get("scores", {}).items()}
    if scores and not content.get("eval_metrics"):
        write_json({**content, "eval_metrics": scores}, metadata)


def write_readme(contents: Contents, weights: Weights | None, folder: Path) -> None:
    """The bundle's README with commands as they are in the package's root, and a section on its weights."""
    path = folder / "docs" / "README.md"
    text = path.read_text(encoding="utf-8").replace(f"bundles/{contents.name}/", "")
    section = f"#### Weights\n\n{_weights_in_words(contents, weights, folder)}\n\n"
    place = re.search(r"^#+ \**References\b", text, flags=re.MULTILINE)
    cut = place.start() if place else len(text)
    path.write_text(f"{text[:cut].rstrip()}\n\n{section}{text[cut:]}".rstrip() + "\n", encoding="utf-8")


def _weights_in_words(contents: Contents, weights: Weights | None, folder: Path) -> str:
    if weights is None and contents.url is None:
        return (
            "This package has no weights. Train them (`configs/train.json`), then package the bundle again with "
            f"`python -m scripts package {contents.name} --out DIR --weights RUN/checkpoints/best.pt` in the "
            "repository."
        )
    where = f"is downloaded from {contents.url} (`large_files.yml`)" if contents.url else "is in this package"
    if weights is None:
        return f"`models/model.pt` {where}."
    kinds = sorted({str(value.dtype).removeprefix("torch.") for value in weights.state.values()})
    scores = "".join(f", {name} {float(value):.4g}" for name, value in weights.about.get("scores", {}).items())
    iteration = weights.about.get("iteration", 0)
    at = f", iteration {iteration:,}" if iteration else ""
    volumes = weights.about.get("recipe", {}).get("volumes")
    trained = f" Trained on: {json.dumps(volumes)}." if volumes else ""
    return (
        f"`models/model.pt` {where}: {weights.parameters:,} numbers, {' and '.join(kinds)}{at}{scores}.{trained} "
        f"`models/model.json` states how they were trained. SHA-256 "
        f"`{sha256(folder / 'models' / 'model.pt')}`."
    )


def _merged(model: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Values of the bundle's model file where the checkpoint has none."""
    merged: dict[str, Any] = {"recipe": {**model["recipe"], **about.get("recipe", {})}}
    decoder = about.get("decoder") or model.get("decoder")
    return {**merged, **({"decoder": decoder} if decoder else {})}
