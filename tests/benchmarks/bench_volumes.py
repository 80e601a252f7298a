"""Random crops of 6 x 96 x 96 from each format, beside the format's own library; memory of reading 20 GiB at random.

The voxels are those of SEM_DATA_DIR/snemi3d_ac4_train.h5 where it is there, else smooth noise.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import tifffile
import zarr
from scipy.ndimage import uniform_filter

from scripts.data.files.writing import write_hdf5
from scripts.data.volumes import open_volume
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

CROP = (6, 96, 96)
CROPS = 200
MIB = 2**20
MAPPED = (".npy", "HDF5, contiguous")


def main() -> None:
    print(hardware())
    with tempfile.TemporaryDirectory() as folder:
        _crops(Path(folder))
        _memory(Path(folder))


def _crops(folder: Path) -> None:
    voxels = _voxels()
    np.save(folder / "v.npy", voxels)
    write_hdf5(folder / "plain.h5", {"raw": voxels}, chunks=None)
    write_hdf5(folder / "gzip.h5", {"raw": voxels}, chunks=(4, 256, 256))
    for version in (2, 3):
        array = zarr.create_array(
            folder / f"{version}.zarr",
            shape=voxels.shape,
            chunks=(4, 256, 256),
            dtype=voxels.dtype,
            zarr_format=version,
        )
        array[:] = voxels
    tifffile.imwrite(folder / "v.tif", voxels, compression="zlib")
    random = np.random.default_rng(0)
    corners = random.integers(0, np.array(voxels.shape) - CROP + 1, (CROPS, 3))
    boxes = [tuple(slice(int(a), int(a) + n) for a, n in zip(corner, CROP, strict=True)) for corner in corners]
    raw = fastest_seconds({"raw": _reads(_Copies(voxels), boxes)})["raw"]
    rows = []
    peers: list[tuple[str, str, Any]] = [
        (MAPPED[0], "v.npy", _Copies(np.load(folder / "v.npy", mmap_mode="r"))),
        (MAPPED[1], "plain.h5:raw", h5py.File(folder / "plain.h5")["raw"]),
        ("HDF5, gzip 4x256x256", "gzip.h5:raw", h5py.File(folder / "gzip.h5")["raw"]),
        ("Zarr 2, zstd 4x256x256", "2.zarr", zarr.open_array(folder / "2.zarr", mode="r")),
        ("Zarr 3, zstd 4x256x256", "3.zarr", zarr.open_array(folder / "3.zarr", mode="r")),
        ("TIFF, zlib", "v.tif", None),
    ]
    for name, path, peer in peers:
        warm, cold = open_volume(folder / path, cache_mib=256), open_volume(folder / path, cache_mib=0)
        few = boxes if name in MAPPED else boxes[: CROPS // 10]
        seconds = fastest_seconds({"warm": _reads(warm, boxes)})
        slow = {"cold": _reads(cold, few)} | ({} if peer is None else {"peer": _reads(peer, few)})
        seconds |= {each: time * CROPS / len(few) for each, time in fastest_seconds(slow, repeats=2).items()}
        theirs = seconds.get("peer")
        per_crop = [seconds[key] / CROPS * 1e3 for key in ("warm", "cold")]
        their_ms: object = "-" if theirs is None else theirs / CROPS * 1e3
        ratio: object = "-" if theirs is None else theirs / seconds["warm"]
        rows.append([name, *per_crop, their_ms, ratio, per_crop[0] / (raw / CROPS * 1e3)])
        warm.close()
    title = (
        f"A crop of 6 x 96 x 96 of {voxels.shape} {voxels.dtype}; a copy from memory takes {raw / CROPS * 1e3:.3f} ms"
    )
    header = ["format", "in cache, ms", "no cache, ms", "its library, ms", "library / ours in cache", "ours / copy"]
    print_table(title, header, rows)


def _memory(folder: Path) -> None:
    """Most memory above the start while crops are read all over a sparse file."""
    rows = []
    for name, shape in (("20 GiB", (1280, 4096, 4096)), ("20 MiB", (20, 1024, 1024))):
        path = folder / f"{name}.npy"
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            file.truncate(file.tell() + int(np.prod(shape)))
        volume, random, process = open_volume(path), np.random.default_rng(0), psutil.Process()
        volume[: CROP[0], : CROP[1], : CROP[2]]
        start = most = process.memory_info().rss
        for corner in random.integers(0, np.array(shape) - CROP + 1, (1000, 3)):
            z, y, x = map(int, corner)
            volume[z : z + CROP[0], y : y + CROP[1], x : x + CROP[2]]
            most = max(most, process.memory_info().rss)
        rows.append([name, (most - start) / MIB])
    print_table("Memory while 1,000 crops are read at random from a sparse .npy", ["volume", "growth, MiB"], rows)


class _Copies:
    """An array whose crops are copies, as those of a volume are."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __getitem__(self, box: tuple[slice, ...]) -> np.ndarray:
        return np.array(self.array[box])


def _reads(volume: Any, boxes: Sequence[tuple[slice, ...]]) -> Callable[[], None]:
    def read() -> None:
        for box in boxes:
            volume[box]

    return read


def _voxels() -> np.ndarray:
    real = Path(os.environ.get("SEM_DATA_DIR", ".")) / "snemi3d_ac4_train.h5"
    if real.exists():
        return open_volume(f"{real}:raw")[:]
    noise = np.random.default_rng(0).normal(128, 60, (64, 1024, 1024)).astype(np.float32)
    return uniform_filter(noise, (1, 3, 3)).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
