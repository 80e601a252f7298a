"""`python -m scripts synthesize`: a synthetic EM volume with instance labels, as an HDF5 file."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm


def synthesize(out: str, shape: str | Sequence[int] = "64,512,512", seed: int = 0, overwrite: bool = False) -> str:
    """Make an EM-like volume: neurites, membranes, mitochondria, vesicles, drift, noise and defective sections.

    The file holds `raw` (uint8), `labels` (one id a neurite, 0 = membrane) and `mitochondria`, axes z, y, x, voxels of
    30 x 6 x 6 nm. The volume is made in memory, some 15 bytes a voxel.
    Example: python -m scripts synthesize --out block.h5 --shape 64,512,512 --seed 0

    Args:
        out: the HDF5 file to write.
        shape: voxels z,y,x.
        seed: the same seed gives the same voxels.
        overwrite: replace a file that is there.

    Returns:
        Where it went, what is in it, and how fast it was made.

    Raises:
        ValueError: a shape or seed that makes no volume, or a name that does not end in .h5 or .hdf5.
        FileExistsError: the file exists and overwrite is not given.
    """
    path = Path(str(out))
    if path.suffix not in (".h5", ".hdf5"):
        raise ValueError(f"--out '{path}' does not end in .h5 or .hdf5; the volume is written as HDF5")
    if path.exists() and not overwrite:
        raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
    size = _parsed(shape)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"--seed {seed} is not a whole number from 0 up")
    from scripts.data.synthetic import save_synthetic, synthesize_volume

    begin = time.perf_counter()
    with tqdm(total=size[0], unit="section", disable=None, leave=False) as bar:
        volume = synthesize_volume(size, seed, progress=bar.update)
    seconds = time.perf_counter() - begin
    save_synthetic(volume, path, seed, overwrite)
    voxels = int(np.prod(size))
    defects = ", ".join(f"{defect.section} {defect.kind}" for defect in volume.defects) or "none"
    return (
        f"{path}: raw, labels, mitochondria of {size[0]} x {size[1]} x {size[2]} voxels (z, y, x), 30 x 6 x 6 nm, "
        f"{path.stat().st_size / 2**20:.0f} MiB\n"
        f"{volume.labels.max()} neurites, {volume.mitochondria.max()} mitochondria; defective sections: {defects}\n"
        f"made in {seconds:.1f} s, {voxels / seconds / 1e6:.1f} Mvoxel/s with compiling"
    )


def _parsed(shape: str | Sequence[int]) -> tuple[int, int, int]:
    parts = shape.split(",") if isinstance(shape, str) else shape
    try:
        z, y, x = (int(str(part)) for part in parts)
    except (TypeError, ValueError):
        raise ValueError(f"--shape {shape} is not three whole numbers z,y,x, such as 64,512,512") from None
    return z, y, x
