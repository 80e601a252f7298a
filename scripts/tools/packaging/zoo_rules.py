"""What the model zoo asks of a bundle, as far as it is checked without network and without running it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.tools.packaging.code import distributions, imported, metadata_packages
from scripts.tools.packaging.configs import read_json
from scripts.tools.packaging.weights import LARGEST

TEXT = ("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors")
BROWSER = ("name", "copyright", "data_source", "data_type", "image_classes", "label_classes", "pred_classes")
"""Metadata keys that are text: those of schema meta_schema_20240725, and those a browser of the zoo shows."""
TENSOR = {"type": str, "format": str, "num_channels": int, "spatial_shape": list, "dtype": str, "value_range": list}
HEADINGS = (
    *("Data", "Training configuration", "Input", "Output", "Performance"),
    *("MONAI bundle commands", "References", "License"),
)
"""Of docs/README.md, as nearly all bundles of the zoo have them."""
PERSONAL = re.compile(rb"(?:^|[\s\"'(=:`])(/(?:home|Users|root|work|mnt|media|scratch|private|tmp)/[\w.-]+)")
INFERENCE = ("bundle_root", "device", "network_def", "inferer", "dataset_dir", "dataset", "evaluator")


def problems(package: Path) -> list[str]:
    """What the zoo would turn down, one line each with its remedy; empty when all is well."""
    metadata = package / "configs" / "metadata.json"
    if not metadata.is_file():
        return [f"{package.name} has no configs/metadata.json"]
    return [
        *_of_names(package),
        *_of_files(package),
        *_of_metadata(read_json(metadata)),
        *_of_packages(package),
        *_of_documents(package),
    ]


def _of_names(package: Path) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", package.name):
        yield f"the name {package.name} is not in lower_snake_case"
    for path in package.rglob("*"):
        if path.is_symlink():
            yield f"{path.relative_to(package)} is a link, which does not travel"
        if path.name == "__pycache__" or path.suffix in (".pyc", ".nbi", ".nbc"):
            yield f"{path.relative_to(package)} is a cache"


def _of_files(package: Path) -> Iterator[str]:
    for needed in ("LICENSE", "configs/inference.json", "docs/README.md", "docs/data_license.txt"):
        if not (package / needed).is_file():
            yield f"there is no {needed}"
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        size = path.stat().st_size
        if size > LARGEST:
            yield (
                f"{path.relative_to(package)} has {size / 2**20:.1f} MiB, more than the zoo's 25: upload it and name "
                "it with --weights_url, or halve it with --half"
            )
        if path.suffix not in (".pt", ".png"):
            found = PERSONAL.search(path.read_bytes())
            if found:
                yield f"{path.relative_to(package)} has the path {found[1].decode(errors='replace')} of one machine"
    config = read_json(package / "configs" / "inference.json") if (package / "configs/inference.json").is_file() else {}
    missing = [name for name in INFERENCE if name not in config]
    if config and missing:
        yield f"configs/inference.json has no {', '.join(missing)}, which programs that use the zoo look for"


def _of_metadata(metadata: dict) -> Iterator[str]:
    for key in (*TEXT, *BROWSER):
        if not isinstance(metadata.get(key), str) or not metadata[key]:
            yield f"metadata.json: {key} is {metadata.get(key)!r}, not a text"
    for key, kind in (("changelog", dict), ("required_packages_version", dict), ("network_data_format", dict)):
        if not isinstance(metadata.get(key), kind):
            yield f"metadata.json: {key} is not there, or not an object"
            return
    if metadata.get("version") not in metadata["changelog"]:
        yield f"metadata.json: version {metadata.get('version')} is not in the changelog"
    if not re.fullmatch(r"\d+\.\d+\.\d+", str(metadata.get("pytorch_version"))):
        yield f"metadata.json: pytorch_version {metadata.get('pytorch_version')} is not a plain release, such as 2.13.0"
    for side, name in (("inputs", "image"), ("outputs", "pred")):
        tensor = metadata["network_data_format"].get(side, {}).get(name)
        if not isinstance(tensor, dict):
            yield f"metadata.json: network_data_format has no {side}#{name}"
            continue
        wrong = [key for key, kind in TENSOR.items() if not isinstance(tensor.get(key), kind)]
        if wrong:
            yield f"metadata.json: network_data_format#{side}#{name} lacks {', '.join(wrong)}"
        elif len(tensor.get("channel_def", {})) != tensor["num_channels"]:
            yield f"metadata.json: {side}#{name} has {tensor['num_channels']} channels, its channel_def names others"


def _of_packages(package: Path) -> Iterator[str]:
    """Every package that the code imports is named in the metadata."""
    named = metadata_packages(package / "configs" / "metadata.json")
    imports = {
        name.split(".")[0]: path for path in sorted((package / "scripts").rglob("*.py")) for name in imported(path)
    }
    imports = {
        name: path for name, path in imports.items() if name not in sys.stdlib_module_names and name != "scripts"
    }
    for module, distribution in distributions(imports).items():
        if distribution not in named:
            place = imports[module].relative_to(package)
            yield f"metadata.json: required_packages_version has no {distribution}, which {place} imports"
    if "fire" not in named:
        yield "metadata.json: required_packages_version has no fire, which `python -m monai.bundle` needs"


def _of_documents(package: Path) -> Iterator[str]:
    readme = package / "docs" / "README.md"
    if not readme.is_file():
        return
    text = readme.read_text(encoding="utf-8")
    there = {line.strip("# *:").lower() for line in text.splitlines() if line.startswith("#")}
    missing = [name for name in HEADINGS if name.lower() not in there]
    if missing:
        yield f"docs/README.md has no heading {', '.join(missing)}"
    for file in sorted(set(re.findall(r"\bconfigs/[\w.-]+\.json", text))):
        if not (package / file).is_file():
            yield f"docs/README.md shows {file}, which is not there"
