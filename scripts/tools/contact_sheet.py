"""Contact sheet: small pictures of sections with their numbers; those to look at are framed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scripts.data.volumes import Volume
from scripts.data.writing import replacing
from scripts.ops.box import Box

TILE, GAP, COLUMNS, TILES = 192, 6, 8, 48
STRIP = 18
"""Height of the line of text under a tile."""
PAPER, INK, ALARM = (250, 250, 250), (20, 20, 20), (200, 30, 30)


def chosen_sections(box: Box, marked: Mapping[int, str]) -> list[int]:
    """Up to `TILES` section numbers: those that are marked (half of the places at least), the rest evenly spread."""
    everything = np.arange(box.start[0], box.stop[0])
    if len(everything) <= TILES:
        return [int(z) for z in everything]
    first = sorted(marked)[:TILES]
    picked = set(first[: TILES // 2])
    spread = [z for z in everything[np.linspace(0, len(everything) - 1, TILES).round().astype(int)] if z not in picked]
    room = TILES - len(picked)
    picked |= {int(z) for z in np.array(spread)[np.linspace(0, len(spread) - 1, room).round().astype(int)]}
    return sorted(picked)


def write_contact_sheet(
    path: str | Path,
    volume: Volume,
    box: Box,
    title: str,
    marked: Mapping[int, str],
    limits: tuple[float, float] | None,
    overwrite: bool = False,
) -> Path:
    """Draw sections of a box as a PNG.

    Args:
        path: of the PNG; it appears when whole.
        volume: grey values, or labels.
        box: what to show.
        title: a line above the sheet.
        marked: section number -> word to frame it with.
        limits: grey values for black and white; None paints ids in colours.
        overwrite: replace an earlier file.

    Raises:
        FileExistsError: the file exists and `overwrite` is False.
    """
    sections = chosen_sections(box, marked)
    factor = max(1, -(-max(box.shape[1:]) // TILE))
    height, width = (max(1, size // factor) for size in box.shape[1:])
    rows, columns = -(-len(sections) // COLUMNS), min(COLUMNS, len(sections))
    font = ImageFont.load_default(13)
    sheet = Image.new("RGB", (max(columns * (width + GAP) + GAP, 640), rows * (height + STRIP + GAP) + 30), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, 7), title, INK, font)
    for k, z in enumerate(sections):
        x, y = GAP + k % COLUMNS * (width + GAP), 30 + k // COLUMNS * (height + STRIP + GAP)
        section = volume[(z, *box.slices[1:])]
        tile = _colours(section, factor) if limits is None else _greys(section, factor, limits)
        sheet.paste(Image.fromarray(tile[:height, :width]), (x, y))
        ink = INK
        if z in marked:
            ink = ALARM
            draw.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), outline=ALARM, width=2)
        draw.text((x, y + height + 1), f"{z} {marked.get(z, '')}", ink, font)
    with replacing(path, overwrite) as partial:
        sheet.save(partial, "PNG")
    return Path(path)


def _greys(section: NDArray, factor: int, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """(y, x) grey values to RGB, averaged over `factor` pixels."""
    y, x = (size // factor * factor for size in section.shape)
    blocks = section[:y, :x].reshape(y // factor, factor, x // factor, factor).mean(axis=(1, 3), dtype=np.float32)
    low, high = limits
    grey = np.clip((blocks - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _colours(section: NDArray, factor: int) -> NDArray[np.uint8]:
    """(y, x) ids to RGB, one colour an id, background black."""
    ids = section[factor // 2 :: factor, factor // 2 :: factor].astype(np.uint64)
    mixed = (ids * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)  # Fibonacci hashing: neighbours differ
    channels = [60 + (mixed >> np.uint64(8 * k) & np.uint64(255)) % np.uint64(190) for k in range(3)]
    return np.where((ids == 0)[..., None], 0, np.stack(channels, -1)).astype(np.uint8)
