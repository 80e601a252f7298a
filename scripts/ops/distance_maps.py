"""Ideal distance maps of instance labels: how far inside an object, or outside all of them, a voxel lies."""

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

from scripts.ops.label_checks import checked_labels


def section_distance(label: np.ndarray, inside: float = 8.0, outside: float = 50.0) -> np.ndarray:
    """(z, y, x) labels to (z, y, x) float32 in (-1, 1): tanh(EDT_foreground / inside - EDT_background / outside).

    Per section, in pixels: EDT_foreground is the distance of a foreground pixel to the nearest background, 0 elsewhere;
    EDT_background the reverse. A section wholly foreground (background) is tanh(5) (tanh(-5)) (Lin et al. 2021).

    Raises:
        ValueError: labels that are not labels, or scales that are not positive.
    """
    label = checked_labels(label)
    if inside <= 0 or outside <= 0:
        raise ValueError(f"scales inside {inside} and outside {outside} are pixels, above 0")
    distance = np.empty(label.shape, dtype=np.float32)
    for section, mapped in zip(label > 0, distance, strict=True):
        if section.all() or not section.any():
            mapped[...] = np.tanh(5.0) if section.all() else np.tanh(-5.0)
            continue
        mapped[...] = np.tanh(distance_transform_edt(section) / inside - distance_transform_edt(~section) / outside)
    return distance


def instance_distance(label: np.ndarray, voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """(z, y, x) labels to (z, y, x) float32: each instance's 3-D distance to its surface over its maximum, else -1.

    Neighbouring instances are surface too; the border of the volume is not.

    Args:
        label: instances.
        voxel_size: in any unit, (z, y, x); only the ratio matters.

    Raises:
        ValueError: labels that are not labels, or sizes that are not positive.
    """
    label = checked_labels(label)
    if min(voxel_size) <= 0:
        raise ValueError(f"voxel_size {tuple(voxel_size)} must be positive in z, y, x")
    names, dense = np.unique(label, return_inverse=True)
    dense = dense.reshape(label.shape) + (0 if names[0] == 0 else 1)
    distance = np.full(label.shape, -1.0, dtype=np.float32)
    for number, box in enumerate(find_objects(dense), start=1):
        if box is None:
            continue
        wider = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
        own = dense[wider] == number
        depth = distance_transform_edt(own, sampling=voxel_size) if not own.all() else np.ones(own.shape)
        distance[wider][own] = (depth / depth.max())[own]
    return distance
