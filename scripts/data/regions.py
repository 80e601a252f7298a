"""From what a config names (a path, a data set, the synthetic volume) to the regions that a split is read from."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.data.manifest import SPLITS, Manifest, Split, known_manifests, load_manifest
from scripts.data.region import Region
from scripts.data.volumes.open import FORMATS, open_volume
from scripts.data.volumes.volume import Volume
from scripts.ops.box import AXES, Box

TRAINING_SHARE = 0.9
"""Share of the sections of a plain volume that training reads; validation reads the rest, never the same ones."""
SYNTHETIC = "synthetic"


def open_regions(
    volumes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    split: Split,
    box: str | None = None,
    section_depth: int = 6,
) -> list[Region]:
    """The boxes of volumes that a split is read from.

    Args:
        volumes: one or a list of: `synthetic` (made once and cached), the name of a data set in `data_manifests`, the
            path of a manifest (.json), the path of a volume as `open_volume` takes it.
        split: `training`, `validation` or `test`. A plain volume gives its first 90 % of sections to training and the
            rest, at least `section_depth`, to validation; it has no test split unless `box` is given.
        box: `z0:z1,y0:y1,x0:x1` in voxels, in place of the split's own box, of every volume named.
        section_depth: sections that a crop spans.

    Returns:
        Regions in the order named, boxes kept to the voxel.

    Raises:
        ValueError: unknown split, empty split, box outside the volume, too few sections for both splits, weights for
            some volumes only.
        FileNotFoundError: no such file or data set; says how to fetch it.
    """
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
    named = [volumes] if isinstance(volumes, str | os.PathLike) else list(volumes)
    if not named:
        raise ValueError("no volume is named; give a path, the name of a data set, or 'synthetic'")
    regions = [region for name in named for region in _open(os.fspath(name), split, box, section_depth)]
    check_weights(regions)
    return regions


def check_weights(regions: Sequence[Region]) -> None:
    """Raise ValueError, naming two of them, where some regions have a weight and others none."""
    weighted = [region for region in regions if region.weight is not None]
    if weighted and len(weighted) < len(regions):
        bare = next(region.title for region in regions if region.weight is None)
        raise ValueError(f"{weighted[0].title} has a weight, {bare} has none; give a weight to every volume or to none")


def check_grey(regions: Sequence[Region], low: float | None, high: float | None) -> None:
    """Refuse volumes whose grey values have no declared range, before training.

    Raises:
        ValueError: a volume that is not uint8, with no range given; or half a range.
    """
    if (low is None) != (high is None):
        raise ValueError(
            f"grey_low {low}, grey_high {high}: give both, the values that are black and white, or neither"
        )
    for region in regions:
        if low is None and np.dtype(region.image.dtype) != np.uint8:
            white = 65535 if np.dtype(region.image.dtype) == np.uint16 else 1
            raise ValueError(
                f"{region.image.path} has {region.image.dtype} grey values: say which are black and white, for example "
                f"--grey_low 0 --grey_high {white}"
            )


def check_regions(regions: Sequence[Region], size: Sequence[int]) -> None:
    """Make sure that a crop of `size` (z, y, x) voxels fits every region.

    Raises:
        ValueError: no regions, or one that is smaller along some axis; names volume, box, axis and both sizes.
    """
    if not regions:
        raise ValueError("there is no region to take crops from")
    for region in regions:
        for axis, want, have in zip(AXES, size, region.box.shape, strict=True):
            if want > have:
                raise ValueError(
                    f"a crop of {_times(size)} voxels does not fit box {region.box} of {region.title} (volume of shape "
                    f"{tuple(region.image.shape)}): {want} voxels along {axis}, the box has {have}; "
                    f"make the crop smaller or the box larger"
                )


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
        lines.append(
            f"{name}{region.image.path}, box {region.box} ({_count(region.box.voxels)} voxels, {scale}){label}, "
            f"{share:.0%} of the crops"
        )
    return "\n".join(lines)


def section_split(depth: int, split: Split, section_depth: int, name: str) -> tuple[int, int]:
    """First and last + 1 section of a split of a volume of `depth` sections: 90 % to train, the rest to validate.

    Raises:
        ValueError: too few sections for two parts of `section_depth`, or the test split, which there is none of.
    """
    if split == "test":
        raise ValueError(f"{name} has no test split; give a box (z0:z1,y0:y1,x0:x1) or a manifest that names one")
    last = min(int(TRAINING_SHARE * depth + 1e-9), depth - section_depth)
    if last < section_depth:
        raise ValueError(
            f"{name} has {depth} sections, too few to train and to validate on {section_depth} each; give boxes of "
            f"your own, crops of fewer sections, or a manifest that validates on another volume"
        )
    return (0, last) if split == "training" else (last, depth)


def _open(name: str, split: Split, box: str | None, section_depth: int) -> list[Region]:
    if name == SYNTHETIC:
        from scripts.data.synthetic import cached_synthetic  # makes the volume at the first call

        path = cached_synthetic()
        labels = open_volume(f"{path}:labels")
        return [_by_sections(open_volume(f"{path}:raw"), labels, SYNTHETIC, split, box, section_depth)]
    manifest = named_manifest(name)
    if manifest is None:
        return [_by_sections(open_volume(name), None, "", split, box, section_depth)]
    if manifest.name == SYNTHETIC:
        return _open(SYNTHETIC, split, box, section_depth)
    return _of_manifest(manifest, split, box)


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
    image: Volume, label: Volume | None, name: str, split: Split, box: str | None, section_depth: int
) -> Region:
    if box is not None:
        return Region(image, _parse(box, image), label, name=name)
    first, last = section_split(image.shape[0], split, section_depth, name or image.path)
    return Region(image, Box((first, 0, 0), (last, *image.shape[1:])), label, name=name)


def _of_manifest(manifest: Manifest, split: Split, box: str | None) -> list[Region]:
    regions = []
    for k, entry in enumerate(manifest.entries(split)):
        place = f"{manifest.path.name}: $.{split}[{k}]"
        image = open_entry(manifest, entry.image, f"{place}.image")
        label = None if entry.label is None else open_entry(manifest, entry.label, f"{place}.label")
        try:
            part = _parse(box if box is not None else entry.box, image)
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


def _parse(box: str | None, image: Volume) -> Box:
    try:
        return Box.parse(box, image.shape)
    except ValueError as error:
        raise ValueError(f"{image.path}: {error}") from None


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)


def _count(number: int) -> str:
    return next(
        (f"{number / unit:.4g} {word}" for unit, word in ((1e9, "G"), (1e6, "M")) if number >= unit), f"{number}"
    )
