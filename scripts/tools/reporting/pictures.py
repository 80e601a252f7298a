"""Pictures as data URLs: grey values as JPEG, ids in colours as PNG."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.visualize.segmentation_panels import id_colours


def jpeg(picture: np.ndarray, quality: int = 82) -> str:
    """(y, x) or (y, x, 3) uint8 to the data URL of a JPEG."""
    return _encoded(Image.fromarray(picture), "jpeg", quality=quality, subsampling=0)


class IdColours:
    """One colour for each id, so that the colour of a pixel identifies its object.

    Colours are those of `id_colours`; where two ids would share one, the next free one is taken.

    Args:
        ids: whole numbers of all sections; 0 and less are shown without a colour.
    """

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = np.unique(ids[ids > 0])
        red, green, blue = np.round(255 * id_colours(self.ids)).astype(int).T
        codes: dict[int, None] = {}
        for code in (red << 16 | green << 8 | blue).tolist():
            while code in codes:
                code = (code + 1) & 0xFFFFFF
            codes[code] = None
        self.codes = np.array(list(codes), int)

    def names(self) -> list[str]:
        """`ff8000` for each of `ids`."""
        return [f"{code:06x}" for code in self.codes.tolist()]

    def png(self, ids: np.ndarray) -> str:
        """(y, x) ids to the data URL of a PNG that is transparent where an id is 0 or less."""
        found, places = np.unique(np.where(ids > 0, ids, 0), return_inverse=True)
        places = places.reshape(ids.shape)
        codes = np.where(found > 0, np.append(self.codes, 0)[np.searchsorted(self.ids, found)], 0)
        painted = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)
        if len(found) > 256:
            seen = np.where(found[places] > 0, 255, 0).astype(np.uint8)
            return _encoded(Image.fromarray(np.dstack([painted[places], seen])), "png", optimize=True)
        picture = Image.fromarray(places.astype(np.uint8), "L")
        picture.putpalette(painted.tobytes())
        clear = {"transparency": 0} if found[0] == 0 else {}
        return _encoded(picture, "png", optimize=True, **clear)


def picture_file(path: Path, width: int = 1600) -> str:
    """A picture of a file as the data URL of a JPEG, made smaller where it is wider than `width`."""
    with Image.open(path) as stored:
        picture = stored.convert("RGB")
    factor = -(-picture.width // width)
    return jpeg(np.asarray(picture if factor == 1 else picture.reduce(factor)))


def _encoded(picture: Image.Image, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
