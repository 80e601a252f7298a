"""`python -m scripts decode`: turn a prediction file into instances, written as an HDF5 file."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from scripts.data.files.predictions import read_prediction
from scripts.data.files.writing import write_hdf5
from scripts.ops.decoding.decoders import DECODERS, MeanAgglomeration, QuantileAgglomeration, decoder
from scripts.ops.decoding.edits import apply_edits
from scripts.ops.labels.label_cleanup import fill_holes, relabel_consecutive, remove_small_objects
from scripts.ops.limits import Count
from scripts.tools.command_line.argument_types import BoxText, ending
from scripts.tools.command_line.decoder_options import DecoderName, DecoderOptions
from scripts.tools.decoder_metadata import decoder_metadata
from scripts.tools.edits_file import decode_hash, read_edits


def decode(
    pred: str,
    decoder: DecoderName | None = None,
    *,
    out: Annotated[str, ending(".h5", ".hdf5")],
    box: BoxText | None = None,
    smallest: Count = 0,
    holes: bool = False,
    edits: str | None = None,
    overwrite: bool = False,
    **settings: Annotated[Any, DecoderOptions(several=("threshold",))],
) -> str:
    """Turn affinities or probabilities into instances.

    Example: python -m scripts decode maps.zarr --out instances.h5

    A prediction of inference.json or evaluate.json names the decoder and the settings that validation chose. Without
    --decoder they are taken from there, and an option changes that setting alone. Maps that name none:
    python -m scripts decode pred.h5:affinity --decoder zwatershed --out seg.h5 --low 0.1 --high 0.98

    Settings of each decoder, with defaults, are listed in docs/decoding.md:
    zwatershed (--low --high --weak, affinities), zwatershed-percentile (the same, ranks in [0, 1]), both with
    --size --dust --join; agglomeration and agglomeration-quantile (--threshold, several with commas: one run, one
    dataset each; --percent); mutex (--low --strides --dust); binary (--seed --mask), bc (and --contour), bcd and
    bcd-distance (and --distance --distance_mask), all with --small_seed --small. --offsets names the affinity
    convention: nearest or long_range.

    Args:
        pred: (channels, z, y, x) floats, or uint8 for value / 255: file.h5:dataset, x.zarr or x.npy.
        decoder: its name; by default the one that the prediction names.
        out: the HDF5 file to write, dataset `labels`; with several thresholds `labels_0.1`, ...
        box: the part to decode, z0:z1,y0:y1,x0:x1; its start is kept as the attribute `offset`.
        smallest: objects of fewer voxels are removed, after what the decoder itself drops.
        holes: fill holes that one object encloses.
        edits: a JSON file of merges and splits to make in the end, see docs/correcting.md; affinities only.
        overwrite: replace a file that is there.
        settings: of the decoder.

    Returns:
        What was written, how many instances it has, and the time it took.

    Raises:
        ValueError: a prediction that does not fit the decoder or names none, an unknown decoder or setting, a value
            out of range.
        FileExistsError: the file exists and overwrite is not given.
    """
    path = _checked_out(out, overwrite)
    if decoder is None:
        decoder, settings = _stated(pred, settings)
    cuts = _thresholds(decoder, settings)
    decode_ = _made(decoder, settings)
    prediction, part = read_prediction(pred, box)
    begin = time.perf_counter()
    found: Iterable[tuple[str, np.ndarray]]
    if cuts:
        assert isinstance(decode_, MeanAgglomeration | QuantileAgglomeration)
        found = [(f"labels_{cut:g}", labels) for cut, labels in decode_.at_each(prediction, cuts)]
    else:
        found = [("labels", decode_(prediction))]
    datasets = {name: _cleaned(labels, smallest, holes) for name, labels in found}
    chosen = {**settings, "smallest": smallest, "holes": holes}
    made_by = decode_hash(decoder, chosen, str(part))
    if edits is not None:
        if len(datasets) > 1 or prediction.shape[0] < 3:
            raise ValueError("--edits needs one threshold and affinities along z, y and x")
        listed = read_edits(edits, made_by, part.start)
        datasets = {name: apply_edits(labels, prediction[:3], listed) for name, labels in datasets.items()}
        made_by = decode_hash(decoder, {**chosen, "edits": list(map(str, listed))}, str(part))
    seconds = time.perf_counter() - begin
    about = {
        "decode": made_by,
        "decoder": decoder,
        "settings": json.dumps(settings, sort_keys=True),
        "prediction": str(pred),
        "box": str(part),
        "offset": part.start,
    }
    write_hdf5(path, datasets, overwrite=overwrite, attributes=about)
    lines = [f"{path}:{name}: {labels.max()} instances, {labels.dtype}" for name, labels in datasets.items()]
    speed = part.voxels / seconds / 1e6
    size = " x ".join(map(str, part.shape))
    return "\n".join(
        [
            *lines,
            f"{size} voxels (z, y, x) in {seconds:.1f} s, {speed:.1f} Mvoxel/s; a first run compiles for some seconds",
        ]
    )


def _stated(pred: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The prediction's own decoder, its settings changed where others are given; says so."""
    name, settings = decoder_metadata(pred)
    changed = f" but for {', '.join(f'--{option}' for option in given)}" if given else ""
    settings.update(given)
    print(f"decoder: {name} {settings}, as the prediction says{changed}; --decoder chooses another", flush=True)
    return name, settings


def _checked_out(out: str, overwrite: bool) -> Path:
    path = Path(out)
    if path.exists() and not overwrite:
        raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
    return path


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
        raise ValueError(f"unknown decoder '{name}'; there are: {', '.join(DECODERS)}")
    single = {
        key: value for key, value in settings.items() if not (key == "threshold" and isinstance(value, tuple | list))
    }
    return decoder(name, single)


def _cleaned(labels: np.ndarray, smallest: int, holes: bool) -> np.ndarray:
    if smallest:
        labels = remove_small_objects(labels, smallest)
    return relabel_consecutive(fill_holes(labels) if holes else labels)
