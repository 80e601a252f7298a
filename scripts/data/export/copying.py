"""Copy a volume into a target, block by block, so that a copy that was stopped is continued."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scripts.data.export.pyramid import downsample
from scripts.data.export.target import Target
from scripts.data.files.overwriting import check_overwritten

PROGRESS = "progress.json"


class Readable(Protocol):
    """A (z, y, x) or (channels, z, y, x) array that is read by boxes."""

    def __getitem__(self, key: Any) -> Any: ...


def copy_volume(
    source: Readable,
    target: Target,
    record: Path | None = None,
    progress: Callable[[int], object] | None = None,
    first: int = 0,
) -> None:
    """Fill every level of a target: the finest from the source, each other from the one before it.

    Args:
        source: voxels (z, y, x), or (channels, z, y, x).
        target: where they go.
        record: a file that keeps how many blocks are written; blocks that it counts are not written again.
        progress: is called with the voxels of each block.
        first: level to begin with; those before it are there.
    """
    done = _done(record)
    number = 0
    for level in range(first, len(target.levels)):
        step = target.levels[level].step
        for low, high in target.blocks(level):
            number += 1
            if number > done:
                box = tuple(slice(at, last) for at, last in zip(low, high, strict=True))
                if level == 0:
                    voxels = np.asarray(source[box if target.description.channels is None else (slice(None), *box)])
                else:
                    finer = target.levels[level - 1].shape
                    begin = (low[0] * step[0], low[1] * step[1], low[2] * step[2])
                    end = [min(at * by, size) for at, by, size in zip(high, step, finer, strict=True)]
                    voxels = target.read(level - 1, begin, (end[0], end[1], end[2]))
                    voxels = downsample(voxels, step, target.description.labels)
                target.write(level, low, voxels)
                if record is not None:
                    _note(record, number)
            if progress is not None:
                progress(int(np.prod(np.subtract(high, low))))


@contextmanager
def resumable_folder(path: Path, plan: dict[str, Any], resume: bool, overwrite: bool) -> Iterator[tuple[Path, Path]]:
    """A folder to fill, which becomes `path` when the block ends well and is kept for another try when it does not.

    Args:
        path: the folder in the end.
        plan: what is written, from what; a folder of another plan is not continued.
        resume: continue the folder that an earlier try left.
        overwrite: replace an earlier `path`, and what an earlier try left. A link is followed.

    Yields:
        The folder to fill, and the file for `copy_volume` to keep its progress in.

    Raises:
        FileExistsError: `path` exists, or an earlier try, and neither overwrite nor resume was given.
        ValueError: the earlier try was of another plan, or `path` is no volume and is not replaced.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    partial, replaced = (path.with_name(f".{path.name}.{state}") for state in ("partial", "replaced"))
    record = partial / PROGRESS
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"'{path}' exists and is left as it is; choose another name, or overwrite it (--overwrite)"
        )
    if path.is_file():
        raise ValueError(f"'{path}' is a file and no volume, so it is not overwritten; choose another name")
    check_overwritten(path)
    if partial.exists() and overwrite and not resume:
        shutil.rmtree(partial)
    if partial.exists():
        if not resume:
            raise FileExistsError(
                f"'{path}' was begun and not completed ('{partial}'); continue with --resume, or --overwrite"
            )
        begun = json.loads(record.read_text())["plan"] if record.exists() else None
        if begun != plan:
            raise ValueError(f"'{partial}' was begun with other settings, {begun}; write it anew with --overwrite")
    else:
        partial.mkdir(parents=True)
        record.write_text(json.dumps({"plan": plan, "blocks": 0}))
    yield partial, record
    if replaced.exists():
        shutil.rmtree(replaced)
    if path.exists():  # moved aside, as removing it may take minutes in which a stop would lose both
        os.replace(path, replaced)
    record.unlink()
    os.replace(partial, path)
    shutil.rmtree(replaced, ignore_errors=True)


def _done(record: Path | None) -> int:
    return 0 if record is None else int(json.loads(record.read_text())["blocks"])


def _note(record: Path, blocks: int) -> None:
    content = json.loads(record.read_text()) | {"blocks": blocks}
    written = record.with_suffix(".new")
    written.write_text(json.dumps(content))
    os.replace(written, record)
