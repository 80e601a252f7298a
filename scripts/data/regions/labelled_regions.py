"""From what a config names to labelled regions: which labels belong to a volume, and how many of them are used."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

from scripts.data.datasets.manifest import Manifest, Split
from scripts.data.regions.downsampled_region import downsampled_region
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.label_budget import Sections, budget_boxes
from scripts.data.regions.label_search import check_foreground, check_not_swapped
from scripts.data.regions.open_regions import (
    SYNTHETIC,
    is_volume_path,
    named_manifest,
    open_entry,
    stored_regions,
)
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_grey, check_regions, check_weights
from scripts.data.volumes.downsampled import AS_STORED
from scripts.data.volumes.open import open_volume
from scripts.data.volumes.volume import Volume

Paths = str | os.PathLike[str]
SYNTHETIC_CLASSES = {"labels": "labels", "neurites": "labels", "mitochondria": "mitochondria"}
"""Words for `labels` of the synthetic volume and the dataset each one means."""


def labelled_regions(
    volumes: Paths | Sequence[Paths],
    labels: Paths | Sequence[Paths | None] | None,
    split: Split,
    box: str | None,
    crop: Sequence[int],
    labelled_sections: Sections = None,
    labelled_box: str | None = None,
    grey_low: float | None = None,
    grey_high: float | None = None,
    reduce: Sequence[int] = AS_STORED,
) -> list[Region]:
    """The labelled boxes of volumes that a split is read from, checked before any training.

    A region's `box` is what may be read; its `labelled` part is where labels are known and where crops are centred.
    Labels outside it read as -1, unknown. Sections with gaps give one region for each run, which get shares of the
    crops by their labelled voxels.

    Args:
        volumes: as in `scripts.data.open_regions`.
        labels: null for those of the data set or of the synthetic volume; the path of a label volume, such as
            `my.h5:labels`; or a class that a manifest names (`labels` of its entries) or the synthetic volume has
            (`neurites`, `mitochondria`). A list has one for each volume.
        split: `training`, `validation` or `test`.
        box: in place of the split's own, `z0:z1,y0:y1,x0:x1` in voxels.
        crop: size of a crop, (z, y, x) voxels.
        labelled_sections: the labels to use, of each region: null for all, a count for the first so many sections, or
            numbers of sections counted from the first of the volume.
        labelled_box: a box of voxels of the volume that the labels are used in; null for all.
        grey_low: grey value that is black; needed unless the volume is uint8.
        grey_high: grey value that is white.
        reduce: stored voxels (z, y, x) that are averaged into one, and of which labels take the middle one; boxes,
            sections and the crop count the larger voxels. Labels lie voxel for voxel over the image as it is stored.

    Raises:
        ValueError: a volume without labels; labels of another shape or voxel size, of real numbers, in colour, of ids
            that do not fit, in the place of the image, or of background alone; a budget outside the box; a crop that
            does not fit; and whatever `open_regions` raises.
        FileNotFoundError: no such volume, labels or data set.
    """
    named = [volumes] if isinstance(volumes, str | os.PathLike) else list(volumes)
    wanted = _one_each(labels, [os.fspath(name) for name in named])
    opened = [_labelled(os.fspath(n), w, split, box, crop[0], reduce) for n, w in zip(named, wanted, strict=True)]
    whole = [downsampled_region(region, reduce) for group in opened for region in group]
    _check_shared(labels, whole)
    check_weights(whole)
    check_regions(whole, crop)
    check_grey(whole, grey_low, grey_high)
    if labelled_sections is None and labelled_box is None:
        regions = [dataclasses.replace(region, label=_known(region)) for region in whole]
    else:
        regions = [part for region in whole for part in _within_budget(region, labelled_sections, labelled_box)]
    for region in regions:
        check_not_swapped(region)
    check_foreground(regions)
    return regions


def _within_budget(region: Region, sections: Sections, labelled_box: str | None) -> list[Region]:
    try:
        boxes = budget_boxes(region.box, region.image.shape, sections, labelled_box)
    except ValueError as error:
        raise ValueError(f"{region.title}: {error}") from None
    assert region.label is not None
    known = KnownLabels(region.label, boxes)
    total = sum(box.voxels for box in boxes)
    weight = None if region.weight is None else region.weight / total
    return [
        dataclasses.replace(region, label=known, labelled=box, weight=None if weight is None else weight * box.voxels)
        for box in boxes
    ]


def _known(region: Region) -> KnownLabels:
    assert region.label is not None
    return KnownLabels(region.label)


def _one_each(labels: Paths | Sequence[Paths | None] | None, names: Sequence[str]) -> list[str | None]:
    if labels is None or isinstance(labels, str | os.PathLike):
        return [None if labels is None else os.fspath(labels)] * len(names)
    words = [None if label is None else os.fspath(label) for label in labels]
    if len(words) != len(names):
        raise ValueError(f"{len(words)} labels for {len(names)} volumes ({', '.join(names)}); give one for each")
    return words


def _check_shared(labels: object, regions: Sequence[Region]) -> None:
    """Refuse one label volume for several images."""
    images = sorted({region.image.path for region in regions})
    if isinstance(labels, str | os.PathLike) and is_volume_path(os.fspath(labels)) and len(images) > 1:
        labelled = {region.label.path for region in regions if region.label is not None}
        if len(labelled) < len(images):
            raise ValueError(
                f"labels '{os.fspath(labels)}' is one volume for {len(images)} ({', '.join(images)}); give a list, one "
                "for each, or write the labels into a manifest, each beside its image"
            )


def _labelled(
    name: str, labels: str | None, split: Split, box: str | None, depth: int, reduce: Sequence[int]
) -> list[Region]:
    """The regions of one named volume as it is stored, each with the labels asked for."""
    regions = stored_regions(name, split, box, depth, reduce)
    manifest = None if name == SYNTHETIC else named_manifest(name)
    synthetic = name == SYNTHETIC or (manifest is not None and manifest.name == SYNTHETIC)
    classes = SYNTHETIC_CLASSES.keys() if synthetic else _classes(manifest, split)
    if labels is not None and labels not in classes and is_volume_path(labels):
        volume = _open_labels(labels)
        return [_with(region, volume) for region in regions]
    if synthetic:
        dataset = _of_class(SYNTHETIC_CLASSES, labels or "neurites", "the synthetic volume")
        return [_with(region, _open_labels(f"{region.image.path.rsplit(':', 1)[0]}:{dataset}")) for region in regions]
    if manifest is None:
        if labels is None:
            raise ValueError(f"{name} comes without labels; say where they are, for example --labels my.h5:labels")
        raise ValueError(
            f"labels '{labels}' is no path of a volume, and {name} no data set that names classes; give the labels of "
            "this volume, for example --labels my.h5:labels"
        )
    return [_of_entry(manifest, k, split, region, labels) for k, region in enumerate(regions)]


def _classes(manifest: Manifest | None, split: Split) -> set[str]:
    return set() if manifest is None else {name for entry in manifest.entries(split) for name in entry.labels}


def _of_entry(manifest: Manifest, k: int, split: Split, region: Region, labels: str | None) -> Region:
    entry, place = manifest.entries(split)[k], f"{manifest.path.name}: $.{split}[{k}]"
    if labels is None and region.label is not None:
        return _with(region, region.label)
    if labels is None and len(entry.labels) != 1:
        known = f"has labels of several classes, choose one: --labels {' or '.join(entry.labels)}"
        lacks = 'has no labels; add "label": "FILE:DATASET" to it, or give --labels my.h5:labels'
        raise ValueError(f"{place} {known if entry.labels else lacks}")
    name = next(iter(entry.labels)) if labels is None else labels
    path = _of_class(entry.labels, name, place)
    return _with(region, open_entry(manifest, path, f"{place}.labels.{name}"))


def _of_class(classes: Mapping[str, str], name: str, place: str) -> str:
    if name not in classes:
        there = f"it has: {', '.join(classes)}" if classes else 'add "labels": {"' + name + '": "FILE:DATASET"} to it'
        raise ValueError(f"{place} has no labels of the class '{name}'; {there}")
    return classes[name]


def _open_labels(path: str) -> Volume:
    try:
        return open_volume(path)
    except ValueError as error:
        raise ValueError(f"labels: {error} (labels have one whole number, the object's id, at each voxel)") from None


def _with(region: Region, labels: Volume) -> Region:
    """The region with these labels, if they lie voxel for voxel over the image."""
    labelled = dataclasses.replace(region, label=labels)
    image, label = region.image.voxel_size_nm, labels.voxel_size_nm
    if (
        image is not None
        and label is not None
        and any(abs(a - b) > 0.01 * a for a, b in zip(image, label, strict=True))
    ):
        raise ValueError(
            f"labels {labels.path} have voxels of {_times(label)} nm (z, y, x), image {region.image.path} of "
            f"{_times(image)} nm; bring both to one grid, or correct the voxel size that is stated wrongly"
        )
    return labelled


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
