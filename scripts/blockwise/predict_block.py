"""Predict one block of a volume: what a worker does, from the files of the run's folder alone."""

import os
import socket
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import zarr

from scripts.blockwise.grid import BlockGrid
from scripts.blockwise.result_files import save
from scripts.data.files.partial_blocks import done_file
from scripts.data.files.replacing import full_disk_error, is_full
from scripts.data.files.zarr_prediction import SCALE
from scripts.data.sampling.prefetch import prefetched
from scripts.inferers.window_rows import StepInferer, VolumeSteps, prepare_item
from scripts.ops.box import Box, Offset3, Size3
from scripts.ops.quantize import quantize

JOB = "job.pt"
STORE = "store"
AHEAD = 2
"""Rows of windows that are read while the network works on another."""


@dataclass(frozen=True)
class BlockJob:
    """All that the blocks of a run have in common.

    Attributes:
        steps: the volume, the box to predict, and the windows.
        network: windows to maps.
        dtype: of the maps as stored.
        ranges: lowest and highest value of each channel, for uint8.
        block: voxels of a block.
        out: the prediction, as the user knows it; for messages.
        device: type of the device, or None for a GPU where the worker has one.
        threads: of torch on the CPU, or None for the worker's own number.
        several: whether torch has several threads; the last bit of a map depends on it.
    """

    steps: VolumeSteps
    network: Any
    dtype: str
    ranges: list[tuple[float, float]]
    block: Size3
    out: str
    device: str | None
    threads: int | None
    several: bool

    def save(self, folder: Path) -> None:
        """Write the job into the folder of a run, for its workers. It is pickled, as all is that dask sends."""
        fresh = folder / f".{JOB}.{os.getpid()}"
        torch.save(self, fresh)
        os.replace(fresh, folder / JOB)


def predict_block(folder: Path, number: int) -> None:
    """Write the maps of a block into the store of a run, then mark it as done.

    Raises:
        OSError: the volume cannot be read, or no space is left.
        ValueError: values that cannot be stored.
    """
    file = folder / JOB
    job, device = _loaded(file, file.stat().st_mtime_ns)
    threads = max(2, job.threads or torch.get_num_threads()) if job.several else 1
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)  # of this thread: dask runs tasks in one of its own
    whole = job.steps.region.box
    box = BlockGrid(whole.shape, job.block).box(number)
    part = Box(_sum(whole.start, box.start), _sum(whole.start, box.stop))
    steps = job.steps.of_part(part)
    infer, maps = StepInferer(steps.inferer, steps), torch.empty(0)
    for item in prefetched((steps[n] for n in range(len(steps))), AHEAD, device):
        image, keywords = prepare_item(item, device)
        rows = infer(image, job.network, **keywords)[0]
        if not rows.numel():
            continue
        step = steps.grid.steps[item["index"]]
        (z0, z1), (y0, y1) = steps.grid.in_box(step.ended_z, 0), steps.grid.in_box(step.ended_y, 1)
        stored = quantize(rows, job.dtype, job.ranges or [(0.0, 1.0)] * len(rows)).cpu()
        if not maps.numel():
            maps = stored.new_empty((len(stored), *part.shape))
        maps[:, z0:z1, y0:y1] = stored
    try:
        zarr.open_array(folder / STORE / SCALE, mode="r+")[(slice(None), *box.slices)] = maps.numpy()
        save(done_file(folder, number), **steps.statistics.sums())
    except OSError as error:
        if not is_full(error):
            raise
        raise full_disk_error(Path(job.out), f"on host {socket.gethostname()}") from error


@lru_cache(maxsize=1)
def _loaded(file: Path, written: int) -> tuple[BlockJob, torch.device]:
    """The job of a run, its network on this worker's device; kept from block to block."""
    job: BlockJob = torch.load(file, map_location="cpu", weights_only=False)  # written by the process of this run
    kind = job.device or ("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(kind, _worker_number() % torch.cuda.device_count()) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if isinstance(job.network, torch.nn.Module):
        job.network.to(device).eval()
    return job, device


def _worker_number() -> int:
    """The number of a worker that `--workers` started, so that each takes another GPU; 0 of any other process."""
    if "distributed" not in sys.modules:
        return 0
    try:
        name = sys.modules["distributed"].get_worker().name
    except ValueError:  # not on a worker
        return 0
    return name if isinstance(name, int) else 0


def device_kind(device: str | None) -> str:
    """Return the name of the GPU or the instructions of the CPU that a worker computes with."""
    if (device or "cuda") == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.backends.cpu.get_cpu_capability()}"


def _sum(first: Offset3, second: Offset3) -> Offset3:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]
