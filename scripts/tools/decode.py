"""`python -m scripts decode`: turn a prediction file into instances, in memory or block by block."""

import json
import logging
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from scripts.blockwise.instances import chunk_of, write_instances
from scripts.blockwise.memory import SHARE, decoding_gib, free_gib
from scripts.blockwise.run import IN_BLOCKS, Engine, planned, run_in_blocks
from scripts.data.files.prediction_mask import checked_mask, read_mask
from scripts.data.files.predictions import open_prediction, read_prediction
from scripts.data.files.writing import write_hdf5
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import DECODERS, MeanAgglomeration, QuantileAgglomeration, decoder
from scripts.ops.decoding.edits import apply_edits
from scripts.ops.decoding.masking import mask_instances, mask_prediction
from scripts.ops.labels.label_cleanup import fill_holes, relabel_consecutive, remove_small_objects
from scripts.ops.limits import Count, Fraction, Limits
from scripts.ops.targets.affinity_convention import convention
from scripts.tools.command_line.argument_types import BoxText, Shape, Workers
from scripts.tools.command_line.decoder_options import DecoderName, DecoderOptions
from scripts.tools.decode_target import DECODED, DecodeTarget, placement
from scripts.tools.decoder_metadata import choose_offsets, decoder_metadata, warn_of_offsets
from scripts.tools.edits_file import decode_hash, read_edits

logger = logging.getLogger(__name__)


def decode(
    pred: str,
    decoder: DecoderName | None = None,
    *,
    out: Annotated[str, DECODED],
    box: BoxText | None = None,
    version: Literal["0.5", "0.4"] = "0.5",
    meshes: bool = False,
    skeletons: bool = False,
    drawn: Count = 10000,
    smallest: Count = 0,
    holes: bool = False,
    edits: str | None = None,
    mask: Fraction | str | None = None,
    blocks: Shape | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    memory_gib: Annotated[float, Limits(0, 1e6)] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    **settings: Annotated[Any, DecoderOptions(several=("threshold",))],
) -> str:
    """Turn affinities or probabilities into instances.

    Example: python -m scripts decode maps.zarr --out instances.zarr --workers 4

    Without --workers the box is decoded in memory, in one process. Where it does not fit, or where blocks, workers or a
    scheduler are given, it is decoded block by block, with the same result: docs/large_volumes.md.

    A prediction of inference.json or evaluate.json names the decoder and the settings that validation chose. Without
    --decoder they are taken from there, and an option changes that setting alone. Maps that name none:
    python -m scripts decode pred.h5:affinity --decoder zwatershed --out seg.h5 --low 0.1 --high 0.98

    Settings of each decoder, with defaults, are listed in docs/decoding.md:
    zwatershed (--low --high --weak, affinities), zwatershed-percentile (the same, ranks in [0, 1]), both with
    --size --dust --join; agglomeration and agglomeration-quantile (--threshold, several with commas: one run, one
    dataset each; --percent); mutex (--low --strides --dust); binary (--seed --mask), bc (and --contour), bcd and
    bcd-distance (and --distance --distance_mask), all with --small_seed --small. Decoders of affinities take --offsets:
    nearest, long_range, or a list such as "[[0,0,1],[0,1,0],[1,0,0]]" for channels x, y, z with the edge to the next
    voxel; without it, those that the prediction states in an attribute.

    Args:
        pred: (channels, z, y, x) floats, or uint8 for value / 255: file.h5:dataset, x.zarr or x.npy.
        decoder: its name; by default the one that the prediction names.
        out: the Zarr folder (or, in memory only, the HDF5 file) to write, dataset `labels`; with several thresholds
            `labels_0.1`, ... What `convert` writes is written too: NAME.ome.zarr with coarser levels,
            image.zarr:labels/NAME beside an image, precomputed://FOLDER with properties of segments, stack.tif.
        box: the part to decode, z0:z1,y0:y1,x0:x1; its start is kept as the attribute `offset`.
        version: of OME-Zarr, 0.5 or 0.4.
        meshes: write the surfaces of instances; precomputed only.
        skeletons: write skeletons of instances, SWC too; precomputed only.
        drawn: voxels of the smallest instance that --meshes and --skeletons draw.
        smallest: objects of fewer voxels are removed, after what the decoder itself drops.
        holes: fill holes that one object encloses.
        edits: a JSON file of merges and splits to make in the end, see docs/correcting.md; affinities only.
        mask: a volume, or nonzero for the image that the prediction states; where it is 0 nothing is decoded: those
            voxels stay 0 and join nothing. A number is the setting of that name of binary, bc and bcd.
        blocks: voxels of a block, z,y,x: a multiple of the chunk of the prediction.
        workers: processes on this machine.
        scheduler: address of a dask scheduler, such as tcp://head:8786, whose workers see the same files.
        scheduler_file: the file that such a scheduler wrote.
        memory_gib: what decoding in memory may take; a box that needs more goes block by block. By default 0.8 of the
            free memory.
        resume: continue a block-wise run that was stopped.
        overwrite: replace what is there.
        settings: of the decoder.

    Returns:
        What was written, how many instances it has, and the time it took.

    Raises:
        ValueError: a prediction that does not fit the decoder or names none, an unknown decoder or setting, a value
            out of range.
        FileExistsError: the file exists and overwrite is not given.
    """
    target = DecodeTarget(out, version, meshes, skeletons, drawn, resume, overwrite)
    path = target.decoded
    if decoder is None:
        decoder, settings = _stated(pred, settings)
    if isinstance(mask, float):
        mask, settings = None, {**settings, "mask": mask}
    if mask is not None:
        mask = checked_mask(mask, pred)
    settings = choose_offsets(pred, decoder, settings)
    cuts = _thresholds(decoder, settings)
    target.check(len(cuts))
    decode_ = _made(decoder, settings)
    with open_prediction(pred) as prediction:
        part = Box.parse(box, prediction.shape[1:])
        need = decoding_gib(decoder, part.shape, prediction.shape[0], prediction.dtype.itemsize)
    engine = Engine(workers, scheduler, scheduler_file)
    chosen = {**settings, "smallest": smallest, "holes": holes, **({} if mask is None else {"within": mask})}
    made_by = decode_hash(decoder, chosen, str(part))
    begin = time.perf_counter()
    placed = placement(pred, part)
    listed = [] if edits is None else read_edits(edits, made_by, placed["offset"])
    if listed:
        made_by = decode_hash(decoder, {**chosen, "edits": list(map(str, listed))}, str(part))
    allowed = SHARE * free_gib() if memory_gib is None else memory_gib
    if target.begun(made_by):
        lines = [f"{path}: decoded by an earlier run"]
    elif engine.chosen or blocks is not None or resume or need > allowed:
        _check_blocks(decoder, path, need, allowed)
        single = {name: value for name, value in settings.items() if name != "threshold" or not cuts}
        plan = planned(pred, part, decoder, single, cuts, smallest, blocks, made_by, mask, holes, listed)
        lines = [
            f"{path}:{name}: {n} instances" for name, n in run_in_blocks(plan, path, engine, resume, overwrite).items()
        ]
    else:
        if path.exists() and not overwrite:
            raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
        maps, _ = read_prediction(pred, part)
        warn_of_offsets(maps, decoder, settings)
        datasets = _decoded(decode_, maps, cuts, None if mask is None else read_mask(mask, pred, part))
        datasets = {name: _cleaned(labels, smallest, holes) for name, labels in datasets.items()}
        if listed:
            if len(datasets) > 1 or len(maps) < 3:
                raise ValueError("--edits needs one threshold and affinities along z, y and x")
            datasets = {name: apply_edits(labels, maps[:3], listed) for name, labels in datasets.items()}
        about = {
            "decode": made_by,
            "decoder": decoder,
            "settings": json.dumps(settings, sort_keys=True),
            "prediction": str(pred),
            "box": str(part),
            **placed,
            **({} if mask is None else {"mask": mask}),
        }
        if path.suffix == ".zarr":
            with open_prediction(pred) as opened:
                write_instances(path, datasets, chunk_of(part.shape, opened.chunks), about)
        else:
            write_hdf5(path, datasets, overwrite=overwrite, attributes=about)
        lines = [f"{path}:{name}: {labels.max()} instances, {labels.dtype}" for name, labels in datasets.items()]
    if target.converted:
        lines = [line.replace(f"{path}:labels", out) for line in lines]
        lines += target.convert(pred, part, getattr(decode_, "offsets", None))
    seconds = time.perf_counter() - begin
    size = " x ".join(map(str, part.shape))
    speed = part.voxels / seconds / 1e6
    return "\n".join(
        [
            *lines,
            f"{size} voxels (z, y, x) in {seconds:.1f} s, {speed:.1f} Mvoxel/s; a first run compiles for some seconds",
        ]
    )


def _decoded(
    decode_: Any, prediction: np.ndarray, cuts: tuple[float, ...], inside: np.ndarray | None
) -> dict[str, np.ndarray]:
    if inside is not None:
        channels = convention(decode_.offsets) if hasattr(decode_, "offsets") else None
        prediction = mask_prediction(prediction, inside, channels)
    if not cuts:
        datasets = {"labels": decode_(prediction)}
    else:
        assert isinstance(decode_, MeanAgglomeration | QuantileAgglomeration)
        datasets = {f"labels_{cut:g}": labels for cut, labels in decode_.at_each(prediction, cuts)}
    return datasets if inside is None else {name: mask_instances(one, inside) for name, one in datasets.items()}


def _check_blocks(decoder: str, path: Path, need: float, allowed: float) -> None:
    """Refuse what does not work block by block, with the reason where blocks were chosen by free memory."""
    memory = f"in memory it takes about {need:.2f} GiB, {allowed:.2f} GiB are allowed"
    if decoder not in IN_BLOCKS:
        raise ValueError(
            f"decoder '{decoder}' does not go block by block (these do: {', '.join(IN_BLOCKS)}); {memory}; "
            "decode a --box that fits, without --workers and --blocks"
        )
    if path.suffix != ".zarr":
        raise ValueError(f"--out '{path}': blocks are written side by side, which HDF5 cannot; give a .zarr; {memory}")
    if need > allowed:
        logger.info(f"block by block: {memory}")


def _stated(pred: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The prediction's own decoder, its settings changed where others are given; print both."""
    name, settings = decoder_metadata(pred)
    changed = f" but for {', '.join(f'--{option}' for option in given)}" if given else ""
    settings.update(given)
    logger.info(f"decoder: {name} {settings}, as the prediction states{changed}; --decoder chooses another")
    return name, settings


def _thresholds(name: str, settings: dict[str, Any]) -> tuple[float, ...]:
    """Several agglomeration thresholds, which are taken out of the settings' sight; empty for one or none."""
    given = settings.get("threshold")
    if not isinstance(given, tuple | list):
        return ()
    if name not in ("agglomeration", "agglomeration-quantile"):
        raise ValueError(f"--threshold {given}: decoder '{name}' does not take several")
    return tuple(float(cut) for cut in given)


def _made(name: str, settings: dict[str, Any]) -> Any:
    if name not in DECODERS:
        raise ValueError(f"unknown decoder '{name[:60]}'; there are: {', '.join(DECODERS)}")
    single = {
        key: value for key, value in settings.items() if not (key == "threshold" and isinstance(value, tuple | list))
    }
    return decoder(name, single)


def _cleaned(labels: np.ndarray, smallest: int, holes: bool) -> np.ndarray:
    if smallest:
        labels = remove_small_objects(labels, smallest)
    return relabel_consecutive(fill_holes(labels) if holes else labels)
