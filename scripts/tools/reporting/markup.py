"""Pieces of HTML: escaped text, tables, pictures as data URLs."""

import base64
import html
import io
from collections.abc import Sequence

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
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def jpeg(picture: np.ndarray, quality: int = 82) -> str:
    """(y, x) or (y, x, 3) uint8 to the data URL of a JPEG."""
    return _encoded(Image.fromarray(picture), "jpeg", quality=quality, subsampling=0, optimize=True)


def indexed_png(classes: np.ndarray, colours: np.ndarray) -> str:
    """(y, x) uint8 places in (n, 3) uint8 colours to the data URL of a PNG; place 0 is transparent."""
    picture = Image.fromarray(classes, "L")
    picture.putpalette(np.ascontiguousarray(colours, np.uint8).tobytes())
    return _encoded(picture, "png", transparency=0, optimize=True)


def _encoded(picture: Image.Image, kind: str, **options: object) -> str:
    file = io.BytesIO()
    picture.save(file, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
