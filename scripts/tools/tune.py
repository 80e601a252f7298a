"""`python -m scripts tune`: find the best setting of a decoder on a validation box, with the whole table and a plot."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from scripts.blockwise.cluster import open_workers
from scripts.blockwise.memory import decoding_gib
from scripts.blockwise.setting_scores import DecodeAndScore, scores_on_workers
from scripts.data import open_volume
from scripts.data.files.prediction_mask import checked_mask
from scripts.data.files.predictions import open_prediction
from scripts.data.files.replacing import replacing
from scripts.engines.memory_check import GIB, check_memory
from scripts.metrics.decoder_grid import SearchTable, check_boxes, grid, search
from scripts.ops.box import Box
from scripts.ops.decoding.decoders import decoder as made_decoder
from scripts.ops.limits import Fraction
from scripts.ops.scoring.scores import directed_scores
from scripts.tools.command_line.argument_types import BoxText, OneOf, Workers
from scripts.tools.command_line.decoder_options import DecoderName, DecoderOptions
from scripts.tools.decoder_metadata import choose_offsets, warn_of_offsets


def tune(
    pred: str,
    gt: str,
    decoder: DecoderName,
    out: str,
    *,
    box: BoxText,
    test_box: BoxText | None = None,
    mask: Sequence[Fraction] | str | None = None,
    metric: Annotated[str, OneOf(directed_scores())] = "adapted_rand_snemi3d",
    workers: Workers | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    overwrite: bool = False,
    **choices: Annotated[Any, DecoderOptions()],
) -> str:
    """Decode the validation box with every combination of settings, and score each against ground truth.

    Example: python -m scripts tune pred.h5 truth.h5:labels --decoder zwatershed --out search --box 0:20,:,:
    --low 0.05,0.1 --high 0.9,0.98

    Finished settings are kept in OUT/search.jsonl; the same command resumes where it was stopped. Of equal settings
    the first is taken. Run on the box kept for validation; name the test box, and a search that touches it is refused.

    Args:
        pred: the prediction, (channels, z, y, x).
        gt: instance labels of the same volume; voxels of -1, unknown, are not scored.
        decoder: its name, as in `decode`.
        out: a folder for search.jsonl, search.md and search.png.
        box: the validation box, z0:z1,y0:y1,x0:x1.
        test_box: the box that must not be seen.
        mask: a volume, or nonzero for the image that the prediction states; where it is 0 nothing is decoded or scored.
            Numbers are values of the setting of that name of binary, bc and bcd.
        metric: what decides.
        workers: processes on this machine, each of which decodes one setting at a time; the table is the same.
        scheduler: address of a dask scheduler, such as tcp://head:8786, whose workers see the same files.
        scheduler_file: the file that such a scheduler wrote.
        overwrite: start anew where a search has been recorded.
        choices: values to try of each setting, with commas.

    Returns:
        The table, the best row marked.

    Raises:
        MemoryError: the box, times the workers, does not fit into memory.
        ValueError: overlapping boxes, an unknown metric, decoder or setting, shapes that differ.
    """
    if not isinstance(mask, str | None):
        mask, choices = None, {**choices, "mask": mask}
    if mask is not None:
        mask = checked_mask(mask, pred)
    settings = grid(choices)
    offsets = choose_offsets(pred, decoder, dict(settings[0])).get("offsets")
    if offsets is not None:
        settings = [{"offsets": offsets, **setting} for setting in settings]
    for setting in settings:
        made_decoder(decoder, setting)
    with open_volume(gt, cache_mib=8) as volume:
        part = Box.parse(box, volume.shape)
        check_boxes(part, None if test_box is None else Box.parse(test_box, volume.shape))
    with open_prediction(pred) as opened:
        voxel = decoding_gib(decoder, (1, 1, 1), opened.shape[0], opened.dtype.itemsize) * GIB
    check_memory(f"tune {decoder}", part.shape, voxel, partial(_smaller_box, part), workers or 1)
    score = DecodeAndScore(pred, gt, decoder, str(part), mask)
    warn_of_offsets(score.read()[0], decoder, settings[0])
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "search.jsonl"
    if overwrite:
        record.unlink(missing_ok=True)

    def searched(spread: Any = None) -> SearchTable:
        better = directed_scores()[metric]
        subject = f"{pred} {gt} {decoder} {part}" + ("" if mask is None else f" {mask}")
        return search(settings, score, metric, lower_is_better=better, record=record, subject=subject, spread=spread)

    if workers is None and scheduler is None and scheduler_file is None:
        table = searched()
    else:
        with open_workers(workers, scheduler, scheduler_file) as pool:
            table = searched(partial(scores_on_workers, score, pool))
    with replacing(folder / "search.md", overwrite=True) as unfinished:
        unfinished.write_text(table.markdown())
    table.plot(folder / "search.png")
    return f"{table.markdown()}\n{folder}/search.md, search.png, search.jsonl"


def _smaller_box(box: Box, *size: int) -> str:
    """Return the option for a box of that size at the start of `box`."""
    stop = [first + extent for first, extent in zip(box.start, size, strict=True)]
    return f"--box {','.join(f'{first}:{last}' for first, last in zip(box.start, stop, strict=True))}"
