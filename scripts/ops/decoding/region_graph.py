"""Which segments touch, and the affinities between them: one row per touching pair."""

from dataclasses import dataclass

import numpy as np

from scripts.ops.decoding.face_scan import collect_bins, index_pairs, scan_faces

FLOAT_UNIT = 2**24
"""Float affinities are summed in steps of 1 / 2^24, each rounded once; uint8 in steps of 1 / 255."""


@dataclass(frozen=True)
class RegionGraph:
    """Touching pairs of segments. A face is a pair of neighbouring voxels that belong to the two segments.

    Nothing here depends on the order in which faces are met: the sums are integers. Rows of one pair from different
    parts of a volume add up (the largest of `largest` and `last`, the sum of `total` and `faces`).

    Attributes:
        first, second: the two ids of each pair, first < second, neither 0.
        largest: the largest affinity of the border, in the affinities' own numbers and dtype.
        total: int64 sum of the affinities over the faces, in steps of 1 / unit.
        faces: int64 or uint32, how many faces the border has.
        last: int64, the last face: 3 * linear index of its upper voxel + its axis (z 0, y 1, x 2).
        unit: 255 or `FLOAT_UNIT`.
    """

    first: np.ndarray
    second: np.ndarray
    largest: np.ndarray
    total: np.ndarray
    faces: np.ndarray
    last: np.ndarray
    unit: int

    @property
    def pairs(self) -> int:
        """Number of touching pairs."""
        return int(self.first.size)


@dataclass(frozen=True)
class Place:
    """Where an array is in its volume, and which of its faces count.

    Attributes:
        start: (z, y, x) the first voxel whose faces to the voxel before it count; voxels before are neighbours only.
        corner: (z, y, x) of the array's first voxel in the volume.
        shape: (z, y, x) of the volume.
    """

    start: tuple[int, int, int]
    corner: tuple[int, int, int]
    shape: tuple[int, int, int]


def region_graph(segments: np.ndarray, affinities: np.ndarray, place: Place | None = None) -> RegionGraph:
    """Gather the faces of every touching pair; the pairs come in the order in which a scan meets them.

    Args:
        segments: (z, y, x) ids below 2^32, 0 is background.
        affinities: (3, z, y, x) in the form of `NEAREST`, float32 or uint8.
        place: of a block in its volume; by default the array is the volume.

    Raises:
        ValueError: an id of 2^32 or more.
    """
    return _graph(segments, affinities, -1.0, 4, place)


def largest_affinities(
    segments: np.ndarray, affinities: np.ndarray, above: float, place: Place | None = None
) -> RegionGraph:
    """As `region_graph`, without `total`, `faces` and `last` (which stay empty).

    Args:
        segments, affinities, place: as in `region_graph`.
        above: faces of an affinity <= `above`, in the affinities' own numbers, are no contact (Zlateski & Seung 2015
            leave out those <= low); -1 takes all faces.
    """
    return _graph(segments, affinities, above, 2, place)


def border_values(
    segments: np.ndarray, affinities: np.ndarray, graph: RegionGraph, place: Place | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Every face's affinity as a histogram bin 0..255, grouped by pair: (bins, pairs + 1 starts of the groups).

    Bin of an affinity a is floor(256 a), at most 255; of a uint8 value itself.
    """
    starts = np.zeros(graph.pairs + 1, dtype=np.int64)
    np.cumsum(graph.faces, out=starts[1:])
    bins = np.empty(int(starts[-1]), dtype=np.uint8)
    rows = np.empty((graph.pairs, 1), dtype=np.uint64)
    rows[:, 0] = graph.first.astype(np.uint64) << np.uint64(32) | graph.second.astype(np.uint64)
    slots = index_pairs(rows, graph.pairs, graph.pairs)
    scale = 1 if affinities.dtype == np.uint8 else 256
    start = np.array((0, 0, 0) if place is None else place.start)
    collect_bins(segments, affinities, scale, rows, slots, starts[:-1].copy(), bins, start)
    return bins, starts


def _graph(
    segments: np.ndarray, affinities: np.ndarray, above: float, columns: int, place: Place | None
) -> RegionGraph:
    if segments.dtype.itemsize == 8 and segments.max(initial=0) >= 2**32:
        raise ValueError(f"segment id {segments.max()} does not fit 32 bits; relabel consecutively first")
    room = 512 + min(6 * int(segments.max(initial=0)), segments.size // 2)
    z, y, x = segments.shape
    place = place or Place((0, 0, 0), (0, 0, 0), (z, y, x))
    where = np.array([place.start, place.corner, place.shape])
    rows = scan_faces(segments, affinities, _bits(affinities), float(above), _steps(affinities), room, columns, where)
    nothing = np.empty(0, dtype=np.int64)
    return RegionGraph(
        first=(rows[:, 0] >> np.uint64(32)).astype(segments.dtype),
        second=(rows[:, 0] & np.uint64(2**32 - 1)).astype(segments.dtype),
        largest=_affinities_of((rows[:, 1] >> np.uint64(32)).astype(np.uint32), affinities.dtype),
        total=rows[:, 2].astype(np.int64) if columns == 4 else nothing,
        faces=(rows[:, 1] & np.uint64(2**32 - 1)).astype(np.int64) if columns == 4 else nothing,
        last=rows[:, 3].astype(np.int64) if columns == 4 else nothing,
        unit=255 if affinities.dtype == np.uint8 else FLOAT_UNIT,
    )


def _steps(affinities: np.ndarray) -> float:
    """What an affinity is multiplied with to be counted: 1 for uint8."""
    return 1.0 if affinities.dtype == np.uint8 else float(FLOAT_UNIT)


def _bits(affinities: np.ndarray) -> np.ndarray:
    """Integers in the order of the affinities: floats >= 0 sort as their bits."""
    return affinities if affinities.dtype == np.uint8 else affinities.view(np.uint32)


def _affinities_of(bits: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return bits.astype(np.uint8) if dtype == np.uint8 else bits.view(np.float32)
