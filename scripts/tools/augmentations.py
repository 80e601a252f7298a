"""`python -m scripts augmentations`: a picture of each augmentation, before and after, on the synthetic volume."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scripts.data.files.replacing import replacing
from scripts.ops.box import Size3
from scripts.ops.limits import Limits

VOLUME = (12, 256, 256)
"""Voxels (z, y, x) of the synthetic volume; below 16 sections it has no defects of its own."""
CROP: Size3 = (6, 96, 96)
ZOOM, GAP, LEFT = 2, 6, 56
GRID = 12
"""Side, in pixels, of the squares that show how space is bent."""
OUTLINE = (255, 150, 30)
GREYS = 33
"""Shades of grey in a picture, which keep its file small."""
DRAWS = {"rescale": (8, 2), "misalignment_shift": (11,), "misalignment_rotation": (11,), "all": (0, 1)}
"""Which draws are shown, counted from the seed, where the first shows too little."""


def augmentations(
    out: str = "docs/augmentations", seed: Annotated[int, Limits(0, 2**31)] = 0, overwrite: bool = False
) -> str:
    """Draw each augmentation at its full strength of defaults: six sections of a crop before it, and after it.

    What moves labels too is drawn with their outlines.
    Example: python -m scripts augmentations --out docs/augmentations

    Args:
        out: folder of the PNGs.
        seed: of the volume and of the draws.
        overwrite: replace pictures that are there.

    Returns:
        The files and their sizes.

    Raises:
        FileExistsError: a picture exists and overwrite is not given.
    """
    from scripts.data.synthetic import synthesize_volume
    from scripts.transforms.augment import augmentation_margin
    from scripts.transforms.grey import ScaleGreyd

    chains = _chains()
    paths = {name: Path(out) / f"{name}.png" for name in chains}
    for path in paths.values():
        if path.exists() and not overwrite:
            raise FileExistsError(f"'{path}' exists; give another --out, or --overwrite")
    volume = synthesize_volume(VOLUME, seed)
    written = []
    for name, steps in chains.items():
        extent = [size + 2 * more for size, more in zip(CROP, augmentation_margin(steps, CROP), strict=True)]
        label = _squares(extent) if name == "elastic" else _middle(volume.labels, extent)
        item = ScaleGreyd("image")({"image": _middle(volume.image, extent)[None], "label": label[None]})
        rows = {"before": _stacks(item)}
        for number in DRAWS.get(name, (0,)):
            changed, stream = item, np.random.RandomState(seed + number)
            for step in steps:
                step.set_random_state(state=stream)
                changed = step(changed)
            rows["after" if len(rows) == 1 else f"after, {len(rows)}"] = _stacks(changed)
        picture = _picture(rows, outlined="label" in steps[0].keys)
        with replacing(paths[name], overwrite) as partial:
            picture.save(partial, "PNG", optimize=True)
        written.append(f"{paths[name]}: {paths[name].stat().st_size / 1024:.0f} KiB")
    return "\n".join(written)


def _chains() -> dict[str, list[Any]]:
    """Name of the picture -> augmentations, each sure to act."""
    from scripts.transforms import augment
    from scripts.transforms.symmetry import RandSymmetryd

    both = ("image", "label")
    return {
        "rotate90": [augment.RandRotate90InPlaned(both)],
        "rescale": [augment.RandRescaleInPlaned(both, prob=1.0)],
        "symmetry": [RandSymmetryd(both)],
        "elastic": [augment.RandElasticInPlaned(both, prob=1.0)],
        "grey": [augment.RandGreyd(prob=1.0, per_section=1.0)],
        "missing_parts": [augment.RandMissingPartsd(prob=1.0)],
        "missing_sections": [augment.RandMissingSectionsd(both, prob=1.0)],
        "misalignment_shift": [augment.RandMisalignmentd(both, prob=1.0, rotation=0.0, slip=1.0)],
        "misalignment_rotation": [augment.RandMisalignmentd(both, prob=1.0, rotation=1.0, slip=0.0)],
        "motion_blur": [augment.RandMotionBlurd(prob=1.0)],
        "cut_blur": [augment.RandCutBlurd(prob=1.0)],
        "cut_noise": [augment.RandCutNoised(prob=1.0)],
        "all": [
            augment.RandRotate90InPlaned(both),
            augment.RandRescaleInPlaned(both),
            RandSymmetryd(both),
            augment.RandElasticInPlaned(both),
            augment.RandGreyd(),
            augment.RandMissingPartsd(),
            augment.RandMissingSectionsd(both),
            augment.RandMisalignmentd(both),
            augment.RandMotionBlurd(),
            augment.RandCutBlurd(),
            augment.RandCutNoised(),
        ],
    }


def _middle(volume: np.ndarray, extent: Sequence[int]) -> np.ndarray:
    """The middle of (z, y, x)."""
    starts = [(size - wanted) // 2 for size, wanted in zip(volume.shape, extent, strict=True)]
    return volume[tuple(slice(start, start + wanted) for start, wanted in zip(starts, extent, strict=True))]


def _stacks(item: Mapping[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Grey values in 0 to 255 and labels, (z, y, x), all sections of an item, in plane the crop in its middle."""
    extent = (item["image"].shape[1], *CROP[1:])
    grey = _middle(np.asarray(item["image"])[0], extent)
    return ((grey + 1) * 127.5).round().astype(np.uint8), _middle(np.asarray(item["label"])[0], extent)


def _squares(extent: Sequence[int]) -> np.ndarray:
    """(z, y, x) labels that are squares of a grid, the same in all sections."""
    y, x = (np.arange(size) // GRID for size in extent[1:])
    return np.broadcast_to(1000 * y[:, None] + x, extent)


def _picture(rows: dict[str, tuple[np.ndarray, np.ndarray]], outlined: bool) -> Image.Image:
    """A row of sections for each name."""
    side = ZOOM * CROP[1] + GAP
    columns = max(len(grey) for grey, _ in rows.values())
    sheet = Image.new("RGB", (LEFT + columns * side, len(rows) * side + GAP), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (name, (greys, labels)) in enumerate(rows.items()):
        top = GAP + number * side
        draw.text((GAP, top + side // 2 - 10), name, (20, 20, 20), font)
        for section, (grey, label) in enumerate(zip(greys, labels, strict=True)):
            tile = np.repeat(grey[..., None], 3, axis=-1)
            if outlined:
                tile[_outlines(label)] = OUTLINE
            enlarged = tile.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
            sheet.paste(Image.fromarray(enlarged), (LEFT + section * side, top))
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(value for k in range(GREYS) for value in [255 * k // (GREYS - 1)] * 3), *OUTLINE])
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)


def _outlines(label: np.ndarray) -> np.ndarray:
    """(y, x) bool, True where the next pixel along y or x belongs to another object."""
    edge = np.zeros(label.shape, bool)
    edge[:-1] |= label[:-1] != label[1:]
    edge[:, :-1] |= label[:, :-1] != label[:, 1:]
    return edge
