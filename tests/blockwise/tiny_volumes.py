"""Decode a small volume block by block, in a folder."""

import os
import signal
from pathlib import Path

import numpy as np
import zarr

from scripts.blockwise.decode import decode_blocks, finished_store
from scripts.blockwise.plan import Plan
from scripts.blockwise.workers import ThisProcess
from scripts.blockwise.write import dataset_names
from scripts.ops.box import Box


def plan_of(folder, affinities, block, decoder, settings, thresholds=(), **more) -> Plan:
    """Save a prediction and the plan to decode it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pred.npy", affinities)
    plan = Plan(
        pred=str(folder / "pred.npy"),
        box=str(Box.whole(affinities.shape[1:])),
        decoder=decoder,
        settings=settings,
        thresholds=tuple(thresholds),
        block=block,
        dtype=str(affinities.dtype),
        **{
            "smallest": 0,
            "chunk": tuple(min(a, b) for a, b in zip(block, affinities.shape[1:], strict=True)),
            **more,
        },
    )
    plan.save(folder)
    return plan


def decoded_in_blocks(folder: Path, workers=None) -> dict[str, np.ndarray]:
    """Run the plan of a folder; dataset -> instances."""
    decode_blocks(folder, workers or ThisProcess())
    names = dataset_names(Plan.load(folder))
    return {name: zarr.open_array(finished_store(folder) / name, mode="r")[:] for name in names}


def end_this_process(folder: Path, number: int) -> None:
    """A task that takes its worker with it, as the kernel does for lack of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
