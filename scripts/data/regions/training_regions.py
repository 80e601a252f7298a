"""Regions to train, validate and evaluate on, checked so that nothing fails in the middle of training."""

import dataclasses
from collections.abc import Sequence

from scripts.data.datasets.manifest import Split
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.label_budget import Sections, budget_boxes
from scripts.data.regions.label_choice import LabelChoice, Labels
from scripts.data.regions.label_search import check_foreground, check_not_swapped
from scripts.data.regions.named_volumes import Paths, names_of
from scripts.data.regions.open_regions import open_regions
from scripts.data.regions.placed_labels import labelled_part
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey, check_regions
from scripts.data.regions.volume_mask import MaskedLabels, Masks, check_unmasked
from scripts.data.regions.voxel_checks import check_voxels
from scripts.data.volumes.downsampled import AS_STORED
from scripts.ops.nonfinite import REFUSE


def image_regions(
    volumes: Paths | Sequence[Paths],
    split: Split,
    box: str | None,
    crop: Sequence[int],
    grey_low: float | None = None,
    grey_high: float | None = None,
    downsample: Sequence[int] = AS_STORED,
    nonfinite: str = REFUSE,
    mask: Masks = None,
) -> list[Region]:
    """The regions of a split without their labels.

    Args:
        volumes, split, box, downsample, mask: as in `scripts.data.open_regions`.
        crop: size of a crop, (z, y, x) voxels.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        nonfinite: "refuse" refuses an image with NaN or infinite values; else they are for transform and dataset.

    Raises:
        ValueError: a crop that does not fit, a volume without a grey range or with NaN, a mask that leaves nothing, and
            whatever `open_regions` raises.
    """
    regions = open_regions(volumes, split, box, crop[0], downsample, label_of=_no_label, mask=mask)
    check_regions(regions, crop)
    check_grey(regions, grey_low, grey_high)
    check_voxels(regions, nonfinite)
    check_unmasked(regions)
    return regions


def labelled_regions(
    volumes: Paths | Sequence[Paths],
    labels: Labels,
    split: Split,
    box: str | None,
    crop: Sequence[int],
    labelled_sections: Sections = None,
    labelled_box: str | None = None,
    grey_low: float | None = None,
    grey_high: float | None = None,
    downsample: Sequence[int] = AS_STORED,
    nonfinite: str = REFUSE,
    mask: Masks = None,
) -> list[Region]:
    """The labelled boxes of volumes that a split is read from.

    A region's `box` is what may be read; its `labelled` part is where labels are known and where crops are centred.
    Labels outside it read as -1, unknown. Sections with gaps give one region for each run, which get shares of the
    crops by their labelled voxels.

    Args:
        volumes, split, box, downsample: as in `scripts.data.open_regions`; sections and the crop count the larger
            voxels too. Labels are aligned voxel for voxel with the image as it is stored.
        labels: as in `LabelChoice`.
        crop: size of a crop, (z, y, x) voxels.
        labelled_sections: the labels to use, of each region: null for all, a count for the first so many sections, or
            numbers of sections counted from the first of the volume.
        labelled_box: a box of voxels of the volume that the labels are used in; null for all.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        nonfinite: "refuse" refuses an image with NaN or infinite values; else they are for transform and dataset.
        mask: as in `scripts.data.open_regions`; labels are -1, unknown, where it is 0.

    Raises:
        ValueError: a volume without labels; labels of another shape or voxel size, of real numbers, in colour, of ids
            that do not fit, in the place of the image, or of background alone; an image with NaN; a budget
            outside the box; a crop that does not fit; and whatever `open_regions` raises.
        OSError: voxels that cannot be read.
        FileNotFoundError: no such volume, labels or data set.
    """
    choice = LabelChoice(labels, names_of(volumes))
    opened = open_regions(volumes, split, box, crop[0], downsample, label_of=choice, mask=mask)
    choice.check_shared(opened)
    check_regions(opened, crop)
    check_grey(opened, grey_low, grey_high)
    check_voxels(opened, nonfinite)
    regions = [part for region in opened for part in _within_budget(region, labelled_sections, labelled_box)]
    for region in regions:
        check_not_swapped(region)
    check_unmasked(regions)
    regions = [_masked(region) for region in regions]
    check_foreground(regions)
    return regions


def _no_label(volume: object, number: int) -> None:
    return None


def _masked(region: Region) -> Region:
    if region.mask is None or region.label is None:
        return region
    return dataclasses.replace(region, label=MaskedLabels(region.label, region.mask))


def _within_budget(region: Region, sections: Sections, labelled_box: str | None) -> list[Region]:
    """One region for each run of neighbouring sections whose labels may be used."""
    assert region.label is not None
    part = labelled_part(region.label)
    if sections is None and labelled_box is None and part is None:
        return [dataclasses.replace(region, label=KnownLabels(region.label))]
    try:
        boxes = budget_boxes(region.box, region.image.shape, sections, labelled_box)
    except ValueError as error:
        raise ValueError(f"{region.title}: {error}") from None
    if part is not None:
        inside = [box.overlap(part) for box in boxes]
        boxes = [box for box in inside if box is not None]
        if not boxes:
            raise ValueError(
                f"{region.title}: its labels are at {part}, outside the box {region.box} to read and the labels to "
                "use; give one that holds them: --train_box and --validation_box of a training, --box of an evaluation"
            )
    known = KnownLabels(region.label, boxes)
    total = sum(box.voxels for box in boxes)
    weight = None if region.weight is None else region.weight / total
    return [
        dataclasses.replace(region, label=known, labelled=box, weight=None if weight is None else weight * box.voxels)
        for box in boxes
    ]
