"""The affinities of all faces of a border, poolable: short lists of bins until a histogram is smaller."""

import numba
import numpy as np

DENSE = 1024
"""A border with more faces than this keeps a histogram of 256 counts instead of the list of its faces' bins."""
SHARES = 10**8
"""A percentage is kept as a whole number of these parts of the faces, so that counts compare exactly."""


def quantile_share(percent: float) -> int:
    """A percentage of the faces, 0 for the mean, in parts of `SHARES`."""
    return round(percent * SHARES / 100)


@numba.njit(cache=True, nogil=True, inline="always")
def mean_score(total, faces, unit):  # type: ignore[no-untyped-def]
    """1 - mean affinity, rounded once: a quotient of two whole numbers (exact below 2^53: 2^29 faces of floats)."""
    most = faces * unit
    return (most - total) / most


@numba.njit(cache=True, nogil=True, inline="always")
def bin_score(b):  # type: ignore[no-untyped-def]
    """1 - the centre of a bin."""
    return 1 - (b + 0.5) / 256


@numba.njit(cache=True, nogil=True)
def scores_below(total, faces, unit, bins, starts, share, limit):  # type: ignore[no-untyped-def]
    """Borders of a score below the limit, their scores (1 - mean affinity where `share` is 0, else 1 - that quantile),
    and for quantiles the bins of all borders."""
    below = np.empty(faces.size, dtype=np.uint32)
    score = np.empty(faces.size, dtype=np.float64)
    bin_of = np.empty(faces.size if share else 0, dtype=np.uint8)
    histogram = np.zeros(256, dtype=np.int64)
    count = 0
    for e in range(faces.size):
        if share == 0:
            score[count] = mean_score(total[e], np.int64(faces[e]), unit)
        else:
            histogram[:] = 0
            for i in range(starts[e], starts[e + 1]):
                histogram[bins[i]] += 1
            bin_of[e] = _quantile_bin(histogram, np.int64(faces[e]), share)
            score[count] = bin_score(bin_of[e])
        if score[count] < limit:
            below[count] = e
            count += 1
    return below[:count], score[:count], bin_of


@numba.njit(cache=True, nogil=True)
def _quantile_bin(histogram, faces, share):  # type: ignore[no-untyped-def]
    """The lowest bin at or below which `share` of the faces lie."""
    seen = 0
    for b in range(256):
        seen += histogram[b]
        if SHARES * seen >= share * faces:
            return b
    return 255


# Pools of faces: a border's bins are a chain of the original borders poured into it, until they are many enough for a
# histogram of their own. pool = (next in chain, last in chain, row of the histogram or -1, histograms, [rows used]).
@numba.njit(cache=True, nogil=True)
def new_pool(edges, faces, share):  # type: ignore[no-untyped-def]
    """An empty pool for `edges` borders of `faces` faces in all; nothing is kept where `share` is 0 (the mean)."""
    kept = edges if share else 0
    rows = faces // DENSE + 1
    return (
        np.full(kept, -1, dtype=np.int32),
        np.arange(kept).astype(np.int32),
        np.full(kept, -1, dtype=np.int32),
        np.zeros((rows, 256), dtype=np.int64),
        np.zeros(1, dtype=np.int64),
    )


@numba.njit(cache=True, nogil=True)
def _count_chain(pool, bins, starts, border, histogram):  # type: ignore[no-untyped-def]
    while border >= 0:
        for i in range(starts[border], starts[border + 1]):
            histogram[bins[i]] += 1
        border = pool[0][border]


@numba.njit(cache=True, nogil=True)
def pour(pool, bins, starts, source, into, faces):  # type: ignore[no-untyped-def]
    """Pour the faces of border `source` into `into`; `faces` is how many they have together."""
    following, last, row, histograms, rows = pool
    if faces <= DENSE:
        following[last[into]] = source
        last[into] = last[source]
        return
    if row[into] < 0 and row[source] >= 0:
        row[into] = row[source]
        _count_chain(pool, bins, starts, into, histograms[row[into]])
        return
    if row[into] < 0:
        row[into] = rows[0]
        rows[0] += 1
        _count_chain(pool, bins, starts, into, histograms[row[into]])
    if row[source] >= 0:
        histograms[row[into]] += histograms[row[source]]
    else:
        _count_chain(pool, bins, starts, source, histograms[row[into]])


@numba.njit(cache=True, nogil=True)
def pooled_bin(pool, bins, starts, border, faces, share):  # type: ignore[no-untyped-def]
    """The bin of the quantile at `share` of the affinities of all `faces` faces poured into `border`."""
    if pool[2][border] >= 0:
        return _quantile_bin(pool[3][pool[2][border]], faces, share)
    histogram = np.zeros(256, dtype=np.int64)
    _count_chain(pool, bins, starts, border, histogram)
    return _quantile_bin(histogram, faces, share)


@numba.njit(cache=True, nogil=True)
def pooled_values(pool, bins, starts, borders, faces):  # type: ignore[no-untyped-def]
    """The bins of all faces poured into each of `borders`, ascending within one: (bins, starts)."""
    found_starts = np.zeros(borders.size + 1, dtype=np.int64)
    for i in range(borders.size):
        found_starts[i + 1] = found_starts[i] + faces[borders[i]]
    found = np.empty(found_starts[-1], dtype=bins.dtype)
    histogram = np.zeros(256, dtype=np.int64)
    for i in range(borders.size):
        if pool[2][borders[i]] >= 0:
            histogram[:] = pool[3][pool[2][borders[i]]]
        else:
            histogram[:] = 0
            _count_chain(pool, bins, starts, borders[i], histogram)
        position = found_starts[i]
        for b in range(256):
            found[position : position + histogram[b]] = b
            position += histogram[b]
    return found, found_starts
