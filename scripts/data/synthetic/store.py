"""Synthetic volumes as files: HDF5 with image and ground truth, and a cache that makes each one once."""

import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.data.files.writing import write_hdf5
from scripts.ops.box import Size3

if TYPE_CHECKING:
    from scripts.data.synthetic.volume import SyntheticVolume

GENERATOR = 2
"""Raised with every change of the generator that changes voxels, so that no cache serves an old volume."""
CACHE_VARIABLE = "SEM_MAE_CACHE"


def save_synthetic(volume: "SyntheticVolume", path: str | os.PathLike[str], seed: int, overwrite: bool = False) -> Path:
    """Write a synthetic volume to HDF5, whole or not at all.

    Datasets `raw`, `labels` and `mitochondria`, plain contiguous voxels, which random crops read fastest; attributes
    `resolution` (nm, z y x), `seed`, `generator`, `defects` (JSON) and `license`.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
        OSError: no space left.
    """
    datasets = {"raw": volume.image, "labels": volume.labels, "mitochondria": volume.mitochondria}
    attributes = {
        "seed": int(seed),
        "generator": GENERATOR,
        "defects": json.dumps([asdict(defect) for defect in volume.defects]),
        "license": "Apache-2.0",
    }
    return write_hdf5(path, datasets, volume.voxel_size_nm, chunks=None, overwrite=overwrite, attributes=attributes)


def cached_synthetic(shape: Size3 = (64, 512, 512), seed: int = 0) -> Path:
    """The HDF5 file of a synthetic volume, made at the first call.

    It is in the folder `$SEM_MAE_CACHE`, else `~/.cache/sem_mae`. Processes that ask at once may each make it;
    the file appears whole, and the same whoever was first.

    Raises:
        ValueError: a shape or seed that makes no volume.
        OSError: the folder cannot be written, or no space is left.
    """
    folder = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "sem_mae")
    size = "x".join(str(int(n)) for n in shape)
    path = folder / f"synthetic-g{GENERATOR}-{size}-seed{int(seed)}.h5"
    if not path.exists():
        from scripts.data.synthetic.volume import synthesize_volume

        begin = time.perf_counter()
        logging.getLogger(__name__).info("making the synthetic volume %s, once (seed %s) -> %s", size, seed, path)
        save_synthetic(synthesize_volume(shape, seed), path, seed, overwrite=True)
        logging.getLogger(__name__).info("made in %.1f s", time.perf_counter() - begin)
    return path
