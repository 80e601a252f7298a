"""Painting the membranes of one section of the synthetic volume, and the labels that follow from them."""

import numpy as np
from numba import njit

from scripts.data.synthetic.territories import NEAR, REACH_NM

MEMBRANE_NM = 9.0
"""Voxels nearer than this to the border of two neurites are labelled 0, more where the border is cut obliquely."""
LEAFLET_NM = 8.0
"""From the border to the middle of the dark line on either side of it."""
DEEP_NM = np.float32(75.0)
"""Beyond this depth, the depth of a voxel makes no difference."""
MOST = 12
"""Neurites that can meet in one cell of nodes."""
CYTOPLASM, MEMBRANE, MYELIN = np.float32(152.0), np.float32(74.0), np.float32(38.0)
"""Grey of the cytoplasm, how much darker a membrane is, and grey of myelin."""


@njit(cache=True, nogil=True)
def _all_inside(far: np.ndarray, count: int) -> bool:
    """Whether at all four corners the first neurite is so much nearer that no border is within DEEP_NM."""
    for k in range(1, count):
        for corner in range(4):
            if far[k, corner] - far[0, corner] < 2 * DEEP_NM:  # two distances differ by at most 2 nm a nm
                return False
    return True


@njit(cache=True, nogil=True)
def paint_territories(
    numbers: np.ndarray,
    distances: np.ndarray,
    slopes: np.ndarray,
    stride: int,
    pixel_nm: float,
    thickness_nm: float,
    grey: np.ndarray,
    sheath: np.ndarray,
    image: np.ndarray,
    labels: np.ndarray,
    territory: np.ndarray,
    depth: np.ndarray,
) -> None:
    """Assign each voxel of a section to the nearest neurite, and draw the membranes between them.

    Between nodes the distances to the tubes are interpolated. With F the second distance minus the first, the border is
    F / |grad F| away within the section; F's slope along z smears it over thickness x |F_z| / |grad F|.

    Args:
        numbers, distances, slopes: (Y, X, NEAR) of the nodes (`near_tubes`).
        stride, pixel_nm, thickness_nm: voxels between nodes, size of a voxel in the section, thickness of the section.
        grey: (neurites + 1,) of the cytoplasm.
        sheath: (neurites + 1,) nm of myelin, labelled 0.
        image: (Y, X) float32, out.
        labels: (Y, X) uint32, out: neurite, 0 on membranes.
        territory: (Y, X) int32, out: neurite, membranes too.
        depth: (Y, X) float32, out: nm from the border, within the section.
    """
    height, width = image.shape
    number = np.zeros(MOST, np.int32)
    far = np.zeros((MOST, 4), np.float32)
    lean = np.zeros(MOST, np.float32)
    scale = 1.0 / (stride * pixel_nm)
    for j in range(numbers.shape[0] - 1):
        for i in range(numbers.shape[1] - 1):
            count = 0
            for corner in range(4):
                cj, ci = j + corner // 2, i + corner % 2
                for k in range(NEAR):
                    if numbers[cj, ci, k] == 0:
                        break
                    known = 0
                    while known < count and number[known] != numbers[cj, ci, k]:
                        known += 1
                    if known == MOST:
                        continue
                    if known == count:
                        number[count] = numbers[cj, ci, k]
                        lean[count] = 2.0
                        for other in range(4):  # where it is not among the nearest, it is beyond the last of them
                            oj, oi = j + other // 2, i + other % 2
                            far[count, other] = distances[oj, oi, NEAR - 1]
                        count += 1
                    far[known, corner] = distances[cj, ci, k]
                    if lean[known] > 1.5:
                        lean[known] = slopes[cj, ci, k]
                    else:
                        lean[known] = 0.5 * (lean[known] + slopes[cj, ci, k])
            if count > 0 and sheath[number[0]] == 0.0 and _all_inside(far, count):
                for y in range(j * stride, min((j + 1) * stride, height)):
                    for x in range(i * stride, min((i + 1) * stride, width)):
                        image[y, x], depth[y, x] = grey[number[0]], DEEP_NM
                        labels[y, x] = territory[y, x] = number[0]
                continue
            for y in range(j * stride, min((j + 1) * stride, height)):
                v = np.float32((y - j * stride) / stride)
                for x in range(i * stride, min((i + 1) * stride, width)):
                    u = np.float32((x - i * stride) / stride)
                    w0, w1, w2, w3 = (1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u
                    best, first = np.float32(1e9), 0
                    for k in range(count):
                        here = w0 * far[k, 0] + w1 * far[k, 1] + w2 * far[k, 2] + w3 * far[k, 3]
                        if here < best:
                            best, first = here, k
                    if count == 0:
                        image[y, x], labels[y, x], territory[y, x], depth[y, x] = CYTOPLASM, 0, 0, 0.0
                        continue
                    dark, nearest, wide = np.float32(0.0), np.float32(REACH_NM), np.float32(0.0)
                    for k in range(count):
                        if k == first:
                            continue
                        d0, d1 = far[k, 0] - far[first, 0], far[k, 1] - far[first, 1]
                        d2, d3 = far[k, 2] - far[first, 2], far[k, 3] - far[first, 3]
                        gap = w0 * d0 + w1 * d1 + w2 * d2 + w3 * d3
                        if gap > 150.0:
                            continue
                        rise_y = ((1 - u) * (d2 - d0) + u * (d3 - d1)) * scale
                        rise_x = ((1 - v) * (d1 - d0) + v * (d3 - d2)) * scale
                        rise = max(np.float32(0.3), np.sqrt(rise_y * rise_y + rise_x * rise_x))
                        away = gap / rise
                        smear = min(np.float32(60.0), thickness_nm * abs(lean[k] - lean[first]) / rise)
                        if away < nearest:
                            nearest, wide = away, smear
                        if away < 25.0 + smear:
                            spread = np.float32(42.0) + smear * smear / np.float32(10.0)
                            off = away - np.float32(LEAFLET_NM)
                            here = np.float32(6.0) / np.sqrt(spread) * np.exp(-off * off / (2 * spread))
                            dark = max(
                                dark, here + np.float32(0.12) * min(smear, np.float32(30.0)) / np.float32(30.0) * here
                            )
                    image[y, x] = grey[number[first]] - MEMBRANE * dark
                    territory[y, x] = number[first]
                    cover = sheath[number[first]]
                    if cover > 0.0:  # the axon begins that far inside its tube
                        axon = -best - cover
                        inside = min(np.float32(1.0), max(np.float32(0.0), np.float32(0.4) - axon * np.float32(0.1)))
                        inside *= min(np.float32(1.0), nearest * np.float32(0.08))
                        lamella = MYELIN + np.float32(9.0) * np.sin(best * np.float32(0.42))
                        image[y, x] += inside * (lamella - image[y, x])
                        nearest = min(nearest, axon)
                    depth[y, x] = nearest
                    labels[y, x] = 0 if nearest < MEMBRANE_NM + np.float32(0.18) * wide else number[first]
