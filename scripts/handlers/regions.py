"""The regions that pre-training reads: images alone, with a grey range, training and validation apart."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Literal

from scripts.data.region import Region
from scripts.data.regions import check_grey, check_regions, open_regions


def image_regions(
    volumes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    split: Literal["training", "validation", "test"],
    box: str | None,
    crop: Sequence[int],
    grey_low: float | None = None,
    grey_high: float | None = None,
) -> list[Region]:
    """Open the regions of a split, without their labels, and check what would otherwise fail in the middle of training.

    Args:
        volumes: as in `scripts.data.open_regions`.
        split: training, validation or test.
        box: in place of the split's own.
        crop: size of a crop, (z, y, x) voxels.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.

    Raises:
        ValueError: a crop that does not fit, a volume without a grey range, and whatever `open_regions` raises.
    """
    regions = [dataclasses.replace(region, label=None) for region in open_regions(volumes, split, box, crop[0])]
    check_regions(regions, crop)
    check_grey(regions, grey_low, grey_high)
    return regions


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
