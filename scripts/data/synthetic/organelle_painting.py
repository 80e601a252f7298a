"""Painting the organelles of one section of the synthetic volume: mitochondria, vesicles, tubules, synapses."""

import numpy as np
from numba import njit

from scripts.data.synthetic.membrane_painting import CYTOPLASM
from scripts.data.synthetic.territories import REACH_NM

MATRIX, CRISTA, RIM = np.float32(101.0), np.float32(20.0), np.float32(62.0)
"""Grey of the matrix of a mitochondrion, and how much darker its cristae and its membranes are."""
DARKNESS = np.array([50.0, 88.0, 110.0, 25.0], np.float32)
"""Of vesicles, endosomes, tubules, microtubules."""
LUMEN = np.float32(8.0)


@njit(cache=True, nogil=True)
def paint_mitochondria(
    numbers: np.ndarray,
    distances: np.ndarray,
    stride: int,
    pixel_nm: float,
    z_nm: float,
    host: np.ndarray,
    cristae: np.ndarray,
    labels: np.ndarray,
    depth: np.ndarray,
    image: np.ndarray,
    mitochondria: np.ndarray,
) -> None:
    """Draw mitochondria where they are inside their neurite, clear of its membrane; fills `mitochondria` (Y, X)."""
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
                    rim = np.exp(-((away + np.float32(4.0)) ** 2) / np.float32(90.0))
                    if away <= 0.0:
                        mitochondria[y, x] = number
                        py, px = y * pixel_nm, x * pixel_nm
                        bend = np.float32(1.6) * (
                            np.sin(py * 0.021 + number) + np.sin(px * 0.017 - py * 0.013 + 2 * number)
                        )
                        wave = cristae[number, 0] * z_nm + cristae[number, 1] * py + cristae[number, 2] * px
                        fold = max(0.0, np.sin(wave + cristae[number, 3] + bend)) * (
                            1.0 + 0.6 * np.sin(py * 0.033 - px * 0.041 + number)
                        )
                        inside = min(np.float32(1.0), -away / np.float32(10.0))
                        image[y, x] += inside * (MATRIX - CRISTA * fold - image[y, x])
                    image[y, x] -= RIM * rim


@njit(cache=True, nogil=True)
def paint_dots(
    place: np.ndarray,
    radius: np.ndarray,
    kind: np.ndarray,
    neurite: np.ndarray,
    labels: np.ndarray,
    depth: np.ndarray,
    mitochondria: np.ndarray,
    image: np.ndarray,
    pixel_nm: float,
) -> None:
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
def paint_synapse(
    cy: float,
    cx: float,
    radius: float,
    pre: int,
    post: int,
    pixel_nm: float,
    territory: np.ndarray,
    depth: np.ndarray,
    image: np.ndarray,
) -> None:
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
