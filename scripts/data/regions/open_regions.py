"""From what a config names (a path, a data set, the synthetic volume) to the regions that a split is read from."""

import os
from collections.abc import Sequence
from pathlib import Path

from scripts.data.datasets.manifest import SPLITS, Manifest, Split, known_manifests, load_manifest
from scripts.data.regions.downsampled_region import downsampled_region
from scripts.data.regions.region import Region
from scripts.data.regions.region_checks import check_weights
from scripts.data.regions.section_split import section_split
from scripts.data.volumes.downsampled import (
    AS_STORED,
    checked_factors,
    downsampled_shape,
    factors_in_words,
    reduction_in_words,
)
from scripts.data.volumes.open import FORMATS, open_volume
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box

SYNTHETIC = "synthetic"


def open_regions(
    volumes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    split: Split,
    box: str | None = None,
    section_depth: int = 6,
    reduce: Sequence[int] = AS_STORED,
) -> list[Region]:
    """The boxes of volumes that a split is read from.

    Args:
        volumes: one or a list of: `synthetic` (made once and cached), the name of a data set in `data_manifests`, the
            path of a manifest (.json), the path of a volume as `open_volume` takes it.
        split: `training`, `validation` or `test`. A plain volume gives its first 90 % of sections to training and the
            rest, at least `section_depth`, to validation; it has no test split unless `box` is given.
        box: `z0:z1,y0:y1,x0:x1` in voxels, in place of the split's own box, of every volume named.
        section_depth: sections that a crop spans.
        reduce: stored voxels (z, y, x) that are averaged into one; `box` and `section_depth` count the larger voxels,
            a manifest's own boxes the stored ones.

    Returns:
        Regions in the order named, boxes kept to the voxel.

    Raises:
        ValueError: unknown split, empty split, box outside the volume, too few sections for both splits, weights for
            some volumes only, factors that cannot be.
        FileNotFoundError: no such file or data set; says how to fetch it.
    """
    stored = stored_regions(volumes, split, box, section_depth, reduce)
    return [downsampled_region(region, reduce) for region in stored]


def stored_regions(
    volumes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    split: Split,
    box: str | None,
    section_depth: int,
    reduce: Sequence[int],
) -> list[Region]:
    """`open_regions` before they are reduced: volumes and boxes in the voxels that the files have."""
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
    named = [volumes] if isinstance(volumes, str | os.PathLike) else list(volumes)
    if not named:
        raise ValueError("no volume is named; give a path, the name of a data set, or 'synthetic'")
    regions = [region for name in named for region in _open(os.fspath(name), split, box, section_depth, reduce)]
    check_weights(regions)
    return regions


def region_shares(regions: Sequence[Region]) -> list[float]:
    """Fraction of the crops that comes from each region: by weight where given, else by voxels (labelled ones)."""
    sizes = [float(region.aim.voxels) if region.weight is None else region.weight for region in regions]
    return [size / sum(sizes) for size in sizes]


def describe(regions: Sequence[Region]) -> str:
    """One line a region: path, box, voxels, voxel size, labels, share of the crops."""
    lines = []
    for region, share in zip(regions, region_shares(regions), strict=True):
        size = region.image.voxel_size_nm
        scale = "voxel size unknown" if size is None else f"{' x '.join(f'{edge:g}' for edge in size)} nm"
        name = f"{region.name}: " if region.name else ""
        known = f" in {region.labelled}" if region.labelled is not None else ""
        label = f", labels {region.label.path}{known}" if region.label is not None else ""
        path = f"{region.image.path}{reduction_in_words(region.image)}"
        lines.append(
            f"{name}{path}, box {region.box} ({_count(region.box.voxels)} voxels, {scale}){label}, "
            f"{share:.0%} of the crops"
        )
    return "\n".join(lines)


def _open(name: str, split: Split, box: str | None, section_depth: int, reduce: Sequence[int]) -> list[Region]:
    if name == SYNTHETIC:
        from scripts.data.synthetic import cached_synthetic  # makes the volume at the first call

        path = cached_synthetic()
        labels = open_volume(f"{path}:labels")
        return [_by_sections(open_volume(f"{path}:raw"), labels, SYNTHETIC, split, box, section_depth, reduce)]
    manifest = named_manifest(name)
    if manifest is None:
        return [_by_sections(open_volume(name), None, "", split, box, section_depth, reduce)]
    if manifest.name == SYNTHETIC:
        return _open(SYNTHETIC, split, box, section_depth, reduce)
    return _of_manifest(manifest, split, box, reduce)


def named_manifest(name: str) -> Manifest | None:
    """The manifest that a config's word for a volume names, or None where it is the path of a volume.

    Raises:
        FileNotFoundError: neither a file here nor a data set.
    """
    if name.endswith(".json"):
        return load_manifest(name)
    if is_volume_path(name):
        return None
    known = sorted({SYNTHETIC, *known_manifests()})
    if name not in known:
        raise FileNotFoundError(
            f"'{name}' is neither a file or folder here nor a data set; there are: {', '.join(known)}"
        )
    return load_manifest(name)


def is_volume_path(name: str) -> bool:
    """Whether a word is the path of a volume rather than the name of something."""
    suffixes = tuple(suffix for group in FORMATS.values() for suffix in group)
    file = name if os.path.exists(name) else name.rsplit(":", 1)[0]
    return os.path.exists(file) or os.sep in name or file.lower().endswith(suffixes)


def _by_sections(
    image: Volume,
    label: Volume | None,
    name: str,
    split: Split,
    box: str | None,
    section_depth: int,
    reduce: Sequence[int],
) -> Region:
    if box is not None:
        return Region(image, _parse(box, image, reduce), label, name=name)
    factors = checked_factors(reduce, image.shape, image.path)
    depth, height, width = downsampled_shape(image.shape, factors)
    first, last = section_split(depth, split, section_depth, f"{name or image.path}{factors_in_words(factors)}")
    return Region(image, Box((first, 0, 0), (last, height, width)).finer(factors), label, name=name)


def _of_manifest(manifest: Manifest, split: Split, box: str | None, reduce: Sequence[int]) -> list[Region]:
    regions = []
    for k, entry in enumerate(manifest.entries(split)):
        place = f"{manifest.path.name}: $.{split}[{k}]"
        image = open_entry(manifest, entry.image, f"{place}.image")
        label = None if entry.label is None else open_entry(manifest, entry.label, f"{place}.label")
        try:
            part = _parse(entry.box, image) if box is None else _parse(box, image, reduce)
            regions.append(Region(image, part, label, entry.weight, manifest.name))
        except ValueError as error:
            raise ValueError(f"{place}{'.box' if box is None and entry.box else ''}: {error}") from None
    return regions


def open_entry(manifest: Manifest, path: str, place: str) -> Volume:
    """A volume of a manifest, with the voxel size that the manifest states; `place` names its key in messages.

    Raises:
        FileNotFoundError: no such file; says how to fetch it.
        ValueError: the file states another voxel size.
    """
    file = Path(path if os.path.exists(path) or ":" not in path else path.rsplit(":", 1)[0])
    if not file.exists():
        remedy = "check the path, relative ones are counted from the manifest's own folder"
        if manifest.files:
            remedy = f"get it with: python -m scripts fetch {manifest.name} (or set SEM_DATA_HOME to where it is)"
        raise FileNotFoundError(f"{place}: there is no file '{file}'; {remedy}")
    volume = open_volume(path)
    stated = volume.voxel_size_nm
    if stated is None:
        return open_volume(path, voxel_size_nm=manifest.voxel_size_nm)
    if any(abs(a - b) > 0.01 * b for a, b in zip(stated, manifest.voxel_size_nm, strict=True)):
        raise ValueError(
            f"{place}: {volume.path} states voxels of {_times(stated)} nm, $.voxel_size_nm says "
            f"{_times(manifest.voxel_size_nm)}; correct the one that is wrong"
        )
    return volume


def _parse(box: str | None, image: Volume, reduce: Sequence[int] = AS_STORED) -> Box:
    """A box that counts blocks of `reduce` voxels, in stored voxels."""
    factors = checked_factors(reduce, image.shape, image.path)
    try:
        return Box.parse(box, downsampled_shape(image.shape, factors)).finer(factors)
    except ValueError as error:
        raise ValueError(f"{image.path}{factors_in_words(factors)}: {error}") from None


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)


def _count(number: int) -> str:
    return next(
        (f"{number / unit:.4g} {word}" for unit, word in ((1e9, "G"), (1e6, "M")) if number >= unit), f"{number}"
    )
