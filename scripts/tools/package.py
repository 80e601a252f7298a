"""`python -m scripts package BUNDLE`: a bundle as a folder and a zip that run anywhere, as the model zoo has it."""

import os
import re
import tempfile
from pathlib import Path

from scripts.data.files.replacing import full_disk_reported
from scripts.tools.packaging.archive import write_zip
from scripts.tools.packaging.code import ROOT, in_zoo_style
from scripts.tools.packaging.configs import read_json
from scripts.tools.packaging.folder import Contents, write_package
from scripts.tools.packaging.model_card import write_model_card
from scripts.tools.packaging.weights import read_weights, sha256
from scripts.tools.packaging.zoo_rules import problems


def package(
    bundle: str,
    out: str,
    *,
    weights: str | None = None,
    weights_url: str | None = None,
    half: bool = False,
    torchscript: bool = False,
    overwrite: bool = False,
) -> str:
    """Write OUT/BUNDLE and OUT/BUNDLE_vVERSION.zip: the bundle with the code that its configs need, and its weights.

    Example: python -m scripts package sem_mae_pretrain --out packages --weights runs/mine/checkpoints/best.pt

    The same sources and weights give the same bytes. The folder is checked against the rules of the model zoo
    (docs/packages.md); a package that breaks one is not written.

    Args:
        bundle: a folder of `bundles`, by name or path.
        out: the folder to write to.
        weights: a checkpoint (best.pt) or a plain state dict, for models/model.pt; the bundle's own models/model.pt if
            it has one and none is given.
        weights_url: where models/model.pt can be downloaded: it is named in large_files.yml and stored beside the
            package, to be uploaded, and not in it.
        half: store weights as float16, half as large.
        torchscript: export models/model.ts too.
        overwrite: replace a package that is there.

    Returns:
        What was written, with sizes and the checksum of the zip.

    Raises:
        ValueError: no such bundle or weights, weights of another network, a rule of the zoo that is broken.
        FileExistsError: a package is there and overwrite is not given.
    """
    source = _bundle(bundle)
    version = read_json(source / "configs" / "metadata.json")["version"]
    place = Path(out)
    targets = {
        "folder": place / source.name,
        "zip": place / f"{source.name}_v{version}.zip",
        "test": place / f"test_{source.name}.py",
        "model": place / f"{source.name}_v{version}_model.pt",
        "card": place / f"{source.name}_model_card.md",
    }
    for path in targets.values():
        if path.exists() and not overwrite:
            raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
    own = source / "models" / "model.pt"
    file = Path(weights) if weights is not None else own if own.is_file() else None
    if file is None and (half or torchscript):
        raise ValueError("--half and --torchscript are about weights, and there are none; give --weights")
    if torchscript and weights_url is not None:
        raise ValueError("--torchscript puts weights into the package and --weights_url keeps them out; give one")
    loaded = None if file is None else read_weights(file)
    contents = Contents(source, loaded.halved() if loaded and half else loaded, weights_url, torchscript)
    place.mkdir(parents=True, exist_ok=True)
    with (
        full_disk_reported(targets["folder"], "An earlier package is as it was"),
        tempfile.TemporaryDirectory(dir=place, prefix=".package-") as partial,
    ):
        made = {name: Path(partial) / path.name for name, path in targets.items()}
        made["folder"].mkdir()
        write_package(contents, made["folder"])
        model = made["folder"] / "models" / "model.pt"
        if weights_url is not None and model.is_file():
            model.replace(made["model"])
        found = problems(made["folder"])
        if found:
            raise ValueError(f"{source.name} is not as the model zoo asks: {'; '.join(found)}")
        write_zip(made["folder"], made["zip"])
        _copy_unit_test(source.name, made["test"])
        write_model_card(made["folder"], None if loaded is None else loaded.about, made["card"])
        for name, path in targets.items():
            _replace(made[name], path)
    return "\n".join(_said(targets, contents))


def _bundle(name: str) -> Path:
    there = sorted(path.parents[1] for path in (ROOT / "bundles").glob("*/configs/metadata.json"))
    for path in (ROOT / "bundles" / name, Path(name)):
        if (path / "configs" / "metadata.json").is_file():
            return path.resolve()
    raise ValueError(f"there is no bundle '{name}'; there are: {', '.join(path.name for path in there)}")


def _copy_unit_test(name: str, target: Path) -> None:
    """The zoo keeps the tests of a bundle beside it, in `ci/unit_tests`."""
    source = ROOT / "tests" / "zoo" / "test_bundles.py"
    if source.is_file():
        text = source.read_text(encoding="utf-8")
        target.write_text(re.sub(r"^BUNDLES = .*$", f'BUNDLES = ("{name}",)', text, flags=re.M), encoding="utf-8")
        in_zoo_style(target)


def _replace(made: Path, target: Path) -> None:
    """Move what was made to its place, or remove what an earlier package left there."""
    if target.is_dir():
        aside = made.with_name(f"{made.name}.old")
        os.replace(target, aside)
    if made.exists():
        os.replace(made, target)
    elif target.is_file():
        target.unlink()


def _said(targets: dict[str, Path], contents: Contents) -> list[str]:
    folder, archive = targets["folder"], targets["zip"]
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 2**20
    lines = [
        f"{folder}: {len(files)} files, {size:.1f} MiB; run it inside: python -m monai.bundle run --config_file "
        "configs/inference.json",
        f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB, sha256 {sha256(archive)}",
    ]
    if targets["test"].is_file():
        lines.append(f"{targets['test']}: unit tests, for ci/unit_tests of the model zoo")
    lines.append(f"{targets['card']}: the card for the Hugging Face Hub; check its licence and data sets")
    if contents.url is not None:
        if targets["model"].is_file():
            lines.append(f"{targets['model']}: upload it to {contents.url}; large_files.yml has its checksum")
    elif contents.weights is None:
        lines.append("no weights: train them (configs/train.json), then package again with --weights")
    return lines
