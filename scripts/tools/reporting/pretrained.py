"""What a pre-training reads and reconstructs: sections of its volume, and a held-out place drawn anew."""

import numpy as np
from monai.transforms import Compose
from numpy.typing import NDArray
from PIL import Image

from scripts.checkpoints.recipe import upgraded_recipe
from scripts.checkpoints.restore import restore
from scripts.data.regions.open_regions import describe
from scripts.data.regions.region import Region
from scripts.data.regions.training_regions import image_regions
from scripts.data.volumes.downsampled import AS_STORED
from scripts.engines.precision_inferer import PrecisionInferer
from scripts.handlers.pictures import Pictures
from scripts.inferers.picture_region import picture_region
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.networks import HybridUNet, MaskedAutoencoder, MaskedTrunk, pretraining_network
from scripts.tools.reporting.pictures import jpeg
from scripts.tools.reporting.runs import Run
from scripts.tools.reporting.viewer import Panel, Viewer, scale_bar
from scripts.transforms import RandColumnMaskd, RandSectionMaskd, RandTokenMaskd, ScaleGreyd

MASKS = {"random": RandTokenMaskd, "space_only": RandColumnMaskd, "section_only": RandSectionMaskd}
"""Strategy in a recipe -> transform."""
WORDS = {
    "original": "A place of the validation box",
    "masked": "The same place, hidden tokens grey",
    "reconstruction": "What the network makes of the visible tokens",
    "pasted": "Visible tokens as they are, hidden ones reconstructed",
}
FIELD, SECTIONS = 1024, 3
"""A volume is shown by so many pixels, at most, of so many sections."""


def volume_viewer(run: Run, name: str, side: int = 512) -> tuple[Viewer, str]:
    """Sections from the middle of what a run is validated on, with a description.

    Raises:
        ValueError, OSError: the volume cannot be opened here.
    """
    regions = {split: _regions(run, split) for split in ("training", "validation")}
    region = regions["validation"][0]
    (z0, *low), (z1, *high) = region.box.start, region.box.stop
    picked = np.unique(np.linspace(z0, z1 - 1, min(SECTIONS, z1 - z0)).round().astype(int)).tolist()
    around = []
    for first, last in zip(low, high, strict=True):
        extent = min(last - first, FIELD)
        start = first + (last - first - extent) // 2
        around.append(slice(start, start + extent))
    sections = [_grey(region.image[(z, *around)], run) for z in picked]
    factor = -(-max(sections[0].shape) // side)
    shape = sections[0][::factor, ::factor].shape
    size = region.image.voxel_size_nm
    viewer = Viewer(
        name=name,
        sections=picked[:1],
        store={f"z{z}": [jpeg(_averaged(section, factor))] for z, section in zip(picked, sections, strict=True)},
        rows=[("", [Panel(f"section {z}", [f"z{z}"], f"Section {z} of {region.title}") for z in picked])],
        scale=scale_bar(sections[0].shape[1], None if size is None else size[2]),
        shape=shape,
    )
    words = "\n".join(f"{split}: {describe(found)}" for split, found in regions.items())
    return viewer, words


def reconstruction_viewer(run: Run, name: str) -> Viewer:
    """Original, masked, reconstruction and pasted of the same place as in the run's `reconstruction.png`.

    Raises:
        ValueError, OSError: no checkpoint, another network, or a volume that cannot be opened here.
    """
    recipe = run.recipe
    region = picture_region(_regions(run, "validation"), recipe["crop"])
    grid = [size // step for size, step in zip(recipe["crop"], recipe["patch"], strict=True)]
    scaling = ScaleGreyd("image", recipe["grey_low"], recipe["grey_high"])
    masking = Compose([scaling, MASKS[recipe["token_mask"]](grid, recipe["mask_ratio"])])
    windows = BoxWindows(region, recipe["crop"], masking)
    pictures = Pictures(windows, restore(_network(run), str(run.checkpoint)), PrecisionInferer("fp32"))
    stacks = pictures.panels()
    size = region.image.voxel_size_nm
    return Viewer(
        name=name,
        sections=pictures.sections,
        store={
            title: [jpeg((255 * section).round().astype(np.uint8), quality=88) for section in stack]
            for title, stack in zip(WORDS, stacks, strict=True)
        },
        rows=[("", [Panel(title, [title], f"{words}, {run.name}") for title, words in WORDS.items()])],
        scale=scale_bar(stacks[0].shape[2], None if size is None else size[2]),
        shape=stacks[0].shape[1:],
    )


def _network(run: Run) -> MaskedAutoencoder | MaskedTrunk | HybridUNet:
    recipe = upgraded_recipe(run.recipe)
    return pretraining_network(recipe["architecture"], recipe["patch"], recipe["sizes"], recipe["trunk_sizes"])


def _regions(run: Run, split: str) -> list[Region]:
    recipe = run.recipe
    box = recipe.get("train_box" if split == "training" else "validation_box")
    volumes, crop, downsample = recipe["volumes"], recipe["crop"], recipe.get("downsample", AS_STORED)
    low, high = recipe.get("grey_low"), recipe.get("grey_high")
    return image_regions(volumes, split, box, crop, low, high, downsample)  # type: ignore[arg-type]


def _grey(section: NDArray, run: Run) -> NDArray[np.uint8]:
    low, high = run.recipe.get("grey_low"), run.recipe.get("grey_high")
    if low is None or high is None:
        return np.asarray(section, np.uint8)
    scaled: NDArray[np.uint8] = np.clip((section - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    return scaled


def _averaged(section: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    return section if factor == 1 else np.asarray(Image.fromarray(section).reduce(factor))
