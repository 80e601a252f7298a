"""Painting one section of the synthetic volume before the microscope: membranes, cytoplasm, organelles, labels."""

import numpy as np
from numba import njit

from scripts.data.synthetic.territories import NEAR, REACH_NM

MEMBRANE_NM = 9.0
"""Voxels nearer than this to the border of two neurites are labelled 0, more where the border is cut obliquely."""
LEAFLET_NM = 8.0
"""From the border to the middle of the dark line on either side of it."""
MOST = 12
"""Neurites that can meet in one cell of nodes."""
CYTOPLASM, MEMBRANE, MATRIX, CRISTA = np.float32(152.0), np.float32(74.0), np.float32(95.0), np.float32(19.0)
"""Grey of the cytoplasm, and how much darker a membrane is; grey of the matrix of a mitochondrion, and its cristae."""

MYELIN = np.float32(38.0)
DARKNESS = np.array([50.0, 85.0, 105.0, 30.0], np.float32)
"""Of vesicles, endosomes, tubules, microtubules."""
LUMEN = np.float32(8.0)


@njit(cache=True, nogil=True)
def paint_territories(numbers, distances, slopes, stride, pixel_nm, thickness_nm, grey, sheath, image, labels, territory, depth):
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
                            dark = max(dark, here + np.float32(0.12) * min(smear, np.float32(30.0)) / np.float32(30.0) * here)
                    image[y, x] = grey[number[first]] - MEMBRANE * dark
                    territory[y, x] = number[first]
                    cover = sheath[number[first]]
                    if cover > 0.0:  # the axon begins inside its myelin
                        inside = min(np.float32(1.0), max(np.float32(0.0), (cover - nearest) * np.float32(0.1)))
                        lamella = MYELIN + np.float32(9.0) * np.sin(nearest * np.float32(0.42))
                        image[y, x] += inside * min(np.float32(1.0), nearest * np.float32(0.08)) * (lamella - image[y, x])
                        nearest -= cover
                    depth[y, x] = nearest
                    labels[y, x] = 0 if nearest < MEMBRANE_NM + np.float32(0.18) * wide else number[first]


@njit(cache=True, nogil=True)
def paint_mitochondria(
    numbers, distances, stride, pixel_nm, z_nm, host, cristae, labels, depth, image, mitochondria
):
    """Draw mitochondria where they lie inside their neurite, clear of its membrane; `mitochondria` (Y, X) uint16 is filled."""
    height, width = image.shape
    for j in range(numbers.shape[0] - 1):
        for i in range(numbers.shape[1] - 1):
            number, least = 0, np.float32(REACH_NM)
            for corner in range(4):
                cj, ci = j + corner // 2, i + corner % 2
                if numbers[cj, ci, 0] != 0 and distances[cj, ci, 0] < least:
                    number, least = numbers[cj, ci, 0], distances[cj, ci, 0]
            if least > 40.0:
                continue
            for y in range(j * stride, min((j + 1) * stride, height)):
                v = np.float32((y - j * stride) / stride)
                for x in range(i * stride, min((i + 1) * stride, width)):
                    u = np.float32((x - i * stride) / stride)
                    away = (1 - v) * ((1 - u) * distances[j, i, 0] + u * distances[j, i + 1, 0])
                    away += v * ((1 - u) * distances[j + 1, i, 0] + u * distances[j + 1, i + 1, 0])
                    away = max(away, np.float32(26.0) - depth[y, x])
                    if away > 12.0 or labels[y, x] != host[number]:
                        continue
                    rim = np.exp(-(away + np.float32(4.0)) ** 2 / np.float32(90.0))
                    if away <= 0.0:
                        mitochondria[y, x] = number
                        py, px = y * pixel_nm, x * pixel_nm
                        bend = np.float32(1.6) * (np.sin(py * 0.021 + number) + np.sin(px * 0.017 - py * 0.013 + 2 * number))
                        wave = cristae[number, 0] * z_nm + cristae[number, 1] * py + cristae[number, 2] * px
                        fold = max(0.0, np.sin(wave + cristae[number, 3] + bend)) * (1.0 + 0.6 * np.sin(py * 0.033 - px * 0.041 + number))
                        inside = min(np.float32(1.0), -away / np.float32(10.0))
                        image[y, x] += inside * (MATRIX - CRISTA * fold - image[y, x])
                    image[y, x] -= np.float32(62.0) * rim


@njit(cache=True, nogil=True)
def paint_dots(place, radius, kind, neurite, labels, depth, mitochondria, image, pixel_nm):
    """Draw vesicles as rings, tubules and microtubules as dark dots, inside their neurite and outside mitochondria."""
    height, width = image.shape
    for dot in range(kind.size):
        cy, cx, size, what = place[dot, 0], place[dot, 1], radius[dot], kind[dot]
        y0, x0 = int(cy + 0.5), int(cx + 0.5)
        if y0 < 0 or x0 < 0 or y0 >= height or x0 >= width:
            continue
        if labels[y0, x0] != neurite[dot] or mitochondria[y0, x0] != 0 or depth[y0, x0] < (size + 1.5) * pixel_nm:
            continue
        reach = int(size + 3.0)
        for y in range(max(0, y0 - reach), min(height, y0 + reach + 1)):
            for x in range(max(0, x0 - reach), min(width, x0 + reach + 1)):
                square = (y - cy) * (y - cy) + (x - cx) * (x - cx)
                if what <= 1:
                    off = np.sqrt(square) - size + np.float32(0.6)
                    tint = DARKNESS[what] * np.exp(-off * off / np.float32(1.6))
                    lumen = off < -1.5
                    image[y, x] += LUMEN - tint if lumen else -tint
                else:
                    tint = DARKNESS[what] * np.exp(-square / (2 * size * size))
                    image[y, x] = min(image[y, x], CYTOPLASM - tint)


@njit(cache=True, nogil=True)
def paint_synapse(cy, cx, radius, pre, post, pixel_nm, territory, depth, image):
    """Thicken the membrane between two neurites within `radius` voxels: a dense band on the receiving side."""
    height, width = image.shape
    for y in range(max(0, int(cy - radius)), min(height, int(cy + radius) + 1)):
        for x in range(max(0, int(cx - radius)), min(width, int(cx + radius) + 1)):
            fade = 1.0 - ((y - cy) ** 2 + (x - cx) ** 2) / (radius * radius)
            if fade <= 0.0 or depth[y, x] > 60.0:
                continue
            if territory[y, x] == post:
                image[y, x] -= 75.0 * min(1.0, 2.0 * fade) * np.exp(-(depth[y, x] ** 2) / 900.0)
            elif territory[y, x] == pre:
                image[y, x] -= 30.0 * min(1.0, 2.0 * fade) * np.exp(-(depth[y, x] ** 2) / 300.0)
