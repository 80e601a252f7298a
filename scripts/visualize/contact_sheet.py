"""Contact sheet: small pictures of sections with their numbers; those to look at are framed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scripts.data.files.replacing import replacing
from scripts.data.volumes import Volume
from scripts.ops.box import Box

TILE, GAP, COLUMNS, TILES = 192, 6, 8, 48
KEPT = 1000
"""Thumbnails kept while a volume is walked through: 37 MiB of bytes, 150 of float32."""
STRIP = 18
"""Height of the line of text under a tile."""
PAPER, INK, ALARM = (250, 250, 250), (20, 20, 20), (200, 30, 30)


class Thumbnails:
    """Small copies of sections, taken while a volume is walked through once.

    Args:
        volume: read again only for a marked section that was not kept, in a volume of more than `KEPT` sections.
        box: the part that is shown.
        labels: ids, whose pixels are picked and not averaged.
    """

    def __init__(self, volume: Volume, box: Box, labels: bool) -> None:
        self.volume, self.box, self.labels = volume, box, labels
        self.factor = max(1, -(-max(box.shape[1:]) // TILE))
        every = np.linspace(box.start[0], box.stop[0] - 1, min(box.shape[0], KEPT))
        self.pictures: dict[int, NDArray] = {}
        self._kept = {int(z) for z in every.round()}

    def look(self, z: int, section: NDArray) -> None:
        """Keep section `z`, if it is one of those to keep."""
        if z in self._kept:
            self.pictures[z] = _small(section, self.factor, self.labels)

    def __getitem__(self, z: int) -> NDArray:
        if z not in self.pictures:
            self.pictures[z] = _small(self.volume[(z, *self.box.slices[1:])], self.factor, self.labels)
        return self.pictures[z]

    def chosen(self, marked: Mapping[int, str]) -> list[int]:
        """Up to `TILES` section numbers: those that are marked, up to half of the places, the rest evenly spread."""
        if self.box.shape[0] <= TILES:
            return list(range(self.box.start[0], self.box.stop[0]))
        picked = set(sorted(marked)[: TILES // 2])
        rest = sorted(self._kept - picked)
        picked |= {rest[k] for k in np.linspace(0, len(rest) - 1, TILES - len(picked)).round().astype(int)}
        return sorted(picked)


def write_contact_sheet(
    path: str | Path,
    thumbnails: Thumbnails,
    title: str,
    marked: Mapping[int, str],
    limits: tuple[float, float] | None,
    overwrite: bool = False,
) -> Path:
    """Draw sections as a PNG.

    Args:
        path: of the PNG; it appears when whole.
        thumbnails: of the volume.
        title: a line above the sheet.
        marked: section number -> word to frame it with.
        limits: grey values for black and white; None paints ids in colours.
        overwrite: replace an earlier file.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
    """
    tiles = {z: thumbnails[z] for z in thumbnails.chosen(marked)}
    height, width = next(iter(tiles.values())).shape
    rows, columns = -(-len(tiles) // COLUMNS), min(COLUMNS, len(tiles))
    font = ImageFont.load_default(13)
    sheet = Image.new("RGB", (max(columns * (width + GAP) + GAP, 640), rows * (height + STRIP + GAP) + 30), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 7), title, INK, font)
    for k, (z, tile) in enumerate(tiles.items()):
        x, y = GAP + k % COLUMNS * (width + GAP), 30 + k // COLUMNS * (height + STRIP + GAP)
        sheet.paste(Image.fromarray(_colours(tile) if limits is None else _greys(tile, limits)), (x, y))
        if z in marked:
            draw.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), outline=ALARM, width=2)
        draw.text((x, y + height + 1), f"{z} {marked.get(z, '')}", ALARM if z in marked else INK, font)
    with replacing(path, overwrite) as partial:
        sheet.save(partial, "PNG")
    return Path(path)


def _small(section: NDArray, factor: int, labels: bool) -> NDArray:
    """One value for every `factor` x `factor` voxels of (y, x): their mean, or the first of them for labels."""
    if labels or min(section.shape) < factor:
        return section[::factor, ::factor].copy()
    y, x = (size // factor * factor for size in section.shape)
    blocks = section[:y, :x].reshape(y // factor, factor, x // factor, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _greys(picture: NDArray, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """(y, x) grey values to RGB."""
    low, high = limits
    grey = np.clip((picture - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _colours(picture: NDArray) -> NDArray[np.uint8]:
    """(y, x) ids to RGB, one colour an id, background black."""
    ids = picture.astype(np.uint64)
    mixed = (ids * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)  # Fibonacci hashing: neighbours differ
    channels = [60 + (mixed >> np.uint64(8 * k) & np.uint64(255)) % np.uint64(190) for k in range(3)]
    return np.where((ids == 0)[..., None], 0, np.stack(channels, -1)).astype(np.uint8)
