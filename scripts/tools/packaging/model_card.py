"""The model card of a package for the Hugging Face Hub: its README under front matter that the hub reads."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KNOWN = {"snemi3d": ("snemi3d", "apache-2.0"), "cdeep3m": ("cdeep3m-sbem-mitochondria", "research-only")}
"""Data sets by the beginning of their file: name, and the licence of weights of them, see docs/data_license.txt."""
CODE = "apache-2.0"
OTHER = "other"
"""The hub's word for a licence that it does not know by name."""
TAGS = ("monai", "electron-microscopy", "connectomics", "3d", "biology")
TASKS = {"sem_mae_pretrain": "image-feature-extraction"}
SEGMENTATION = "image-segmentation"


def write_model_card(package: Path, about: Mapping[str, Any] | None, path: Path) -> None:
    """Write the card.

    Args:
        package: the folder of a package.
        about: what is known about its weights, as models/model.json has it; None without weights.
        path: the file to write.
    """
    text = (package / "docs" / "README.md").read_text(encoding="utf-8")
    path.write_text(f"{front_matter(package.name, about)}\n{text}", encoding="utf-8")


def front_matter(name: str, about: Mapping[str, Any] | None) -> str:
    """The metadata of a card, in YAML between two lines of dashes.

    Weights of volumes that are not known here have the licence `unknown`: the card is to be edited before it is pushed.

    Args:
        name: of the bundle.
        about: as `write_model_card`.
    """
    lines = ["library_name: monai", f"pipeline_tag: {TASKS.get(name, SEGMENTATION)}", "tags:"]
    lines += [f"- {tag}" for tag in TAGS]
    if about is None:
        return "\n".join(["---", f"license: {CODE}", *lines, "---"])
    files = trained_on(about)
    known = [KNOWN.get(re.split(r"[^a-z0-9]", file.lower())[0]) for file in files]
    names = [one[0] for one in known if one is not None]
    licences = {one[1] if one is not None else "unknown" for one in known} or {"unknown"}
    licence = next(iter(sorted(licences - {CODE}, key=("unknown", "research-only").index)), CODE)
    if licence == "research-only":
        lines = [f"license: {OTHER}", f"license_name: {licence}", "license_link: docs/data_license.txt", *lines]
    else:
        lines = [f"license: {licence}", *lines]
    if names:
        lines += ["datasets:", *(f"- {one}" for one in dict.fromkeys(names))]
    return "\n".join(["---", *lines, "---"])


def trained_on(about: Mapping[str, Any]) -> list[str]:
    """Files of the volumes that weights were trained on, without datasets and folders."""
    volumes = about.get("recipe", {}).get("volumes") or []
    listed = json.loads(volumes) if isinstance(volumes, str) and volumes.startswith("[") else volumes
    listed = [listed] if isinstance(listed, str) else list(listed)
    return [str(one).rpartition("/")[2].partition(":")[0] for one in listed]
