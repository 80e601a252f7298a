"""Draw the result of each step of a transform chain, for notebooks and to check a config."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from scripts.data.sampling.crops import sample_stream
from scripts.data.sampling.sample_chain import SampleChain
from scripts.visualize.segmentation_panels import Colours, id_colours, map_colours

GAP, CAPTION, Z_ZOOM, LEAST = 6, 34, 4, 190
"""Pixels between tiles, of a caption's height, of a section in the cut along z, and of a block's width at least."""
HIDDEN = (0.22, 0.28, 0.42)
"""Colour of hidden tokens."""
KNOWN, UNKNOWN = (0.8, 0.9, 1.0), (0.35, 0.35, 0.35)
"""Colours of targets that the loss counts, and of those that it leaves out."""


@dataclass(frozen=True)
class ChainPicture:
    """A picture that a notebook displays; `names` are the steps, in the order of the blocks."""

    image: Image.Image
    names: tuple[str, ...]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format of the ending."""
        self.image.save(path)
        return Path(path)

    def _repr_jpeg_(self) -> bytes:  # a quarter of a PNG's bytes, as sections are full of noise
        held = io.BytesIO()
        self.image.save(held, "JPEG", quality=50, optimize=True)
        return held.getvalue()


def show_chain(
    chain: Callable[[Any], Any],
    item: Any,
    seed: int = 0,
    index: int = 0,
    labels: Sequence[str] = ("label",),
    columns: int = 4,
    section: int | None = None,
) -> ChainPicture:
    """Draw one block for the item as it is, and one for each step of the chain, in order.

    A block has the middle section of every volume of the item, and under it a cut along z through its middle line, in
    which a section is four pixels high. All blocks have one scale, so a step that crops is visible. Volumes are
    recognised by their shapes: (1, z, y, x) or (z, y, x) grey values; whole numbers under one of `labels`,
    ids in colours; (C, z, y, x) maps, up to three as red, green and blue; a bool (gz, gy, gx) token mask, hidden tokens
    in blue over the image; bool (C, z, y, x) known voxels, pale where known and grey where not, unless all are known.
    Anything else is left out.

    Args:
        chain: a MONAI `Compose`, nested or not, or any callable; of dictionaries or of arrays.
        item: what the chain takes; not changed.
        seed, index: of the random draws, as those of sample `index` of a `CropDataset`.
        labels: keys of instance ids.
        columns: blocks in a row.
        section: number of the section to show; the middle one by default.

    Returns:
        The picture, which a notebook displays.

    Raises:
        ValueError: an item without a volume to show, or an error of a step.
    """
    stream = sample_stream(seed, index)
    item = {**item} if isinstance(item, Mapping) else item
    blocks = [_block("as it is read", item, labels, section)]
    for step in SampleChain(chain).steps:
        item = SampleChain(step)(item, stream)
        blocks.append(_block(type(step).__name__, item, labels, section, before=blocks[-1]))
    return ChainPicture(_sheet(blocks, columns), tuple(block.name for block in blocks[1:]))


@dataclass(frozen=True)
class _Block:
    """A step's name, its result, the size, and whether the result equals that of the step before."""

    name: str
    tiles: Mapping[str, tuple[Colours, Colours]]
    size: str
    same: bool


def _block(name: str, item: Any, labels: Sequence[str], section: int | None, before: _Block | None = None) -> _Block:
    volumes = _coloured(item if isinstance(item, Mapping) else {"image": item}, labels)
    if not volumes:
        raise ValueError(f"{name}: no volume to show among {_kinds(item)}; a volume is (1, z, y, x) or (z, y, x)")
    tiles = {key: _views(volume, section) for key, volume in volumes.items()}
    extent = " x ".join(str(size) for size in next(iter(volumes.values())).shape[:3])
    same = before is not None and _alike(tiles, before.tiles) and extent == before.size
    return _Block(name, tiles, extent, same)


def _coloured(item: Mapping[Any, Any], labels: Sequence[str]) -> dict[str, Colours]:
    """(z, y, x, 3) colours of every volume of an item, by key."""
    found: dict[str, Colours] = {}
    image: Colours | None = None
    for key, value in item.items():
        array = _array(value)
        if array is None or array.ndim not in (3, 4) or not array.size:
            continue
        if array.dtype == bool:
            if array.ndim == 3 and image is not None:
                found[str(key)] = _over_tokens(image, array)
            elif array.ndim == 4 and not array.all():
                known = np.all(array, axis=0, keepdims=True)[0, ..., None]
                found[str(key)] = np.where(known, KNOWN, UNKNOWN).astype(np.float32)
        elif key in labels:
            found[str(key)] = id_colours(array.reshape(array.shape[-3:]))
        elif array.ndim == 4 and len(array) > 1:
            found[str(key)] = map_colours(array.astype(np.float32), [bool(channel.min() < 0) for channel in array])
        else:
            found[str(key)] = image = _grey(array.reshape(array.shape[-3:]), signed=key not in ("target", "pred"))
    return found


def _grey(volume: np.ndarray, signed: bool) -> Colours:
    """Whole numbers by the range of their type, real ones as -1 to 1, or 0 to 1 for maps without negative values."""
    grey: Any = volume.astype(np.float32)
    if volume.dtype.kind in "ui":
        grey = grey / np.iinfo(volume.dtype).max
    elif signed or grey.min() < 0:
        grey = (grey + 1) / 2
    return np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=-1)


def _over_tokens(image: Colours, hidden: np.ndarray) -> Colours:
    """The image with its hidden tokens covered; the mask alone where tokens do not divide the image."""
    if any(size % tokens for size, tokens in zip(image.shape[:3], hidden.shape, strict=True)):
        return np.where(hidden[..., None], HIDDEN, 1.0).astype(np.float32)
    for axis, (size, tokens) in enumerate(zip(image.shape[:3], hidden.shape, strict=True)):
        hidden = hidden.repeat(size // tokens, axis)
    return np.where(hidden[..., None], HIDDEN, image).astype(np.float32)


def _views(volume: Colours, section: int | None) -> tuple[Colours, Colours]:
    """A section (y, x, 3), and the cut along z through the middle line (z enlarged, x, 3)."""
    z = len(volume) // 2 if section is None else min(section, len(volume) - 1)
    return volume[z], volume[:, volume.shape[1] // 2].repeat(Z_ZOOM, axis=0)


def _sheet(blocks: Sequence[_Block], columns: int) -> Image.Image:
    """All blocks; those of a row are as high as the highest of it."""
    wide = max(view[0].shape[1] for block in blocks for view in block.tiles.values())
    width = max(LEAST, max(len(block.tiles) for block in blocks) * (wide + GAP) + 2 * GAP)
    columns = min(columns, len(blocks))
    rows = [blocks[first : first + columns] for first in range(0, len(blocks), columns)]
    heights = [[max(len(view[k]) for block in row for view in block.tiles.values()) for k in (0, 1)] for row in rows]
    tops = np.cumsum([0] + [CAPTION + high + cut + 4 * GAP for high, cut in heights]).tolist()
    sheet = Image.new("RGB", (columns * width, tops[-1]), "white")
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(14), ImageFont.load_default(11)
    for number, block in enumerate(blocks):
        left, top = number % columns * width + GAP, tops[number // columns] + GAP
        high, cut = heights[number // columns]
        draw.text((left, top), f"{number} {block.name}", "#999999" if block.same else "black", font)
        text = "the same as before" if block.same else f"{block.size}   {'   '.join(block.tiles)}"
        draw.text((left, top + 17), text, "#777777", small)
        for place, (section, along_z) in enumerate(block.tiles.values()):
            x = left + place * (wide + GAP)
            for view, y, available in ((section, top + CAPTION, high), (along_z, top + CAPTION + high + GAP, cut)):
                down = (available - view.shape[0]) // 2
                sheet.paste(Image.fromarray((view * 255).round().astype(np.uint8)), (x, y + down))
    return sheet


def _alike(tiles: Mapping[str, tuple[Colours, Colours]], before: Mapping[str, tuple[Colours, Colours]]) -> bool:
    return tiles.keys() == before.keys() and all(
        np.array_equal(view, other) for key in tiles for view, other in zip(tiles[key], before[key], strict=True)
    )


def _array(value: Any) -> np.ndarray | None:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return value if isinstance(value, np.ndarray) else None


def _kinds(item: Any) -> str:
    if isinstance(item, Mapping):
        return (
            ", ".join(f"{key} {tuple(getattr(value, 'shape', ()))}" for key, value in item.items()) or "an empty item"
        )
    return f"{type(item).__name__} {tuple(getattr(item, 'shape', ()))}"
