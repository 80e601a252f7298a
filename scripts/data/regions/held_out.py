"""Keep validation apart from training: the box of a run, and a check that no voxel is in both."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.data.regions.region import Region
from scripts.data.volumes.downsampled import AS_STORED


def held_out_box(
    recipe: Mapping[str, Any], volume: str | Sequence[str], downsample: Sequence[int] = AS_STORED
) -> str | None:
    """The box that a run was validated on, for an evaluation of the same volume; None, a volume's validation part, for
    another one.

    Args:
        recipe: of the checkpoint: volumes, validation_box and downsample.
        volume: what is evaluated.
        downsample: stored voxels (z, y, x) that the evaluation averages into one.

    Raises:
        ValueError: the same volume at other factors, at which the run's box would be of other voxels.
    """
    box: str | None = recipe["validation_box"] if volume == recipe["volumes"] else None
    trained = list(recipe.get("downsample", AS_STORED))
    if box is not None and list(downsample) != trained:
        raise ValueError(
            f"the run's validation box {box} counts voxels of downsample {trained}, and downsample is "
            f"{list(downsample)} here; give --box with the voxels to evaluate"
        )
    return box


def check_held_out(training: Sequence[Region], validation: Sequence[Region]) -> None:
    """Refuse validation boxes that training reads.

    Raises:
        ValueError: two boxes of one volume overlap.
    """
    for seen in training:
        for held in validation:
            if seen.image.path == held.image.path and seen.box.overlap(held.box) is not None:
                raise ValueError(
                    f"validation box {held.box} of {held.image.path} overlaps training box {seen.box}: the validation "
                    "loss would be of crops that were trained on; give another --validation_box or --train_box"
                )
