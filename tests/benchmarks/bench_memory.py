"""Memory of drawing crops from a sparse 20 GiB volume, beside that of a 20 MiB one; all processes counted.

python -m tests.benchmarks.bench_memory [--cache_mib 128]

The cache of decoded chunks takes a share of the free memory, unless it is given.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import zarr

from tests.benchmarks.side_by_side import hardware, print_table

SMALL, LARGE = (20, 1024, 1024), (1280, 4096, 4096)  # uint8: 20 MiB and 20 GiB
CHUNKS = (8, 128, 128)
BATCH, BATCHES, WORKERS = 32, 60, 2
MIB = 2**20


def main(cache_mib: float | None) -> None:
    """Print the table; each volume is sampled by an interpreter of its own."""
    cache = [] if cache_mib is None else [f"--cache_mib={cache_mib}"]
    print(hardware())
    rows = []
    for name, write in {
        ".npy": npy,
        "HDF5, contiguous": hdf5,
        "HDF5, gzip chunks": gzip_hdf5,
        "Zarr 3": zarr_3,
    }.items():
        peaks = []
        for shape in (SMALL, LARGE):
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", "tests.benchmarks.bench_memory", write(Path(folder), shape), *cache]
                peaks.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        rows.append((name, peaks[0], peaks[1], peaks[1] - peaks[0]))
    title = f"Peak resident memory of {BATCHES * BATCH} crops, {WORKERS} workers and their parent, MiB"
    print_table(title, ("volume", "20 MiB", "20 GiB", "difference"), rows)


def npy(folder: Path, shape: tuple[int, int, int]) -> str:
    """An `.npy` file with a hole where its voxels are."""
    path = folder / "volume.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + int(np.prod(shape)))
    return str(path)


def hdf5(folder: Path, shape: tuple[int, int, int]) -> str:
    """A contiguous dataset whose room is taken but not written."""
    with h5py.File(folder / "volume.h5", "w") as file:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        h5py.h5d.create(file.id, b"raw", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(shape), layout)
    return f"{folder}/volume.h5:raw"


def gzip_hdf5(folder: Path, shape: tuple[int, int, int]) -> str:
    """A chunked dataset with one chunk written: one without any is refused."""
    with h5py.File(folder / "volume.h5", "w") as file:
        dataset = file.create_dataset("raw", shape, "u1", chunks=CHUNKS, compression="gzip")
        dataset[: CHUNKS[0], : CHUNKS[1], : CHUNKS[2]] = 1
    return f"{folder}/volume.h5:raw"


def zarr_3(folder: Path, shape: tuple[int, int, int]) -> str:
    """An array with one chunk written: one without any is refused."""
    array = zarr.create_array(folder / "volume.zarr", shape=shape, chunks=CHUNKS, dtype="u1")
    array[: CHUNKS[0], : CHUNKS[1], : CHUNKS[2]] = 1
    return str(folder / "volume.zarr")


def peak_of_sampling(path: str, cache_mib: float | None) -> float:
    """Peak of the summed resident memory of this process and its workers, MiB, while crops are drawn."""
    from monai.transforms import Compose

    from scripts.data import CropDataset, GlobalBatchSampler, LoaderBatches, open_volume
    from scripts.data.regions.region import Region
    from scripts.ops.box import Box
    from scripts.transforms import RandSymmetryd, RandTokenMaskd, ScaleGreyd

    volume = open_volume(path)
    chain = Compose([RandSymmetryd(), ScaleGreyd(), RandTokenMaskd()])
    dataset = CropDataset([Region(volume, Box.whole(volume.shape))], transform=chain)
    dataset.cache_mib = dataset.cache_mib if cache_mib is None else cache_mib
    batches = LoaderBatches(dataset, GlobalBatchSampler(BATCH, BATCHES), WORKERS)
    peak, done, here = [0.0], threading.Event(), psutil.Process()

    def watch() -> None:
        while not done.is_set():
            try:
                resident = sum(one.memory_info().rss for one in (here, *here.children(recursive=True)))
                peak[0] = max(peak[0], resident / MIB)
            except psutil.NoSuchProcess:  # a worker that ended between the two questions
                continue
            finally:
                time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for batch in batches:
        batch["image"].sum()
    done.set()
    watcher.join()
    return peak[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume", nargs="?", help="print the peak for this volume alone")
    parser.add_argument("--cache_mib", type=float, help="of decoded chunks, all processes together")
    options = parser.parse_args()
    if options.volume:
        print(peak_of_sampling(options.volume, options.cache_mib))
    else:
        main(options.cache_mib)
