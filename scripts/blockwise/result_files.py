"""Files of finished blocks: complete under their name, or not there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

ALIGNMENT = 64
"""Bytes that an array begins at a multiple of."""


def save(path: Path, **arrays: Any) -> None:
    """Write arrays by name to a file that appears under its name when it is complete.

    The file is the length of a header (8 bytes), the header, JSON of name -> (dtype, shape, position), and the arrays.
    Block-wise runs read single small arrays of many files, where an .npz costs ten times as much.
    """
    stored = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    position, rows = 0, {}
    for name, array in stored.items():
        rows[name] = (array.dtype.str, np.shape(arrays[name]), position)
        position += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    header = json.dumps(rows).encode()
    header += b" " * (-(len(header) + 8) % ALIGNMENT)
    with _complete(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for array in stored.values():
            file.write(array.data)
            file.write(bytes(-array.nbytes % ALIGNMENT))


def load(path: Path, *names: str) -> list[np.ndarray]:
    """Arrays of such a file by name."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        return [_array(file, 8 + length, *header[name]) for name in names]


def save_array(path: Path, array: np.ndarray) -> None:
    """As `save`, for one array that is read in parts: .npy."""
    with _complete(path) as file:
        np.save(file, array)


def part_of(path: Path, first: int, stop: int) -> np.ndarray:
    """Elements of an .npy file."""
    return np.array(np.load(path, mmap_mode="r")[first:stop])


def packed(labels: np.ndarray) -> np.ndarray:
    """Compress labels of a block."""
    content: Any = np.ascontiguousarray(labels).data
    return np.frombuffer(imagecodecs.lz4_encode(content, header=True), np.uint8)


def unpacked(data: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Labels again."""
    labels = np.empty(shape, dtype)
    content: Any = data.data
    target: Any = labels.reshape(-1).view(np.uint8)
    imagecodecs.lz4_decode(content, header=True, out=target)
    return labels


@contextmanager
def _complete(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _array(file: BinaryIO, begin: int, dtype: str, shape: list[int], position: int) -> np.ndarray:
    found = np.empty(shape, dtype)
    file.seek(begin + position)
    if file.readinto(found.reshape(-1).view(np.uint8).data) != found.nbytes:  # type: ignore[attr-defined]
        raise OSError(f"'{file.name}' ends early; remove it, and the block is done again with --resume")
    return found
