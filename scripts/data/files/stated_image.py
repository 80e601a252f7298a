"""The image that a prediction or segmentation states, and where it is in it."""

import json
from typing import Any

from scripts.data.files.attributes import attributes
from scripts.ops.box import Offset3

LONGEST = 1000
"""Characters of a path that is taken from an attribute."""


def stated_image(source: str, seen: tuple[str, ...] = ()) -> tuple[str, Offset3] | None:
    """The path of the image that a file states, and the file's first voxel (z, y, x) in it.

    Args:
        source: a prediction, or instances, which state their prediction.
        seen: files that led here.

    Returns:
        None where the file states no image, or was made of down-sampled voxels.
    """
    if source in seen or len(seen) > 4 or len(source) > LONGEST:
        return None
    noted = attributes(source)
    try:
        if "prediction" in noted:
            below = stated_image(str(noted["prediction"]), (*seen, source))
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
