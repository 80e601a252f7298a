"""The regions that pre-training reads, images alone with a grey range; training, validation and evaluation apart."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from scripts.data.regions.open_regions import open_regions
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey, check_regions
from scripts.data.volumes.downsampled import AS_STORED


def image_regions(
    volumes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    split: Literal["training", "validation", "test"],
    box: str | None,
    crop: Sequence[int],
    grey_low: float | None = None,
    grey_high: float | None = None,
    reduce: Sequence[int] = AS_STORED,
) -> list[Region]:
    """Open the regions of a split, without their labels, and check what would otherwise fail in the middle of training.

    Args:
        volumes: as in `scripts.data.open_regions`.
        split: training, validation or test.
        box: in place of the split's own.
        crop: size of a crop, (z, y, x) voxels.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        reduce: stored voxels (z, y, x) that are averaged into one; boxes and crop count the larger voxels.

    Raises:
        ValueError: a crop that does not fit, a volume without a grey range, and whatever `open_regions` raises.
    """
    opened = open_regions(volumes, split, box, crop[0], reduce)
    regions = [dataclasses.replace(region, label=None) for region in opened]
    check_regions(regions, crop)
    check_grey(regions, grey_low, grey_high)
    return regions


def held_out_box(
    recipe: Mapping[str, Any], volume: str | Sequence[str], reduce: Sequence[int] = AS_STORED
) -> str | None:
    """The box that a run was validated on, for an evaluation of the same volume; None, a volume's validation part, for
    another one.

    Args:
        recipe: of the checkpoint: volumes, validation_box and reduce.
        volume: what is evaluated.
        reduce: stored voxels (z, y, x) that the evaluation averages into one.

    Raises:
        ValueError: the same volume at other factors, at which the run's box would be of other voxels.
    """
    box: str | None = recipe["validation_box"] if volume == recipe["volumes"] else None
    trained = list(recipe.get("reduce", AS_STORED))
    if box is not None and list(reduce) != trained:
        raise ValueError(
            f"the run's validation box {box} counts voxels of reduce {trained}, and reduce is {list(reduce)} here; "
            "say with --box which voxels to evaluate"
        )
    return box


def check_held_out(training: Sequence[Region], validation: Sequence[Region]) -> None:
    """Refuse validation boxes that training sees.

    Raises:
        ValueError: two boxes of one volume overlap.
    """
    for seen in training:
        for held in validation:
            if seen.image.path == held.image.path and _overlap(seen, held):
                raise ValueError(
                    f"validation box {held.box} of {held.image.path} overlaps training box {seen.box}: the validation "
                    "loss would be of crops that were trained on; give another --validation_box or --train_box"
                )


def _overlap(one: Region, other: Region) -> bool:
    first, second = one.box, other.box
    return all(
        max(first.start[axis], second.start[axis]) < min(first.stop[axis], second.stop[axis]) for axis in range(3)
    )
