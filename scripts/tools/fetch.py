"""`python -m scripts fetch NAME`: download a data set of `data_manifests` and convert it to chunked files."""

import logging
import os
import shutil
import time
from pathlib import Path

from scripts.data.datasets.conversion import convert, converted_files, is_converted
from scripts.data.datasets.download import download
from scripts.data.datasets.manifest import load_manifest
from scripts.data.volumes import open_volume

logger = logging.getLogger(__name__)

DOWNLOADS = "downloads"
ABANDONED_S = 3600.0
"""Seconds after which an unchanged partial file is one that a killed conversion left."""


def fetch(name: str, out: str | None = None, overwrite: bool = False) -> str:
    """Download a data set, check it, and convert it to chunked HDF5.

    After an interruption the same command resumes where it was: downloads at the byte, conversion at the file. What
    is there already and was made from the same downloads is left as it is. Example: python -m scripts fetch snemi3d

    Args:
        name: a name in data_manifests, such as snemi3d or mitoem_r, or the path of a manifest.
        out: folder to put it in; $SEM_DATA_HOME/NAME or data/NAME if not given.
        overwrite: replace files of these names that were made from something else.

    Returns:
        What is there now, one line a dataset.
    """
    manifest = load_manifest(name, out)
    if not manifest.files:
        made = "; it is made with: python -m scripts synthesize" if manifest.name == "synthetic" else ""
        raise ValueError(f"{manifest.path.name} names no files to fetch{made}")
    made_of = converted_files(manifest)
    missing = {path: parts for path, parts in made_of.items() if not is_converted(path, parts)}
    taken = [str(path) for path in missing if path.exists()]
    if taken and not overwrite:
        raise FileExistsError(
            f"{', '.join(taken)} exists and was not made from what {manifest.path.name} names; "
            "choose another folder (--out) or replace it (--overwrite)"
        )
    downloads = manifest.folder / DOWNLOADS
    _sweep(manifest.folder)
    _sweep(downloads)
    for file in manifest.files:
        if any(file is source for parts in missing.values() for source, _ in parts):
            logger.info(f"{file.url} -> {downloads / file.name}")
            if file.md5 is None and file.sha256 is None:
                logger.info(f"{file.name}: no checksum is published, only its size can be checked")
            download(file.url, downloads / file.name, size=file.bytes, md5=file.md5, sha256=file.sha256)
    for path, parts in missing.items():
        logger.info(f"converting {path}")
        convert(path, parts, downloads, manifest, overwrite)
    lines = []
    for path, parts in made_of.items():
        for _, step in parts:
            dataset = step.target.rsplit(":", 1)[1]
            with open_volume(f"{path}:{dataset}") as volume:
                edges = " x ".join(f"{edge:g}" for edge in volume.voxel_size_nm or ())
                state = "" if path in missing else ", was there already"
                lines.append(f"{volume.path}: {volume.shape} {volume.dtype}, {edges} nm{state}")
    lines.append(f"licence {manifest.licence}; cite: {manifest.citation}")
    if downloads.exists():
        size = sum(entry.stat().st_size for entry in os.scandir(downloads) if entry.is_file())
        lines.append(f"the downloads ({size / 2**20:,.0f} MiB) are no longer needed: {downloads}")
    return "\n".join(lines)


def _sweep(folder: Path) -> None:
    """Remove what conversions that were killed left half-written; parts of downloads stay, they are taken up again."""
    for left in [*folder.glob(".*.partial"), *folder.glob(".unpacked-*")]:
        if time.time() - left.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
