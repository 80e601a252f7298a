"""Read a volume once, section by section, and keep the statistics of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from scripts.data.regions.known_labels import UNKNOWN, KnownLabels
from scripts.data.volumes import Volume
from scripts.ops.box import Box
from scripts.ops.section_quality.findings import Finding, label_findings, section_findings
from scripts.ops.section_quality.measures import (
    WINDOW,
    SectionStatistics,
    displacement,
    likeness,
    section_statistics,
    texture,
)

SLAB_BYTES = 2**28
"""At most so much is read at a time, where chunks span many sections; at least one section."""
Look = Callable[[int, NDArray], None]
"""Called with the number and the voxels of each section in turn."""
SMALLEST_TEXTURE = 32
"""Pixels along y and x below which sections are not compared: too few to distinguish chance from similarity."""


@dataclass(frozen=True)
class GreySurvey:
    """Measures of each section of a box, and what stands out. Sections are numbered as in the volume."""

    first: int
    statistics: list[SectionStatistics]
    findings: list[Finding]

    def column(self, name: str) -> NDArray[np.float64]:
        """One measure of all sections."""
        return np.array([getattr(row, name) for row in self.statistics])


@dataclass(frozen=True)
class LabelSurvey:
    """Ids with their numbers of voxels in a box, and for each section the number of ids, the share of background (0)
    and of unknown voxels (-1)."""

    first: int
    ids: NDArray[np.uint64]
    voxels: NDArray[np.int64]
    ids_of_section: NDArray[np.int64]
    background: NDArray[np.float64]
    unknown: NDArray[np.float64]
    findings: list[Finding]


def survey_grey(volume: Volume, box: Box, look: Look | None = None) -> GreySurvey:
    """Measure the sections of a grey-value volume, which need not fit in memory.

    Raises:
        ValueError: values that are not finite; names the section.
    """
    statistics: list[SectionStatistics] = []
    last: list[NDArray[np.complex64]] = []
    near, far, moved = [], [], []
    width = min(box.shape[2], WINDOW)
    for z, section in _sections(volume, box, look):
        try:
            statistics.append(section_statistics(section))
        except ValueError as error:
            raise ValueError(f"{volume.path}: section {z}: {error}; fix or crop the volume") from None
        if min(section.shape) >= SMALLEST_TEXTURE:
            last.append(texture(section))
        if len(last) > 1:
            near.append(likeness(last[-2], last[-1], width))
            moved.append(displacement(last[-2], last[-1], width))
        if len(last) > 2:
            far.append(likeness(last[-3], last[-1], width))
        last = last[-2:]
    n = len(statistics)
    unknown = (np.full(max(n - 1, 0), np.nan), np.full(max(n - 2, 0), np.nan), np.full((max(n - 1, 0), 3), np.nan))
    measured = (np.array(near), np.array(far), np.array(moved).reshape(-1, 3)) if last else unknown
    return GreySurvey(box.start[0], statistics, section_findings(statistics, *measured, first=box.start[0]))


def survey_labels(volume: Volume, box: Box, look: Look | None = None) -> LabelSurvey:
    """Count the ids of a label volume; 0 is background, -1 is unknown.

    Raises:
        ValueError: labels that are not whole numbers, or below -1.
    """
    if volume.dtype.kind not in "bu":
        volume = KnownLabels(volume)
    total: dict[int, int] = {}
    background, unknown, counts, same = [], [], [], []
    before: NDArray | None = None
    for _, section in _sections(volume, box, look):
        known = section if section.dtype.kind in "bu" else section[section != UNKNOWN]
        unknown.append(1 - known.size / section.size)
        ids, voxels = _unique(known)
        for label, count in zip(ids.tolist(), voxels.tolist(), strict=True):
            total[label] = total.get(label, 0) + count
        empty = int(voxels[0]) if ids.size and ids[0] == 0 else 0
        background.append(empty / section.size)
        counts.append(ids.size - (empty > 0))
        same.append(before is not None and np.array_equal(before, section) and empty < section.size)
        before = section
    total.pop(0, None)
    findings = label_findings(np.array(background), np.array(same), box.start[0])
    ids = np.array(sorted(total), dtype=np.uint64)
    voxels = np.array([total[label] for label in ids.tolist()], dtype=np.int64)
    return LabelSurvey(box.start[0], ids, voxels, np.array(counts), np.array(background), np.array(unknown), findings)


def _sections(volume: Volume, box: Box, look: Look | None) -> Iterator[tuple[int, NDArray]]:
    """(number, section) of a box; whole layers of chunks are read at once where they fit in `SLAB_BYTES`."""
    (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
    bytes_each = (y1 - y0) * (x1 - x0) * volume.dtype.itemsize
    depth = max(1, min(getattr(volume, "chunks", (1,))[0], SLAB_BYTES // max(bytes_each, 1)))
    with tqdm(total=z1 - z0, desc="reading", unit="section", disable=None, leave=False) as bar:
        low = z0
        while low < z1:
            high = min(z1, low - low % depth + depth)
            slab = volume[low:high, y0:y1, x0:x1]
            for z in range(low, high):
                if look is not None:
                    look(z, slab[z - low])
                yield z, slab[z - low]
                bar.update()
            low = high


def _unique(section: NDArray) -> tuple[NDArray, NDArray]:
    """Sorted ids and their counts; by counting where ids are small, which is ten times faster than sorting."""
    if not section.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if section.dtype.kind == "b" or section.max() <= 4 * section.size:
        counts = np.bincount(section.ravel().astype(np.int64, copy=False))
        ids = np.flatnonzero(counts)
        return ids, counts[ids]
    return np.unique(section, return_counts=True)
