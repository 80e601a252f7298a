"""Choose who writes a prediction: this process row by row, or workers block by block."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.blockwise.block_prediction import BlockPrediction, WorkerChoice
from scripts.handlers.prediction_writer import PredictionWriter
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.inferers.window_rows import VolumeSteps


def prediction_writer(
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
    workers: int = 0,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    blocks: Sequence[int] | None = None,
) -> PredictionWriter | BlockPrediction:
    """Return what writes a prediction: `PredictionWriter`, in this process, row by row; where workers, a scheduler or
    blocks are given, `BlockPrediction`, with the same bytes.

    Args:
        steps, inferer, out, dtype, overwrite, resume, channels, settings, metadata, ome_version: as in
            `PredictionWriter`.
        workers: processes to start on this machine; 0: none.
        scheduler, scheduler_file: see `open_workers`.
        blocks: voxels (z, y, x) of a block, multiples of the chunk; by default those of `chosen_block`, or of the run
            that is resumed.
    """
    who = WorkerChoice(workers or None, scheduler or None, scheduler_file or None)
    common = (steps, inferer, out, dtype, overwrite, resume, channels, settings, metadata, ome_version)
    if who == WorkerChoice() and blocks is None:
        return PredictionWriter(*common)
    return BlockPrediction(*common, who=who, blocks=blocks)
