"""Keep an unfinished prediction that several processes write, block by block and in any order."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.data.files.open_store import prediction_format
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.ops.box import three_sizes


class PartialBlocks(PartialPrediction):
    """`PartialPrediction` of blocks: each is done when its file in `NAME.partial/done` is there.

    This object is of the process that was started, which holds the lock. Workers write into the store, where no two
    blocks share a chunk, and then the file of the block.

    Args:
        out: the prediction, `.zarr`.
        shape, dtype, settings: as in `PartialPrediction`.
        block: voxels (z, y, x) of a block, multiples of the chunk.
        options: further ones of `PartialPrediction`.

    Raises:
        FileExistsError, BlockingIOError: as `PartialPrediction`.
        ValueError: HDF5, and as `PartialPrediction`.
    """

    unit = "blocks"
    not_stored = ("ome_version", "blocks")

    def __init__(
        self,
        out: str | os.PathLike[str],
        shape: Sequence[int],
        dtype: str,
        settings: Mapping[str, Any],
        block: Sequence[int],
        **options: Any,
    ) -> None:
        if prediction_format(out) != "OME-Zarr":
            raise ValueError(
                f"--out '{os.fspath(out)}': blocks are written side by side, which HDF5 cannot; give a .zarr, or leave "
                "--workers, --scheduler and --blocks out"
            )
        self.block = three_sizes(block, "blocks")
        super().__init__(out, shape, dtype, {**settings, "blocks": self.block}, **options)

    @property
    def total(self) -> int:
        """Blocks of the complete prediction."""
        return math.prod(-(-size // step) for size, step in zip(self.shape, self.block, strict=True))

    def begin(self, channels: int) -> None:
        """Make the store, where there is none, for maps of so many channels."""
        self._store = self._open(channels)

    def waiting(self) -> list[int]:
        """Return the numbers of the blocks that are not done, and count those that are."""
        lacking = [number for number in range(self.total) if not done_file(self.folder, number).exists()]
        self.completed = self.total - len(lacking)
        return lacking

    def _noted(self) -> dict[str, Any]:
        noted = super()._noted()
        return {**noted, "completed": self.total - len(self.waiting()) if noted["settings"] else 0}


def done_file(folder: Path, number: int) -> Path:
    """Return the file that marks a block as done."""
    return folder / "done" / f"{number}.arrays"
