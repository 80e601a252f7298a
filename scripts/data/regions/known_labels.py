"""Labels that are known in some boxes only: everywhere else a voxel reads as -1, unknown."""

from collections.abc import Sequence

import numpy as np

from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box, Offset3

UNKNOWN = -1
"""The label of a voxel that nobody has annotated; 0 is background, which somebody has."""
SIGNED = {"bool": "int8", "uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
"""Smallest signed type that holds the ids of an unsigned one and -1; uint64 only where the ids allow."""


class KnownLabels(Volume):
    """A label volume of which only some boxes may be read; a read outside them gives -1 and touches no file.

    Args:
        labels: whole numbers, 0 for background; a signed type may hold -1 for unknown.
        known: boxes of voxels (z, y, x) that count as annotated; None for all.

    Attributes:
        dtype: signed, see `SIGNED`.
        known: the boxes.

    Raises:
        ValueError: labels of real numbers, a box outside; on reading: an id above 2**63 - 1, or one below -1.
    """

    def __init__(self, labels: Volume, known: Sequence[Box] | None = None) -> None:
        stored = np.dtype(labels.dtype)
        if stored.kind not in "bui":
            raise ValueError(
                f"labels {labels.path} are of type {stored}, ids are whole numbers: save instance ids as uint16 or "
                "uint32 (a probability map is no labelling; threshold it and number its objects first)"
            )
        dtype = np.dtype(SIGNED.get(stored.name, stored.name))
        super().__init__(labels.path, labels.shape, dtype, labels.voxel_size_nm)
        self.offset_nm, self.fork_safe = labels.offset_nm, labels.fork_safe
        self.labels, self._stored = labels, stored
        self.known = (Box.whole(self.shape),) if known is None else tuple(known)
        for box in self.known:
            Box.parse(box, self.shape)

    def _read(self, low: Offset3, high: Offset3) -> np.ndarray:
        wanted = Box(low, high)
        pieces = [piece for piece in (wanted.overlap(box) for box in self.known) if piece is not None]
        if pieces == [wanted]:
            return self._checked(wanted)
        block = np.full(wanted.shape, UNKNOWN, self.dtype)
        for piece in pieces:
            block[piece.within(wanted).slices] = self._checked(piece)
        return block

    def _checked(self, box: Box) -> np.ndarray:
        block = self.labels[box.slices]
        if self._stored == np.uint64 and block.max() > np.iinfo(np.int64).max:
            raise ValueError(
                f"labels {self.path} hold the id {block.max()} in box {box}, above {np.iinfo(np.int64).max}, the "
                "largest that training keeps apart; renumber the objects from 1"
            )
        if self._stored.kind == "i" and block.min() < UNKNOWN:
            raise ValueError(
                f"labels {self.path} hold {block.min()} in box {box}; ids are 0 or positive, and -1 is unknown"
            )
        return block.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Let go of the file. A later read opens it again."""
        self.labels.close()
