"""Check a file against its published size and checksums, with a progress bar for large ones."""

import hashlib
from pathlib import Path
from typing import Any

from tqdm import tqdm

BLOCK = 1 << 20
"""Bytes read at a time."""


def verify(path: Path, size: int | None, md5: str | None, sha256: str | None) -> None:
    """Hold a file against what is known of it.

    Raises:
        ValueError: names the file, what it has and what it should have.
    """
    have = path.stat().st_size
    if size is not None and have != size:
        raise ValueError(f"{path} has {have} bytes where {size} were announced")
    wanted = {name: value for name, value in (("md5", md5), ("sha256", sha256)) if value is not None}
    if not wanted:
        return
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in wanted}
    with open(path, "rb") as file, transfer_bar(f"checking {path.name}", have) as bar:
        while block := file.read(BLOCK):
            for checksum in sums.values():
                checksum.update(block)
            bar.update(len(block))
    for name, value in wanted.items():
        if sums[name].hexdigest() != value:
            raise ValueError(f"{path} has {name} {sums[name].hexdigest()} where {value} is expected")


def transfer_bar(title: str, size: int | None) -> "tqdm[Any]":
    """Bytes, rate and time left; silent where the output is not a terminal."""
    return tqdm(total=size, desc=title, unit="B", unit_scale=True, unit_divisor=1024, disable=None, leave=False)
