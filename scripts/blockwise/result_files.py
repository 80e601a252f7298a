"""Files of finished blocks: complete under their name, or not there."""

import os
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np


def save(path: Path, **arrays: Any) -> None:
    """Write arrays to an .npz file that appears under its name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save_array(path: Path, array: np.ndarray) -> None:
    """As `save`, for one array that is read in parts: .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.save(file, array)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, *names: str) -> list[np.ndarray]:
    """Arrays of an .npz file by name."""
    with np.load(path) as file:
        return [file[name] for name in names]


def part_of(path: Path, first: int, stop: int) -> np.ndarray:
    """Elements of an .npy file."""
    return np.array(np.load(path, mmap_mode="r")[first:stop])


def packed(labels: np.ndarray) -> np.ndarray:
    """Compress labels of a block."""
    return np.frombuffer(imagecodecs.lz4_encode(np.ascontiguousarray(labels).tobytes(), header=True), np.uint8)


def unpacked(data: np.ndarray, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Labels again."""
    return np.frombuffer(bytearray(imagecodecs.lz4_decode(data.tobytes(), header=True)), dtype).reshape(shape)
