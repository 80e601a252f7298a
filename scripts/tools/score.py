"""`python -m scripts score`: score a segmentation against ground truth, every number with its definition."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from scripts import __version__
from scripts.blockwise.cluster import open_workers
from scripts.blockwise.contingency import table_on_workers
from scripts.blockwise.workers import ThisProcess
from scripts.data import Volume, open_volume
from scripts.data.files.prediction_mask import mask_path
from scripts.data.files.swc import read_swc
from scripts.data.regions.known_labels import whole_labels
from scripts.data.regions.label_pair import mask_on_truth, on_truth, shared_box
from scripts.engines.memory_check import check_memory
from scripts.metrics.score_report import as_json, check_free, markdown_table, write_reports
from scripts.ops.box import Box
from scripts.ops.limits import Count, Limits
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import table_of_volumes
from scripts.ops.scoring.expected_run_length import expected_run_length, node_segments
from scripts.ops.scoring.object_errors import ObjectErrors, object_errors
from scripts.ops.scoring.scores import DEFINITIONS, ZERO, Score, all_scores
from scripts.ops.scoring.skeletonize import skeletons_from_labels
from scripts.ops.scoring.skeletons import Skeleton
from scripts.tools.command_line.argument_types import BoxText, Nanometres, OneOf, VoxelSize, Workers, ending

SKELETON_BYTES = 32
"""Of a voxel while skeletons are drawn: labels, their dense numbers, and the largest object's distances."""
_LARGE = 2**27  # voxels from which a progress bar is shown


def score(
    pred: str,
    gt: str,
    *,
    box: BoxText | None = None,
    mask: str | None = None,
    border: Annotated[int, Limits(0, 1000)] = 0,
    definition: Sequence[Annotated[str, OneOf(DEFINITIONS)]] = DEFINITIONS,
    iou: Sequence[Annotated[float, Limits(0, 1, without_low=True)]] = (0.5, 0.75),
    zero: Annotated[str, OneOf(ZERO)] = "background",
    worst: Annotated[int, Limits(0, 10_000)] = 5,
    skeletons: str | None = None,
    merge_threshold: Count | None = None,
    swc_unit_nm: Nanometres = 1.0,
    voxel_size_nm: VoxelSize | None = None,
    threads: Workers = 1,
    workers: Workers | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    out: Annotated[str, ending(".json")] | None = None,
    overwrite: bool = False,
) -> str:
    """Score a segmentation against ground truth.

    Example: python -m scripts score result.h5:labels truth.zarr --box 80:100,:,: --out scores.json

    Volumes are read block by block; memory depends on how many objects overlap, not on the size of the volume.
    Ground truth 0 is never scored by adapted Rand and variation of information; --zero: what it means to the others.

    Args:
        pred: the segmentation: file.h5:dataset, x.zarr, a folder of sections, TIFF, NIfTI or .npy; integers.
        gt: the ground truth; voxels of -1, unknown, are left out of every score. Where its shape differs, one of the
            two states its position in the other, and what both have is scored.
        box: the part to score, z0:z1,y0:y1,x0:x1, in voxels of the ground truth.
        mask: a volume, or nonzero for the image that the segmentation's prediction states; where it is 0 or -1 nothing
            is scored. The segmentation itself: only where something is predicted.
        border: leave out ground truth within this many pixels, in the section, of another object.
        definition: groups of scores, with commas: snemi3d, skimage, plain, voi, ranked, matching, errors.
        iou: thresholds for the scores of instances, with commas.
        zero: ground truth 0 is "background" or "unlabelled" to the scores of instances.
        worst: how many of the worst split objects and merging segments to list by id.
        skeletons: for the expected run length, a folder of SWC files, or "labels" to draw them through the ground truth
            (reads the box into memory).
        merge_threshold: nodes of a skeleton that a segment may hold without counting as following it; by default 0 for
            SWC files, 50 for drawn skeletons, which have a node a voxel and end at the surface.
        swc_unit_nm: nm in a unit of the SWC files: 1000 for micrometres.
        voxel_size_nm: z,y,x, for run lengths where the files do not state it.
        threads: blocks counted at the same time in this process.
        workers: processes on this machine that count blocks; segments under skeletons are looked up in this process.
        scheduler: address of a dask scheduler, such as tcp://head:8786, whose workers see the same files.
        scheduler_file: the file that such a scheduler wrote.
        out: a .json file; a .md file of the same name is written beside it.
        overwrite: replace files that are there.
    """
    path = None if out is None else _free_path(out, overwrite)
    all_scores(ContingencyTable.empty(), definitions=definition, iou=iou, zero=zero)  # checks the options
    mask = None if mask is None else mask_path(mask, pred)
    begin = time.perf_counter()
    with (
        whole_labels(open_volume(gt, voxel_size_nm=voxel_size_nm, cache_mib=32)) as truth,
        whole_labels(open_volume(pred, cache_mib=32)) as stored,
    ):
        segments = on_truth(stored, truth)
        whole = shared_box(box, segments, truth)
        with open_workers(workers, scheduler, scheduler_file) as counting:
            if isinstance(counting, ThisProcess):
                table = _table(truth, segments, whole, mask, border, threads)
            else:
                table = table_on_workers(gt, pred, str(whole), mask, border, counting)
        scores = all_scores(table, definitions=definition, iou=iou, zero=zero)
        if skeletons is not None:
            scores += _run_length(truth, segments, whole, skeletons, swc_unit_nm, merge_threshold)
    errors = object_errors(table, worst=worst)
    about: dict[str, Any] = {
        "prediction": pred,
        "ground_truth": gt,
        "box": str(whole),
        "mask": mask,
        "border": border,
        "zero": zero,
        "overlaps": len(table),
        "seconds": round(time.perf_counter() - begin, 3),
        "version": __version__,
    }
    head = [f"{name}: {value}" for name, value in about.items() if value is not None]
    remarks = [*_of_one_id(gt, table.gt.ids), *_of_one_id(pred, table.pred.ids)]
    text = "\n".join(["  \n".join(head), "", markdown_table(scores), *remarks, *_worst(errors)])
    if path is not None:
        offenders = {
            name: [asdict(offender) for offender in getattr(errors, name)] for name in ("worst_splits", "worst_merges")
        }
        write_reports(path, text + "\n", as_json(scores, {**about, **offenders}))
        text += f"\n\nwritten: {path}, {path.with_suffix('.md')}"
        text += f"\nlook at the errors: python -m scripts view IMAGE --instances {pred} --truth {gt} --scores {path}"
    return text


def _of_one_id(path: str, ids: Iterable[Any]) -> list[str]:
    """A remark on a volume of a single object, such as a mask whose objects were never numbered."""
    objects = [int(number) for number in ids if number > 0]
    if len(objects) != 1:
        return []
    return ["", f"note: every object of {path} has the id {objects[0]}: if it is a mask, number its objects first"]


def _table(gt: Volume, pred: Volume, box: Box, mask: str | None, border: int, threads: int) -> ContingencyTable:
    from tqdm import tqdm

    inside = None if mask is None else mask_on_truth(open_volume(mask, cache_mib=32), pred, gt)
    quiet = box.voxels < _LARGE or not sys.stderr.isatty()
    try:
        with tqdm(total=box.voxels, unit="voxel", unit_scale=True, desc="counting", disable=quiet) as bar:
            return table_of_volumes(gt, pred, box=box, mask=inside, border=border, threads=threads, progress=bar.update)
    finally:
        if inside is not None:
            inside.close()


def _run_length(
    gt: Volume, pred: Volume, box: Box, source: str, unit_nm: float, merge_threshold: int | None
) -> list[Score]:
    size = gt.voxel_size_nm or pred.voxel_size_nm
    if size is None:
        raise ValueError(
            f"neither {gt.path} nor {pred.path} states its voxel size, and run lengths are in nm; "
            "give --voxel_size_nm 30,6,6, for example"
        )
    if merge_threshold is None:
        merge_threshold = 50 if source == "labels" else 0
    drawn = _skeletons(gt, box, source, unit_nm, size)
    found = expected_run_length(drawn, node_segments(drawn, pred, size, box=box), merge_threshold=merge_threshold)
    origin = "drawn through the ground truth" if source == "labels" else source
    definition = f"{found.definition}; {len(drawn)} skeletons: {origin}"
    return [
        Score("erl_nm", found.erl_nm, "higher", definition),
        Score("erl_perfect_nm", found.perfect_nm, "", definition),
        Score("nerl", found.nerl, "higher", definition),
        Score("erl_merging_segments", len(found.merging), "lower", definition),
        Score("erl_split_edges", found.split_edges, "lower", definition),
    ]


def _skeletons(gt: Volume, box: Box, source: str, unit_nm: float, size: Sequence[float]) -> list[Skeleton]:
    if source == "labels":
        check_memory(
            "score with --skeletons labels", box.shape, SKELETON_BYTES, lambda z, y, x: _smaller(box, (z, y, x))
        )
        corner = [low * nm for low, nm in zip(box.start, size, strict=True)]
        return [
            Skeleton(one.id, one.nodes_nm + corner, one.edges)
            for one in skeletons_from_labels(_known(gt[box.slices]), size)
        ]
    files = sorted(Path(source).glob("*.swc"))
    if not files:
        raise ValueError(f"no .swc files in {source}; give their folder, or --skeletons labels to draw them")
    return [read_swc(file, unit_nm) for file in files]


def _smaller(box: Box, shape: tuple[int, int, int]) -> str:
    """The option for a box of this shape at the corner of another; SWC files need no box in memory."""
    stop = tuple(low + size for low, size in zip(box.start, shape, strict=True))
    return f"--box {Box(box.start, (stop[0], stop[1], stop[2]))}, or give SWC files"


def _known(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels with 0 for -1, unknown."""
    return np.where(labels == -1, 0, labels) if labels.dtype.kind == "i" else labels


def _worst(errors: ObjectErrors) -> list[str]:
    lines = []
    for title, offenders in (
        ("worst split objects (ground-truth id: segments)", errors.worst_splits),
        ("worst merging segments (predicted id: objects)", errors.worst_merges),
    ):
        if offenders:
            lines += ["", f"{title}:", ""]
        for one in offenders:
            pieces = ", ".join(f"{other} ({voxels})" for other, voxels in one.pieces[:5])
            more = f", and {one.count - 5} more" if one.count > 5 else ""
            lines.append(f"- {one.id}: {one.bits:.4f} bits, {one.voxels} voxels in {pieces}{more}")
    return lines


def _free_path(out: str, overwrite: bool) -> Path:
    path = Path(out)
    for file in (path, path.with_suffix(".md")):
        check_free(file, overwrite)
    return path
