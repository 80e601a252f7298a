"""Write the maps of an inference to disk, row by row: in the background, resumable, named when complete."""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from scripts.data.files.background_writer import BackgroundWriter
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.engines.switches import switch
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.voxel_progress import VoxelProgress
from scripts.inferers.window_rows import VolumeSteps
from scripts.networks.activated_network import ActivatedNetwork
from scripts.ops.box import Size3
from scripts.ops.quantize import RANGES, quantize, stored_type

logger = logging.getLogger(__name__)

CHUNK = 256
"""Voxels of a Zarr chunk along y and x, about."""


class PredictionWriter:
    """Write the maps of an evaluator over `VolumeSteps` to OME-Zarr or HDF5.

    Construct it before the evaluator: it reads what an earlier run left, and sets the first row of `steps`. From then
    on it holds the lock of the output, so that no other process writes it.

    Args:
        steps: what the evaluator reads.
        inferer: the one that is used, for its settings.
        out: `.zarr`, `.h5` or `.hdf5`.
        dtype: `float16`, `float32`, or `uint8`, which is a channel's range in 256 levels.
        overwrite: replace an earlier prediction once the new one is complete.
        resume: continue an earlier run.
        channels: names of the channels, stored with the prediction.
        settings: more that decide the result, such as the grey range; another run resumes only with the same.
        metadata: values to store, each as text, a mapping as JSON.
        ome_version: `0.5` or `0.4`, of OME-Zarr.

    Raises:
        FileExistsError, BlockingIOError, ValueError: see `PartialPrediction`.
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
    ) -> None:
        stored_type(dtype)
        self.steps, self.inferer, self.dtype, self.out = steps, inferer, dtype, Path(out)
        self.partial = PartialPrediction(
            out,
            steps.region.box.shape,
            dtype,
            prediction_settings(steps, inferer, settings),
            overwrite=switch(overwrite, "overwrite"),
            resume=switch(resume, "resume"),
            chunks=chunk_of(inferer),
            voxel_size_nm=steps.region.image.voxel_size_nm,
            corner=steps.region.box.start,
            attributes=attributes_of(channels, metadata),
            ome_version=ome_version,
        )
        self._resumed_at = self.partial.completed
        steps.begin_at(self._resumed_at)
        self._ranges: list[tuple[float, float]] = []
        self._background: BackgroundWriter | None = None

    @property
    def folder(self) -> Path:
        """The folder of the unfinished prediction; also for the scratch file of `StepInferer`."""
        return self.partial.folder

    def attach(self, engine: Engine) -> None:
        """Write each step of an evaluator with `StepInferer`."""
        engine.add_event_handler(Events.STARTED, lambda: self.begin(getattr(engine, "network", None)))
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write_output)
        engine.add_event_handler(Events.COMPLETED, self.finish)

    def run(self, evaluator: Engine) -> None:
        """Run the evaluator; where an error or Ctrl-C stops it, keep what is done and print how to resume."""
        try:
            evaluator.run()
        except BaseException:
            self.stop()
            raise

    def begin(self, network: Any) -> None:
        """Before the first step, with the network as it will be used.

        Raises:
            ValueError: the unfinished prediction is another network's.
        """
        self.partial.lock()
        self.partial.add_settings(settings_of_network(network))
        if isinstance(network, ActivatedNetwork):
            self._ranges = [RANGES[name] for name in network.activations]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._background = BackgroundWriter()
        depth, height, width = self.partial.shape
        done = self.partial.completed * height * width
        self.progress = VoxelProgress(depth * height * width, done)
        begin = f", resumed at section {self.partial.completed} of {depth}" if done else ""
        logger.info(f"predicting {self.steps.region.title}, box {self.steps.region.box}, to {self.out}{begin}")

    def write(self, index: int, maps: torch.Tensor) -> None:
        """Write what row `index` completed: maps (C, z, y, x) float32, empty where it completed none.

        Raises:
            ValueError: values that cannot be stored.
            OSError: an earlier block could not be written.
        """
        assert self._background is not None
        step, grid = self.steps.grid.steps[index], self.steps.grid
        (z0, z1), (y0, _) = grid.in_box(step.ended_z, 0), grid.in_box(step.ended_y, 1)
        lacking = max(z0, self._resumed_at)
        if maps.numel() and lacking < z1:
            maps = maps[:, lacking - z0 :]
            ranges = self._ranges or [RANGES["sigmoid"]] * len(maps)
            block = quantize(maps, self.dtype, ranges).cpu().numpy()
            self._background(self.partial.write, lacking, y0, block)
            self.progress.add(block[0].size)
        if step.ends_planes and z1 > self._resumed_at:
            self._background(self.partial.done, z1)

    def finish(self) -> None:
        """Wait for the disk, give the prediction its name, and print which sections are blank.

        Where rows are missing, as after a requested stop, keep what is done and print how to resume.
        """
        assert self._background is not None
        self._background.close()
        self.progress.close()
        for line in self.steps.statistics.findings():
            logger.warning(line)
        if self.partial.completed < self.partial.shape[0]:
            self.partial.suspend()
            logger.info(self.partial.resume_hint())
            return
        self.partial.finish()
        logger.info(f"prediction  {self.out}: {self.partial.channels} channels, {self.dtype}")

    def stop(self) -> None:
        """Write what is queued, keep what is done, and print how to resume. Raises nothing."""
        if self._background is None:
            return
        with contextlib.suppress(Exception):  # the error that stopped the run is raised after this
            self._background.close()
        self.progress.close()
        self.partial.suspend()
        logger.info(self.partial.resume_hint())

    def _write_output(self, engine: Engine) -> None:
        state: Any = engine.state
        self.write(int(state.batch["index"]), state.output["pred"][0])


def prediction_settings(
    steps: VolumeSteps, inferer: VolumeInferer, settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the settings that decide the result, apart from the network."""
    volume = steps.region.image
    return {
        "volume": volume.path,
        "volume_shape": list(volume.shape),
        "box": str(steps.region.box),
        "context": steps.context,
        **inferer.settings,
        **(settings or {}),
    }


def attributes_of(channels: Sequence[str], metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what is stored with a prediction, as text, a mapping as JSON."""
    notes = {
        str(key): json.dumps(value) if isinstance(value, Mapping) else str(value)
        for key, value in (metadata or {}).items()
    }
    return {**notes, "channels": ", ".join(channels)} if channels else notes


def chunk_of(inferer: VolumeInferer) -> Size3:
    """Return the voxels (z, y, x) of a Zarr chunk: along z the sections that a row of windows completes, along y and x
    about 256."""
    _, y, x = (_extent(*sizes) for sizes in zip(inferer.window, inferer.stride, inferer.pad, strict=True))
    return inferer.stride[0], y, x


def _extent(window: int, stride: int, pad: int) -> int:
    """Return the multiple of the stride next to 256 where blocks that begin there, as windows do, are in few windows;
    else 256."""
    first = pad % stride or stride  # voxels from the last window that begins before a block to the block
    more = (window - 1 - first) // stride + 1
    return max(1, round(CHUNK / stride)) * stride if more * stride < window else CHUNK


def settings_of_network(network: Any) -> dict[str, Any]:
    """Return the settings that decide the result and are known with the network only.

    On a CPU torch computes 1x1x1 convolutions in another way where it has one thread, which changes their last bit.
    """
    several = "several" if torch.get_num_threads() > 1 else "one"
    return {"network": fingerprint(network)} | ({"threads": several} if device_of(network) == "cpu" else {})


def device_of(network: Any) -> str:
    """Return the type of the device that a network is on; `cpu` of one without weights."""
    parameter = next(network.parameters(), None) if isinstance(network, torch.nn.Module) else None
    return "cpu" if parameter is None else parameter.device.type


def fingerprint(network: Any) -> str:
    """Return a hash of the network's weights."""
    if not isinstance(network, torch.nn.Module):
        return f"{type(network).__name__} {getattr(network, '__name__', '')}".strip()
    total = hashlib.blake2b(digest_size=8)
    for name, tensor in network.state_dict().items():
        total.update(name.encode())
        if isinstance(tensor, torch.Tensor):
            total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
