"""The mask of a prediction or segmentation: a volume, or the image that it states."""

import json
from typing import Any

import numpy as np

from scripts.data.files.attributes import attributes
from scripts.data.files.predictions import open_prediction
from scripts.data.regions.volume_mask import NONZERO, NOT, MaskVolume
from scripts.data.volumes import open_volume
from scripts.ops.box import Box, Offset3

LONGEST = 1000
"""Characters of a path that is taken from an attribute."""


def mask_path(mask: str, source: str) -> str:
    """The path of a mask: the image of a prediction or segmentation for `nonzero`, else as it is.

    Args:
        mask: of the command line.
        source: the prediction or segmentation.

    Raises:
        ValueError: `nonzero` of a file that states no image; another rule.
    """
    if mask.startswith(NOT):
        raise ValueError(f"--mask {mask}: give a volume that is 0 where voxels do not count, or {NONZERO}")
    if mask != NONZERO:
        return mask
    place = _stated(source, seen=())
    if place is None:
        raise ValueError(
            f"--mask {NONZERO}: '{source}' does not state which image it is of; give the image itself, --mask my.h5:raw"
        )
    return place[0]


def read_mask(mask: str, pred: str, box: Box) -> np.ndarray:
    """(z, y, x) bool of a box of a prediction: where a mask is neither 0 nor -1, unknown.

    A mask larger than the prediction is one of the whole image, in which the prediction states its position.

    Args:
        mask: a volume, or `nonzero`.
        pred: the prediction.
        box: to read, in voxels of the prediction.

    Raises:
        ValueError: a mask of another shape, as in `mask_path`.
    """
    path = mask_path(mask, pred)
    with open_prediction(pred) as prediction:
        shape = prediction.shape[1:]
    with open_volume(path, cache_mib=8) as volume:
        place = None if tuple(volume.shape) == tuple(shape) else _stated(pred, seen=())
        first = (0, 0, 0) if place is None else place[1]
        z, y, x = (at + low for at, low in zip(first, box.start, strict=True))
        part = Box((z, y, x), (z + box.shape[0], y + box.shape[1], x + box.shape[2]))
        differs = tuple(volume.shape) != tuple(shape)
        if differs and (place is None or any(b > n for b, n in zip(part.stop, volume.shape, strict=True))):
            raise ValueError(
                f"mask {path} has shape {tuple(volume.shape)} (z, y, x), the prediction {tuple(shape)}; they must agree"
            )
        return MaskVolume(volume, 0, unknown=True)[part.slices]


def _stated(source: str, seen: tuple[str, ...]) -> tuple[str, Offset3] | None:
    """The image that a file states, and the first voxel in it; None where it states none, or other voxels."""
    if source in seen or len(seen) > 4 or len(source) > LONGEST:
        return None
    noted = attributes(source)
    try:
        if "prediction" in noted:
            below = _stated(str(noted["prediction"]), (*seen, source))
            if below is None:
                return None
            path, first = below
            z, y, x = (a + b for a, b in zip(first, _start(noted["box"]), strict=True))
            return path, (z, y, x)
        settings: dict[str, Any] = json.loads(noted["settings"]) if "settings" in noted else dict(noted)
        factors = noted.get("downsample", noted.get("reduce", "[1, 1, 1]"))  # "reduce" before it was renamed
        if json.loads(str(factors)) != [1, 1, 1]:
            return None
        path = str(settings["volume"])
        return (path, _start(settings["box"])) if len(path) <= LONGEST else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _start(text: Any) -> Offset3:
    z, y, x = (int(part.split(":")[0]) for part in str(text).split(","))
    return z, y, x
