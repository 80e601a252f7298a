"""The contingency table of two label volumes, counted block by block on workers."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from scripts.blockwise.cluster import DaskWorkers
from scripts.blockwise.result_files import load, save
from scripts.blockwise.workers import Workers
from scripts.data.regions.known_labels import whole_labels
from scripts.data.regions.label_pair import mask_on_truth, on_truth
from scripts.data.volumes.open import open_volume
from scripts.ops.box import Box
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import blocks_of, checked_box, table_of_block

BLOCK = 2**25
"""Voxels of a block: 128 MiB of uint32 for each volume."""
JOB = "tables.json"


def table_on_workers(
    gt: str, pred: str, box: str | None, mask: str | None, border: int, workers: Workers, voxels: int = BLOCK
) -> ContingencyTable:
    """The table of `table_of_volumes`, with blocks counted by workers.

    Args:
        gt, pred, mask: paths, as `open_volume` takes them.
        box, border: as in `table_of_volumes`.
        workers: who counts.
        voxels: of a block, about.

    Raises:
        ValueError: volumes that do not fit together, or a box outside.
        BlockError: a block that cannot be counted.
    """
    files = [os.path.abspath(path) if path else "" for path in (gt, pred, mask)]
    with tempfile.TemporaryDirectory(dir=".", prefix=".tables-") as name:
        folder = Path(name).resolve()
        with _opened(*files) as (truth, segments, inside):
            whole = checked_box(truth, segments, box, inside, border)
            chunk = getattr(truth, "chunks", None) or getattr(segments, "chunks", None) or (1, 1, 1)
        blocks = list(blocks_of(whole, voxels, chunk))
        job = {"files": files, "border": border, "whole": [whole.start, whole.stop]}
        job["blocks"] = [[block.start, block.stop] for block in blocks]
        (folder / JOB).write_text(json.dumps(job))
        if isinstance(workers, DaskWorkers):
            workers.check(folder, [file for file in files if file])
        for _ in workers.run(count_one_block, folder, range(len(blocks))):
            pass
        columns = ("gt", "pred", "counts")
        tables = (ContingencyTable(*load(_table_file(folder, n), *columns)) for n in range(len(blocks)))
        return reduce(add, tables)


def count_one_block(folder: Path, number: int) -> None:
    """Write the table of a block."""
    job = json.loads((folder / JOB).read_text())
    block, whole = _box(job["blocks"][number]), _box(job["whole"])
    with _opened(*job["files"]) as (truth, segments, inside):
        table = table_of_block(truth, segments, block, whole, inside, job["border"])
    save(_table_file(folder, number), gt=table.gt_ids, pred=table.pred_ids, counts=table.counts)


@contextmanager
def _opened(gt: str, pred: str, mask: str) -> Iterator[tuple[Any, Any, Any]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(open_volume(path, cache_mib=32)) for path in (gt, pred, mask) if path]
        truth = whole_labels(opened[0])
        segments = on_truth(whole_labels(opened[1]), truth)
        yield truth, segments, mask_on_truth(opened[2], segments, truth) if mask else None


def _box(edges: list[list[int]]) -> Box:
    (z0, y0, x0), (z1, y1, x1) = edges
    return Box((z0, y0, x0), (z1, y1, x1))


def _table_file(folder: Path, number: int) -> Path:
    return folder / "tables" / f"{number}.arrays"
