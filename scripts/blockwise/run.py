"""A block-wise run from its options to the finished Zarr folder: where it is kept, how it resumes, what it refuses."""

import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.blockwise import DECODING
from scripts.blockwise.affinities import AffinityDecoder
from scripts.blockwise.cluster import DaskWorkers, open_workers
from scripts.blockwise.decode import decode_blocks, finished_store
from scripts.blockwise.grid import Size3
from scripts.blockwise.instances import chunk_of
from scripts.blockwise.plan import PLAN, Plan, fingerprint
from scripts.blockwise.workers import BlockError, Workers
from scripts.data.files.prediction_mask import read_mask
from scripts.data.files.predictions import open_prediction
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import Decoder
from scripts.ops.decoding.decoders import decoder as decoder_of
from scripts.ops.decoding.edits import Edit
from scripts.ops.targets.affinity_convention import NEAREST, convention

logger = logging.getLogger(__name__)

BLOCK = (64, 512, 512)
"""Voxels of a block by default, rounded to whole chunks."""
IN_BLOCKS = ("zwatershed", "zwatershed-percentile", "agglomeration", "agglomeration-quantile", "binary", "bc")
"""Decoders that go block by block."""


@dataclass(frozen=True)
class Engine:
    """Who does the work: see `open_workers`."""

    workers: int | None = None
    scheduler: str | None = None
    scheduler_file: str | None = None

    @property
    def chosen(self) -> bool:
        """Whether any was named."""
        return not (self.workers is None and self.scheduler is None and self.scheduler_file is None)


def planned(
    pred: str,
    part: Box,
    decoder: str,
    settings: Mapping[str, Any],
    thresholds: Sequence[float],
    smallest: int,
    blocks: Sequence[int] | None,
    made_by: str = "",
    mask: str | None = None,
    holes: bool = False,
    edits: Sequence[Edit] = (),
) -> Plan:
    """The plan of a run.

    Raises:
        ValueError: a decoder that needs the whole volume, blocks that are no multiple of the chunk, a mask without the
            box, or edits without affinities or of several thresholds.
    """
    if decoder not in IN_BLOCKS:
        raise ValueError(f"decoder '{decoder}' does not go block by block; these do: {', '.join(IN_BLOCKS)}")
    with open_prediction(pred) as prediction:
        _check_channels(decoder_of(decoder, settings), prediction.shape)
        _check_maps(decoder, prediction.shape)
        chunk = chunk_of(part.shape, prediction.chunks)
        dtype = str(prediction.dtype)
        affinities = isinstance(decoder_of(decoder, settings), AffinityDecoder)
    if edits and (len(thresholds) > 1 or not affinities):
        raise ValueError("--edits needs one threshold and affinities along z, y and x")
    if mask is not None:
        z, y, x = part.start
        read_mask(mask, pred, Box(part.start, (z + 1, y + 1, x + 1)))
        read_mask(mask, pred, Box((part.stop[0] - 1, part.stop[1] - 1, part.stop[2] - 1), part.stop))
    return Plan(
        pred=pred,
        box=str(part),
        decoder=decoder,
        settings=dict(settings),
        thresholds=tuple(thresholds),
        block=_checked_block(blocks, chunk, part.shape),
        chunk=chunk,
        smallest=smallest,
        dtype=dtype,
        fingerprint=fingerprint(pred) + ("" if mask is None else fingerprint(mask)),
        made_by=made_by,
        mask=mask,
        holes=holes,
        edits=tuple(map(tuple, edits)),
    )


def run_in_blocks(plan: Plan, out: Path, engine: Engine, resume: bool, overwrite: bool) -> dict[str, int]:
    """Decode to a Zarr folder; returns how many instances each dataset has.

    What is unfinished is in NAME.partial beside it.

    Raises:
        FileExistsError: the folder or an unfinished run is there, and neither resume nor overwrite is given.
        ValueError: an unfinished run of other settings.
        BlockError: a block failed; names the command that resumes.
    """
    folder = partial_folder(out)
    _begin(plan, out, folder, resume, overwrite)
    with open_workers(engine.workers, engine.scheduler, engine.scheduler_file, DECODING) as workers:
        counts = _reporting(folder, out, workers, decode_blocks)
    if out.exists():
        os.replace(out, folder / "replaced")
    os.replace(finished_store(folder), out)
    shutil.rmtree(folder)
    return counts


def partial_folder(out: Path) -> Path:
    """Where a run is kept until it is complete."""
    return out.with_name(f"{out.name}.partial")


def _reporting(
    folder: Path, out: Path, workers: Workers, work: Callable[[Path, Workers], dict[str, int]]
) -> dict[str, int]:
    try:
        if isinstance(workers, DaskWorkers):
            plan = Plan.load(folder)
            workers.check(folder, [plan.pred, *([plan.mask] if plan.mask else [])])
        return work(folder, workers)
    except BlockError as error:
        raise BlockError(f"{error}; finished blocks are kept in '{folder}': the same command with --resume") from error
    except OSError as error:
        raise OSError(f"{error}; finished blocks are kept in '{folder}': the same command with --resume") from error
    except KeyboardInterrupt:
        logger.info(f"finished blocks are kept in '{folder}'; the same command with --resume continues")
        raise


def _begin(plan: Plan, out: Path, folder: Path, resume: bool, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        remedy = "it is complete, there is nothing to resume" if resume else "give another --out, or --overwrite"
        raise FileExistsError(f"'{out}' exists; {remedy}")
    if folder.exists() and not resume and not overwrite:
        raise FileExistsError(f"'{folder}' has an unfinished run; continue it with --resume, or --overwrite")
    if folder.exists() and resume and (folder / PLAN).exists():
        differing = plan.differences(Plan.load(folder))
        if differing:
            raise ValueError(
                f"'{folder}' was begun with other settings: {'; '.join(differing)}; give the same, or --overwrite"
            )
        return
    shutil.rmtree(folder, ignore_errors=True)
    plan.save(folder)


def _check_channels(made: Decoder, shape: tuple[int, ...]) -> None:
    """Affinities: blocks read the first three channels, one step back along z, y and x."""
    if isinstance(made, AffinityDecoder):
        channels = convention(made.offsets)
        if shape[0] != channels.channels:
            raise ValueError(f"affinities of shape {shape} have {shape[0]} channels, expected {channels.channels}")
        if channels.offsets[:3] != NEAREST.offsets:
            raise ValueError(
                f"the first channels of --offsets are {channels.offsets[:3]}; block by block they must be "
                f"{NEAREST.offsets}; decode in memory, or store the channels so"
            )


def _check_maps(name: str, shape: tuple[int, ...]) -> None:
    expected = {"binary": 1, "bc": 2}.get(name, shape[0])
    if shape[0] != expected:
        raise ValueError(f"prediction of shape {shape} has {shape[0]} channels, expected {expected}")


def _checked_block(blocks: Sequence[int] | None, chunk: Size3, shape: Size3) -> Size3:
    if blocks is None:
        z, y, x = (
            min(-(-size // step), max(1, round(usual / step))) * step
            for usual, step, size in zip(BLOCK, chunk, shape, strict=True)
        )
        return z, y, x
    if len(blocks) != 3 or any(int(size) != size or size < 1 for size in blocks):
        raise ValueError(f"--blocks {blocks}: give three numbers of voxels, z,y,x, such as 64,512,512")
    wrong = any(size % step and size < whole for size, step, whole in zip(blocks, chunk, shape, strict=True))
    if wrong:
        fitting = ",".join(str(max(1, size // step) * step) for size, step in zip(blocks, chunk, strict=True))
        raise ValueError(
            f"--blocks {','.join(map(str, blocks))} is no multiple of the chunk {','.join(map(str, chunk))}, so two "
            f"workers would write one chunk; give --blocks {fitting}"
        )
    z, y, x = map(int, blocks)
    return z, y, x
