"""The boxes of volumes that a split is read from: a volume is down-sampled first, then the box is cut from it."""

from collections.abc import Callable, Sequence

from scripts.data.datasets.manifest import Split
from scripts.data.regions.chunk_memory import chunk_note
from scripts.data.regions.label_alignment import aligned_labels
from scripts.data.regions.named_volumes import NamedVolume, Paths, named_volumes, names_of, times
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_weights
from scripts.data.regions.section_split import section_split
from scripts.data.regions.volume_mask import Masks, masks_of, open_mask
from scripts.data.regions.voxel_checks import region_remarks
from scripts.data.volumes.downsampled import (
    AS_STORED,
    checked_factors,
    describe_reduction,
    downsampled_labels,
    downsampled_volume,
)
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box


def stated_label(volume: NamedVolume, number: int) -> Volume | None:
    """The labels that the data set states for a volume, if it does."""
    return volume.label


def open_regions(
    volumes: Paths | Sequence[Paths],
    split: Split,
    box: str | None = None,
    section_depth: int = 6,
    downsample: Sequence[int] = AS_STORED,
    label_of: Callable[[NamedVolume, int], Volume | None] = stated_label,
    mask: Masks = None,
) -> list[Region]:
    """The boxes of volumes that a split is read from.

    Args:
        volumes: one or a list of: `synthetic` (made once and cached), the name of a data set in `data_manifests`, the
            path of a manifest (.json), the path of a volume as `open_volume` takes it.
        split: `training`, `validation` or `test`. A plain volume gives its first 90 % of sections to training and the
            rest, at least `section_depth`, to validation; it has no test split unless `box` is given.
        box: `z0:z1,y0:y1,x0:x1` in voxels, in place of the split's own box, of every volume named.
        section_depth: sections that a crop spans.
        downsample: stored voxels (z, y, x) that are averaged into one, labels taken from their middle; `box` and
            `section_depth` count the larger voxels, a manifest's own boxes the stored ones, of which whole blocks are
            kept: two boxes that share no stored voxel stay apart.
        label_of: labels of a volume, given with the number of its name in `volumes`; by default those that its data
            set states.
        mask: the voxels that count, see `open_mask`: one rule or volume, or a list with one for each name.

    Returns:
        Regions in the order named, boxes kept to the voxel.

    Raises:
        ValueError: unknown split, empty split, box outside the volume, too few sections for both splits, weights for
            some volumes only, factors that cannot be, labels or a mask that do not fit their image.
        FileNotFoundError: no such file or data set; the message gives the command that downloads it.

    Example:
        >>> (region,) = open_regions("synthetic", "training", box="0:6,:,:")
        >>> region.image[region.box.slices].shape
        (6, 512, 512)
    """
    names = names_of(volumes)
    masks = masks_of(mask, names)
    regions = [
        _region(volume, label_of(volume, number), masks[number], split, box, section_depth, downsample)
        for number, name in enumerate(names)
        for volume in named_volumes(name, split)
    ]
    check_weights(regions)
    return regions


def region_shares(regions: Sequence[Region]) -> list[float]:
    """Fraction of the crops that comes from each region: by weight where given, else by voxels (labelled ones)."""
    sizes = [float(region.sampling_box.voxels) if region.weight is None else region.weight for region in regions]
    return [size / sum(sizes) for size in sizes]


def describe(regions: Sequence[Region], workers: int | None = None) -> str:
    """One line a region: path, box, voxels, voxel size, labels, share of the crops; then a note on what is odd.

    Reads some pieces of each region, see `region_remarks`.

    Args:
        regions: of a split.
        workers: processes that read crops of them, for a note where their chunks do not fit in memory; None for none.
    """
    lines = []
    for region, share in zip(regions, region_shares(regions), strict=True):
        size = region.image.voxel_size_nm
        scale = "voxel size unknown" if size is None else f"{times(size)} nm"
        name = f"{region.name}: " if region.name else ""
        known = f" in {region.labelled}" if region.labelled is not None else ""
        label = f", labels {region.label.path}{known}" if region.label is not None else ""
        path = f"{region.image.path}{describe_reduction(region.image)}"
        mask = f", mask {region.mask.path}" if region.mask is not None else ""
        lines.append(
            f"{name}{path}, box {region.box} ({_count(region.box.voxels)} voxels, {scale}){label}{mask}, "
            f"{share:.0%} of the crops"
        )
    notes = [f"note: {region.image.path}: {remark}" for region in regions for remark in region_remarks(region)]
    chunks = None if workers is None else chunk_note(regions, workers)
    return "\n".join([*lines, *dict.fromkeys(notes), *([f"note: {chunks}"] if chunks else [])])


def _region(
    volume: NamedVolume,
    label: Volume | None,
    mask: str | None,
    split: Split,
    box: str | None,
    depth: int,
    downsample: Sequence[int],
) -> Region:
    try:
        image = downsampled_volume(volume.image, downsample)
        if label is not None:
            label = downsampled_labels(aligned_labels(label, volume.image), downsample)  # aligned as stored
        cut = _box(volume, image, split, box, depth, downsample)
        counted = None if mask is None else open_mask(mask, volume.image, image, downsample)
        return Region(image, cut, label, volume.weight, volume.name, mask=counted)
    except ValueError as error:
        if not volume.own_split:
            raise
        raise ValueError(f"{volume.place}{'.box' if box is None and volume.box else ''}: {error}") from None


def _box(
    volume: NamedVolume, image: Volume, split: Split, box: str | None, depth: int, downsample: Sequence[int]
) -> Box:
    """The box to read, in voxels of `image`, which is the volume at the factors `downsample`."""
    where = f"{image.path}{describe_reduction(image)}"
    if box is not None or (volume.own_split and volume.box is None):
        try:
            return Box.parse(box, image.shape)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if not volume.own_split:
        name = volume.name or image.path
        first, last = section_split(image.shape[0], split, depth, f"{name}{describe_reduction(image)}")
        return Box((first, 0, 0), (last, *image.shape[1:]))
    try:
        stored = Box.parse(volume.box, volume.image.shape)
    except ValueError as error:
        raise ValueError(f"{image.path}: {error}") from None
    try:
        return stored.coarser(checked_factors(downsample, volume.image.shape, where))
    except ValueError:
        raise ValueError(
            f"box {stored} of {volume.image.path or 'volume in memory'} holds no whole block of downsample "
            f"{list(downsample)}; give a larger box, or smaller factors"
        ) from None


def _count(number: int) -> str:
    return next(
        (f"{number / unit:.4g} {word}" for unit, word in ((1e9, "G"), (1e6, "M")) if number >= unit), f"{number}"
    )
