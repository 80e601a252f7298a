"""Find sections that are blank or lack texture, while they are read for the network."""

import numpy as np

from scripts.ops.section_quality.measures import missing_sections


class SectionStatistics:
    """Sums over each section of a box, collected block by block.

    Args:
        first: number of the box's first section in the volume.
        sections: of the box.
    """

    def __init__(self, first: int, sections: int) -> None:
        self.first = first
        self._low, self._high = np.full(sections, np.inf), np.full(sections, -np.inf)
        self._sums = np.zeros((3, sections))

    def add(self, section: int, grey: np.ndarray) -> None:
        """Add a block (z, y, x) that begins at `section` of the box; each voxel once."""
        rows = slice(section, section + len(grey))
        flat = grey.reshape(len(grey), -1)
        self._low[rows] = np.minimum(self._low[rows], flat.min(1))
        self._high[rows] = np.maximum(self._high[rows], flat.max(1))
        grey = flat.astype(np.float32)
        squares = np.einsum("ij,ij->i", grey, grey, dtype=np.float64)
        self._sums[:, rows] += [np.full(len(flat), flat.shape[1]), grey.sum(1, dtype=np.float64), squares]

    def sums(self) -> dict[str, np.ndarray]:
        """Return the sums of all sections by name, for `merge`."""
        return {"low": self._low, "high": self._high, "sums": self._sums}

    def merge(self, section: int, low: np.ndarray, high: np.ndarray, sums: np.ndarray) -> None:
        """Add the `sums` of sections from `section` on, of other voxels."""
        rows = slice(section, section + len(low))
        self._low[rows] = np.minimum(self._low[rows], low)
        self._high[rows] = np.maximum(self._high[rows], high)
        self._sums[:, rows] += sums

    def findings(self) -> list[str]:
        """Return a line for each section that is blank, or has less than a tenth of the usual contrast."""
        seen = np.flatnonzero(self._sums[0])
        count, total, squares = self._sums[:, seen]
        deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
        blank = self._low[seen] == self._high[seen]
        deviation[blank] = 0
        lines = []
        for place in np.flatnonzero(blank | missing_sections(deviation)):
            section = int(seen[place])
            grey = self._low[section]
            what = (
                f"blank, every voxel is {grey:g}" if blank[place] else f"no texture, deviation {deviation[place]:.2g}"
            )
            lines.append(f"section {self.first + section}: {what}; the prediction there is meaningless")
        return lines
