"""Labels that are known in some boxes only: everywhere else a voxel reads as -1, unknown."""

from collections.abc import Sequence

import numpy as np

from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box, Offset3

UNKNOWN = -1
"""The label of an unlabelled voxel; 0 is background, which is a label."""
LARGEST_WHOLE = {"float16": 2**11, "float32": 2**24, "float64": 2**53}
"""Largest number up to which a real type holds every whole number, so that two ids stay apart."""
SIGNED = {"bool": "int8", "uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}
"""Smallest signed type for the ids of an unsigned one and -1; uint64 only where the ids allow."""


class KnownLabels(Volume):
    """A label volume of which only some boxes may be read; a read outside them returns -1 and reads no file.

    Args:
        labels: whole numbers of any type, 0 for background; -1 is unknown, where the type can hold it.
        known: boxes of voxels (z, y, x) that count as annotated; None for all.

    Attributes:
        dtype: signed, see `SIGNED`.
        known: the boxes.

    Raises:
        ValueError: a box outside; on reading: a fraction or not a number, an id above 2**63 - 1 (above 2**24 as
            float32), or one below -1.

    Example:
        >>> labels = ArrayVolume(np.array([[[5, 5, 7]]], np.uint8))
        >>> KnownLabels(labels, [Box((0, 0, 0), (1, 1, 2))])[...].tolist()
        [[[5, 5, -1]]]
    """

    def __init__(self, labels: Volume, known: Sequence[Box] | None = None) -> None:
        stored = np.dtype(labels.dtype)
        real = {"float16": "int32", "float32": "int32", "float64": "int64"}
        dtype = np.dtype((SIGNED | real).get(stored.name, stored.name))
        super().__init__(labels.path, labels.shape, dtype, labels.voxel_size_nm)
        self.offset_nm, self.offset, self.fork_safe = labels.offset_nm, labels.offset, labels.fork_safe
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
        if self._stored.kind == "f":
            self._check_whole(block, box)
        if self._stored == np.uint64 and block.max() > np.iinfo(np.int64).max:
            raise ValueError(
                f"labels {self.path} hold the id {block.max()} in box {box}, above {np.iinfo(np.int64).max}, the "
                "largest that training keeps apart; renumber the objects from 1"
            )
        if self._stored.kind in "if" and block.min() < UNKNOWN:
            raise ValueError(
                f"labels {self.path} hold {block.min()} in box {box}; ids are 0 or positive, and -1 is unknown"
            )
        return block.astype(self.dtype, copy=False)

    def _check_whole(self, block: np.ndarray, box: Box) -> None:
        most = LARGEST_WHOLE[self._stored.name]
        wrong = ~((block == np.rint(block)) & (np.abs(block) <= most))  # also true for NaN
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            place = tuple(first + i for first, i in zip(box.start, at, strict=True))
            raise ValueError(
                f"labels {self.path} hold {block[at]:g} at (z, y, x) = {place}; ids are whole numbers, up to {most:,} "
                f"in {self._stored}: save instance ids as uint16 or uint32 (a probability map is no labelling; "
                "threshold it and number its objects first)"
            )

    def remarks(self) -> list[str]:
        """Those of the label volume."""
        return self.labels.remarks()

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self.labels.close()


def whole_labels(labels: Volume) -> Volume:
    """Labels of a real type as whole numbers, checked as they are read; others as they are."""
    return KnownLabels(labels) if labels.dtype.kind == "f" else labels
