"""Ideal distance maps of instance labels: how far inside an object, or outside all of them, a voxel is."""

import numpy as np

from scripts.ops.box import Window, whole
from scripts.ops.labels.label_checks import checked_labels
from scripts.ops.targets.distance_transform import FAR, as_keys, squared_depth, squared_section_distance
from scripts.ops.targets.instance_maxima import relative_to_maximum


def section_distance(
    label: np.ndarray, inside: float = 8.0, outside: float = 50.0, inner: Window | None = None
) -> np.ndarray:
    """(z, y, x) labels to (z, y, x) float32 in (-1, 1): tanh(EDT_foreground / inside - EDT_background / outside).

    Per section, in pixels: EDT_foreground is the distance of a foreground pixel to the nearest background, 0 elsewhere;
    EDT_background the reverse. A section wholly foreground (background) is tanh(5) (tanh(-5)) (Lin et al. 2021).

    Args:
        label: instances.
        inside: pixels that scale distances in objects.
        outside: pixels that scale distances in background.
        inner: the requested window; labels around it are read too.

    Raises:
        ValueError: labels that are not labels, or scales that are not positive.
    """
    label = checked_labels(label)
    if inside <= 0 or outside <= 0:
        raise ValueError(f"scales inside {inside} and outside {outside} are pixels, above 0")
    foreground = label > 0
    squared = squared_section_distance(foreground, inner)
    foreground = foreground[inner or whole(label.shape)]
    scaled = np.sqrt(squared) * np.where(foreground, np.float32(1 / inside), np.float32(-1 / outside))
    plain = squared[:, 0, 0] == FAR  # such a section has one kind only
    scaled[plain] = np.where(foreground[plain], 5, -5)
    return np.tanh(scaled)


def section_distance_known(label: np.ndarray, known: np.ndarray, inner: Window | None = None) -> np.ndarray:
    """Where `section_distance` of labels that are partly unknown is decided: (z, y, x) bool.

    The nearest known pixel of the other kind (object or background) must be at most as far as the nearest unknown
    pixel of the section, which may be of that kind.

    Args:
        label: instances, 0 where unknown.
        known: bool of the same shape.
        inner: the requested window; labels around it are read too.
    """
    z, y, x = inner or whole(label.shape)
    decided = known[z, y, x].copy()
    partly = ~known[z].all((1, 2))
    if partly.any():
        foreground, sure = label[z][partly] > 0, known[z][partly]
        part = (slice(0, len(sure)), y, x)
        to_background = squared_section_distance(foreground | ~sure, part)
        to_foreground = squared_section_distance(foreground, part)
        other = np.where(foreground[part], to_background, to_foreground)
        decided[partly] &= (other <= squared_section_distance(sure, part)) & (other != FAR)
    return decided


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
    if len(voxel_size) != 3 or min(voxel_size) <= 0:
        raise ValueError(f"voxel_size {tuple(voxel_size)} must be positive in z, y, x")
    ids = as_keys(label)
    return relative_to_maximum(ids, np.sqrt(squared_depth(ids, voxel_size)))


def instance_distance_known(label: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Where `instance_distance` of labels that are partly unknown is decided: (z, y, x) bool.

    Background is; an instance is where none of its faces touches an unknown voxel, as then its surface is known.

    Args:
        label: instances, 0 where unknown.
        known: bool of the same shape.
    """
    if known.all():
        return known
    touching = []
    for axis in range(3):
        before, after = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        touching += [label[before][~known[after]], label[after][~known[before]]]
    open_ids = np.setdiff1d(np.concatenate(touching), 0)
    return known & ~np.isin(label, open_ids)
