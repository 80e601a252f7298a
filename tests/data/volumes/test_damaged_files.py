"""A damaged file ends in one line that names it, whichever byte was changed, never in an error of a library."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.data.files.predictions import read_prediction
from scripts.data.volumes import open_volume

VOXELS = np.random.default_rng(1).integers(0, 255, (6, 24, 40)).astype(np.uint8)
KINDS = (
    "npy",
    "hdf5 contiguous",
    "hdf5 gzip",
    "tiff",
    "tiff zlib",
    "tiff pages apart",
    "imagej",
    "ome-tiff",
    "nifti",
    "nifti gz",
    "zarr 2 default",
    "zarr 3 default",
    "ome-zarr",
    "png sections",
    "tiff sections",
)
CASES = 12
HEADER = 600
"""Bytes at the start of a file in which most of the damage is done, since there the metadata are."""


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """The content with bytes changed, cut off, or a piece of it doubled."""
    changed = bytearray(content)
    how = random.integers(5)
    reach = min(len(changed), HEADER) if random.random() < 0.8 else len(changed)
    if how < 3:
        for at in random.integers(reach, size=int(random.integers(1, 6))):
            changed[at] = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))]))
    elif how == 3:
        del changed[int(random.integers(reach)) :]
    else:
        first = int(random.integers(reach))
        changed[first:first] = changed[first : first + 16]
    return bytes(changed)


def files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_by_name_or_does_not_matter(kind, write, tmp_path, campaign):
    named = write(kind, VOXELS)
    path = Path(named.removesuffix(":raw"))
    whole = tmp_path / "whole"
    shutil.copytree(path, whole) if path.is_dir() else shutil.copy(path, whole)
    random, counted = np.random.default_rng(sum(map(ord, kind))), Counter()
    for _ in range(CASES):
        shutil.rmtree(path) if path.is_dir() else os.remove(path)
        shutil.copytree(whole, path) if path.is_dir() or whole.is_dir() else shutil.copy(whole, path)
        files = files_of(path)
        metadata = [file for file in files if file.suffix in (".json", "") and file.name[0] in ".z"]
        file = files[0] if len(files) == 1 else Path(random.choice([str(file) for file in (*metadata, *files)]))
        file.write_bytes(damaged(file.read_bytes(), random))
        for read in (lambda: open_volume(named)[...], lambda: read_prediction(named)):
            message = error_of(read)
            assert message is None or (str(path) in message and "\n" not in message.strip()), message
            counted["usable" if message is None else "refused"] += 1
    campaign("damaged volumes", counted)


def error_of(read: Callable[[], object]) -> str | None:
    """What a user reads, or None where the file can be read; other kinds of errors end the test."""
    try:
        read()
    except (ValueError, OSError, ImportError) as error:
        return str(error)
    return None
