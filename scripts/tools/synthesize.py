"""`python -m scripts synthesize`: a synthetic EM volume with instance labels, as an HDF5 file."""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
from tqdm import tqdm

from scripts.engines.memory_check import check_memory
from scripts.ops.limits import Limits
from scripts.tools.command_line.argument_types import Shape, ending

BYTES_PER_VOXEL = 15
"""Peak memory of making a volume, as docs/synthetic.md has it."""


def synthesize(
    out: Annotated[str, ending(".h5", ".hdf5")],
    shape: Shape = (64, 512, 512),
    seed: Annotated[int, Limits(0, 2**32 - 1)] = 0,
    overwrite: bool = False,
) -> str:
    """Make a synthetic EM volume: neurites, membranes, mitochondria, vesicles, drift, noise and defective sections.

    The file holds `raw` (uint8), `labels` (one id a neurite, 0 = membrane) and `mitochondria`, axes z, y, x, voxels of
    30 x 6 x 6 nm. The volume is made in memory, some 15 bytes a voxel.
    Example: python -m scripts synthesize --out block.h5 --shape 64,512,512 --seed 0

    Args:
        out: the HDF5 file to write.
        shape: voxels z,y,x.
        seed: the same seed gives the same voxels.
        overwrite: replace a file that is there.

    Returns:
        The file, its content, and how fast it was made.

    Raises:
        ValueError: a shape or seed that makes no volume.
        MemoryError: the volume does not fit into memory.
        FileExistsError: the file exists and overwrite is not given.
    """
    path = Path(out)
    if path.exists() and not overwrite:
        raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
    size = (shape[0], shape[1], shape[2])
    check_memory("synthesize", size, BYTES_PER_VOXEL, lambda z, y, x: f"--shape {z},{y},{x}")
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
