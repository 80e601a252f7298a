"""Pieces of HTML: escaped text, tables, pictures as data URLs."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NOTHING = "-"
"""In a cell without a value."""


def text(value: object) -> str:
    """Any value as HTML text, safe in an attribute too."""
    return html.escape(str(value), quote=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table that scrolls by itself where it is wider than the page; cells are HTML, the first of a row heads it."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows
    )
    words = text(caption)
    return (
        f'<p class="caption">{words}</p><div class="wide" role="region" tabindex="0" aria-label="{words}">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def jpeg(picture: np.ndarray, quality: int = 82) -> str:
    """(y, x) or (y, x, 3) uint8 to the data URL of a JPEG."""
    return _encoded(Image.fromarray(picture), "jpeg", quality=quality, subsampling=0)


def transparent_png(ids: np.ndarray, colours: Callable[[np.ndarray], np.ndarray]) -> str:
    """(y, x) ids to the data URL of a PNG that shows nothing where an id is 0 or less.

    Args:
        ids: whole numbers.
        colours: (n,) ids to (n, 3) in [0, 1].
    """
    found, places = np.unique(np.where(ids > 0, ids, 0), return_inverse=True)
    painted = np.round(255 * colours(found)).astype(np.uint8)
    places = places.reshape(ids.shape)
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
