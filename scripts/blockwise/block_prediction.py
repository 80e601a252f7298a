"""Predict a volume block by block, on workers: the bytes of one process, whatever the blocks and the workers."""

import contextlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine

from scripts.blockwise.cluster import DaskWorkers, open_workers
from scripts.blockwise.grid import BlockGrid
from scripts.blockwise.inference_blocks import block_gib, checked_block, chosen_block, windows_in_blocks
from scripts.blockwise.plan import PLAN
from scripts.blockwise.predict_block import BlockJob, device_kind, predict_block
from scripts.blockwise.result_files import load
from scripts.blockwise.workers import BlockError, Progress, Workers
from scripts.data.files.partial_blocks import PartialBlocks, done_file
from scripts.data.regions.volume_mask import is_rule
from scripts.engines.switches import switch
from scripts.handlers.prediction_writer import (
    attributes_of,
    chunk_of,
    device_of,
    prediction_settings,
    settings_of_network,
)
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import VolumeSteps
from scripts.networks.activated_network import ActivatedNetwork
from scripts.ops.box import Size3
from scripts.ops.quantize import RANGES, stored_type

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerChoice:
    """Who computes blocks, as `open_workers` takes it: this process by default."""

    workers: int | None = None
    scheduler: str | None = None
    scheduler_file: str | None = None


class BlockPrediction:
    """Write the maps of a volume to OME-Zarr, block by block.

    Each block computes all windows that touch it, of the one grid of the volume, and writes chunks of its own; so no
    block waits for another. Construct it before the evaluator, as `PredictionWriter`, whose place it takes in a config;
    of the evaluator it uses the network only.

    Args:
        steps, inferer, out, dtype, overwrite, resume, channels, settings, metadata, ome_version: as in
            `PredictionWriter`.
        who: this process, or workers.
        blocks: voxels (z, y, x) of a block.

    Raises:
        FileExistsError, BlockingIOError: as `PredictionWriter`.
        ValueError: HDF5, blocks that are no multiple of the chunk, and as `PredictionWriter`.
    """

    def __init__(
        self,
        steps: VolumeSteps,
        inferer: VolumeInferer,
        out: str | os.PathLike[str],
        dtype: str = "float16",
        overwrite: bool | str = False,
        resume: bool | str = False,
        channels: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        ome_version: str = "0.5",
        who: WorkerChoice | None = None,
        blocks: Sequence[int] | None = None,
    ) -> None:
        stored_type(dtype)
        self.steps, self.inferer, self.dtype, self.out = steps, inferer, dtype, Path(out)
        self.who = who or WorkerChoice()
        shape = steps.region.box.shape
        z, y, x = (min(size, step) for size, step in zip(shape, chunk_of(inferer), strict=True))
        self.chunk = z, y, x
        resumed = switch(resume, "resume")
        if blocks is None:
            noted = _noted_block(self.out) if resumed else None
            self.block = noted or chosen_block(steps.grid, self.chunk, self.who.workers or 1)
        else:
            self.block = checked_block(blocks, self.chunk, shape)
        self.partial = PartialBlocks(
            out,
            shape,
            dtype,
            prediction_settings(steps, inferer, settings),
            self.block,
            overwrite=switch(overwrite, "overwrite"),
            resume=resumed,
            chunks=self.chunk,
            voxel_size_nm=steps.region.image.voxel_size_nm,
            corner=steps.region.box.start,
            attributes=attributes_of(channels, metadata),
            ome_version=ome_version,
        )

    @property
    def folder(self) -> Path:
        """The folder of the unfinished prediction."""
        return self.partial.folder

    @property
    def grid(self) -> BlockGrid:
        """The blocks; voxel (0, 0, 0) is the first of the box."""
        return BlockGrid(self.steps.region.box.shape, self.block)

    def attach(self, engine: Engine) -> None:
        """Do nothing: workers have a loop of their own."""

    def run(self, evaluator: Engine) -> None:
        """Predict with the network of an evaluator; its own loop is not run."""
        network: Any = getattr(evaluator, "network", None)
        self.predict(network)

    def predict(self, network: Any) -> None:
        """Predict all blocks that are not done, and give the prediction its name.

        Args:
            network: windows to maps, on any device; it is sent to the workers.

        Raises:
            BlockError: a block failed twice; names its place, its error and what resumes.
            OSError: no scheduler answers, or no space is left.
            ValueError: workers that see other files, run another version or compute on other devices; an unfinished
                prediction of another network.
        """
        self.partial.lock()
        try:
            self.partial.add_settings(settings_of_network(network))
            channels = self._prepare(network)
            with open_workers(self.who.workers, self.who.scheduler, self.who.scheduler_file) as workers:
                if isinstance(workers, DaskWorkers):
                    self._check(workers, _device(network))
                self._predict(workers, channels)
        except BaseException as error:
            with contextlib.suppress(OSError):
                self.partial.waiting()  # counts what is done
            self.partial.suspend()
            if isinstance(error, BlockError):
                raise BlockError(f"{error}; {self.partial.resume_hint()}") from error
            logger.info(self.partial.resume_hint())
            raise

    def _prepare(self, network: Any) -> int:
        """Write what workers read; return the number of channels."""
        channels = len(network.activations) if isinstance(network, ActivatedNetwork) else self._channels(network)
        self.partial.begin(channels)
        itemsize = stored_type(self.dtype).itemsize
        plan = {
            "box": str(self.steps.region.box),
            "block": self.block,
            "chunk": self.chunk,
            "block_gib": block_gib(self.inferer.window, self.steps.grid, self.block, channels, itemsize),
        }
        (self.folder / PLAN).write_text(json.dumps(plan))
        ranges = [RANGES[name] for name in network.activations] if isinstance(network, ActivatedNetwork) else []
        threads = (
            max(1, _processors() // self.who.workers) if self.who.workers is not None and self.who.workers > 1 else None
        )
        several = torch.get_num_threads() > 1
        job = BlockJob(
            self.steps, network, self.dtype, ranges, self.block, str(self.out), _device(network), threads, several
        )
        job.save(self.folder)
        return channels

    def _check(self, workers: DaskWorkers, device: str | None) -> None:
        """Refuse workers with another version or other files, or of several kinds of processor: a network has other
        last bits on each."""
        region = self.steps.region
        paths = [region.image.path] + ([] if region.mask is None else [region.mask.path])
        local = [os.path.abspath(path) for path in paths if path and "://" not in path and not is_rule(path)]
        workers.check(self.folder, local)
        kinds = sorted(set(workers.client.run(device_kind, device).values()))
        if len(kinds) > 1:
            raise ValueError(
                f"workers compute with different processors ({'; '.join(kinds)}), on which the last bit of a map "
                "differs; start workers of one kind"
            )

    def _predict(self, workers: Workers, channels: int) -> None:
        waiting = self.partial.waiting()
        grid = self.steps.grid
        again = windows_in_blocks(grid, self.block) / grid.windows
        logger.info(
            f"predicting {self.steps.region.title}, box {self.steps.region.box}, to {self.out}: {self.partial.total} "
            f"blocks of {self.block}, {len(waiting)} to do; {again:.2f} times the windows of one process"
        )
        progress = Progress("prediction", self, len(waiting))
        for number, _ in workers.run(predict_block, self.folder, waiting):
            progress.add(number)
        self.partial.waiting()
        for line in self._findings():
            logger.warning(line)
        self.partial.finish()
        logger.info(f"prediction  {self.out}: {channels} channels, {self.dtype}")

    def _findings(self) -> list[str]:
        """What the blocks found of blank sections."""
        for number in range(self.partial.total):
            low, high, sums = load(done_file(self.folder, number), "low", "high", "sums")
            self.steps.statistics.merge(self.grid.box(number).start[0], low, high, sums)
        return self.steps.statistics.findings()

    def _channels(self, network: Any) -> int:
        """Channels of a network that does not state them: those of one window of zeros."""
        with torch.no_grad():
            window = torch.zeros(1, 1, *self.inferer.window, device=device_of(network))
            return int(network(window).shape[1])


def _noted_block(out: Path) -> Size3 | None:
    """The block of an unfinished prediction, or None."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads((out.with_name(f"{out.name}.partial") / "progress.json").read_text())
        z, y, x = map(int, noted["settings"]["blocks"])
        return z, y, x
    return None


def _device(network: Any) -> str | None:
    """The type of device that workers use: that of the network, or None, the worker's own choice, where this process
    has no GPU."""
    device = device_of(network)
    return None if device == "cpu" and not torch.cuda.is_available() else device


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
