"""Write a volume in the format that the name of the target asks for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import zarr

from scripts.data.export.copying import copy_volume, resumable_folder
from scripts.data.export.target import Description, Target
from scripts.data.files.ome_version import checked_version
from scripts.data.files.overwriting import check_overwritten
from scripts.data.files.writing import write_hdf5
from scripts.data.volumes.cloud import without_secrets
from scripts.data.volumes.volume import Volume

KINDS = {".zarr": "ome-zarr", ".h5": "hdf5", ".hdf5": "hdf5", ".tif": "tiff", ".tiff": "tiff"}
PRECOMPUTED = "precomputed://"
Finish = Callable[[Path, Target], list[str]]
"""What is added to a complete precomputed volume: its folder and the volume to the lines that describe it."""


class Destination(NamedTuple):
    """Format, path, and name of the dataset or labels within it, or None."""

    kind: str
    path: Path
    inner: str | None


class Options(NamedTuple):
    """How a volume is written.

    Attributes:
        labels: whether the voxels are ids.
        version: of OME-Zarr.
        plan: what is written, to refuse the continuation of something else.
        resume, overwrite: as `resumable_folder`.
        progress: is called with the voxels of each block.
        attributes: stored with labels in OME-Zarr and precomputed.
    """

    labels: bool
    version: str = "0.5"
    plan: Mapping[str, Any] = MappingProxyType({})
    resume: bool = False
    overwrite: bool = False
    progress: Callable[[int], object] | None = None
    attributes: Mapping[str, Any] = MappingProxyType({})


def parse_target(target: str) -> Destination:
    """What the name of a target asks for.

    Args:
        target: `image.zarr`, `image.zarr:labels/NAME`, `precomputed://FOLDER`, `file.h5`, `file.h5:DATASET` or
            `stack.tif`.

    Raises:
        ValueError: no format has this name.
    """
    if "://" in target.removeprefix(PRECOMPUTED):
        raise ValueError(
            f"target '{without_secrets(target)}' is at an address, and files of this machine alone are written; write "
            "to a folder and copy it there"
        )
    if target.startswith(PRECOMPUTED):
        return Destination("precomputed", Path(target.removeprefix(PRECOMPUTED).rstrip("/")), None)
    file, colon, inner = target.partition(":")
    kind = KINDS.get(Path(file.rstrip("/")).suffix.lower())
    if kind is None:
        raise ValueError(
            f"target '{target}' is of an unknown format; give image.zarr, image.zarr:labels/NAME, file.h5:DATASET, "
            "stack.tif or precomputed://FOLDER"
        )
    name = inner.strip("/") or None
    if kind == "ome-zarr" and name is not None:
        if not name.startswith("labels/") or name.count("/") != 1:
            raise ValueError(f"target '{target}': what is added to an image is labels; name them {file}:labels/NAME")
        name = name.removeprefix("labels/")
    if kind == "tiff" and colon:
        raise ValueError(f"target '{target}': a TIFF stack holds one volume; leave ':{inner}' out")
    return Destination(kind, Path(file.rstrip("/")), name)


def name_of(target: str) -> str:
    """What a volume is called in its metadata: `cells` of `image.zarr:labels/cells` and of `cells.ome.zarr`."""
    _, path, inner = parse_target(target)
    return inner or path.stem.removesuffix(".ome")


def for_viewers(target: str) -> bool:
    """Whether a target is of a form that viewers open as it is, beside the plain `.zarr` and `.h5` of `decode`.

    Raises:
        ValueError: no format has this name.
    """
    kind, path, inner = parse_target(target)
    return kind in ("precomputed", "tiff") or (
        kind == "ome-zarr" and (inner is not None or path.name.endswith(".ome.zarr"))
    )


def write_volume(volume: Volume, target: str, options: Options, finish: Finish | None = None) -> list[str]:
    """Write a volume.

    Args:
        volume: the voxels, (z, y, x), with their size and position.
        target: as `parse_target`.
        options: how.
        finish: what to add to a precomputed volume before it is complete.

    Returns:
        Lines that describe what was written.

    Raises:
        FileExistsError: the target exists, or was begun.
        ValueError: the format cannot hold the voxels, or what would be overwritten holds something else.
        OSError: it cannot be written.
    """
    kind, path, inner = parse_target(target)
    size, first = volume.voxel_size_nm, volume.position
    about = Description(
        volume.shape,
        volume.dtype,
        size,
        first if size is None else volume.offset_nm,
        options.labels,
        name=name_of(target),
    )
    if kind == "hdf5":
        name = inner or ("labels" if options.labels else "raw")
        if options.overwrite:
            check_overwritten(path, [name])
        notes = {} if first is None else {"offset": first}
        write_hdf5(path, {name: volume}, size, overwrite=options.overwrite, attributes=notes)
        return []
    if kind == "tiff":
        from scripts.data.export.stacks import write_tiff

        write_tiff(path, volume, volume.voxel_size_nm, options.overwrite)
        return []
    if kind == "precomputed":
        return _write_precomputed(path, volume, about, options, finish)
    return _write_ome_zarr(path, inner, volume, about, options)


def _write_precomputed(
    path: Path, volume: Volume, about: Description, options: Options, finish: Finish | None
) -> list[str]:
    from scripts.data.export.precomputed import PrecomputedTarget
    from scripts.data.export.segment_table import set_info

    with resumable_folder(path, dict(options.plan), options.resume, options.overwrite) as (folder, record):
        target = PrecomputedTarget(folder, about)
        copy_volume(volume, target, record, options.progress)
        if options.attributes:
            set_info(folder, attributes=dict(options.attributes))
        return [f"precomputed, {levels_text(target)}", *(finish(folder, target) if finish is not None else [])]


def _write_ome_zarr(path: Path, label: str | None, volume: Volume, about: Description, options: Options) -> list[str]:
    from scripts.data.export.ome_zarr import OmeZarrTarget, add_label_name, factors_of_image, version_of

    folder, version, factors = path, checked_version(options.version), None
    if label is not None:
        version, folder, factors = version_of(path), path / "labels" / label, factors_of_image(path)
        about = about._replace(labels=True)
        if about.dtype.kind not in "ui":
            raise ValueError(f"labels of type {about.dtype} are no ids; OME-Zarr labels are whole numbers")
    plan = {**options.plan, "version": version}
    with resumable_folder(folder, plan, options.resume, options.overwrite) as (partial, record):
        target = OmeZarrTarget(partial, about, version, factors=factors)
        copy_volume(volume, target, record, options.progress)
        zarr.open_group(partial, mode="r+").attrs.update(options.attributes)
    if label is not None:
        add_label_name(path, label)
    return [f"OME-Zarr {version}, {levels_text(target)}"]


def levels_text(target: Target) -> str:
    """Return `2 levels (z, y, x): 6x60x80, 6x30x40`."""
    shapes = ["x".join(map(str, level.shape)) for level in target.levels]
    return f"{len(shapes)} level{'s' if len(shapes) > 1 else ''} (z, y, x): {', '.join(shapes)}"


def voxels_of_levels(shape: Sequence[int]) -> int:
    """Voxels of a pyramid at most, for a progress bar: a third more than those of the finest level."""
    return int(np.prod(shape)) * 4 // 3
