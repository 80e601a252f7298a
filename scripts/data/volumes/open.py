"""Open a volume by its path, whatever the format."""

import difflib
import os
from collections.abc import Sequence

from scripts.data.volumes.damage import named_damage
from scripts.data.volumes.volume import Volume
from scripts.data.volumes.voxel_size import checked_voxel_size

FORMATS = {
    "hdf5": (".h5", ".hdf5", ".hdf"),
    "zarr": (".zarr",),
    "tiff": (".tif", ".tiff"),
    "nifti": (".nii", ".nii.gz"),
    "npy": (".npy",),
    "n5": (".n5",),
}
DESCRIBED = {
    "hdf5": "HDF5 file",
    "zarr": "Zarr folder",
    "tiff": "TIFF file",
    "nifti": "NIfTI file",
    "npy": ".npy file",
    "n5": "N5 container",
    "precomputed": "precomputed volume",
    "remote zarr": "Zarr hierarchy",
    "sections": "folder of sections",
}
KNOWN = (
    "HDF5 (file.h5 or file.h5:dataset), Zarr 2 and 3 and OME-Zarr (folder.zarr or folder.zarr:array), N5 (folder.n5 or "
    "folder.n5:dataset), Neuroglancer precomputed (its folder), a folder of PNG, TIFF or JPEG sections, multi-page "
    "TIFF (.tif), NIfTI (.nii, .nii.gz), NumPy (.npy); N5, precomputed and Zarr also at an address (s3://, gs://, "
    "https://)"
)
NESTED = ("hdf5", "zarr", "n5", "precomputed", "remote zarr")
"""Formats in which a part is named after a colon: a dataset, an array or a scale level."""
SCALED = ("zarr", "n5", "precomputed", "remote zarr")
SCHEMES = ("http", "https", "s3", "gs")
VIEWER_PREFIXES = {"precomputed": "precomputed", "n5": "n5", "zarr": "remote zarr", "zarr2": "remote zarr"}
VIEWER_PREFIXES |= {"zarr3": "remote zarr"}
"""What Neuroglancer writes before an address, and the format that it stands for."""


def open_volume(
    path: str | os.PathLike[str],
    *,
    scale: int = 0,
    voxel_size_nm: Sequence[float] | None = None,
    cache_mib: float = 128.0,
) -> Volume:
    """Open a volume; its voxels are read only when it is indexed.

    Args:
        path: `file.h5:dataset`, `folder.zarr`, `folder.zarr:array`, `folder.n5:dataset`, a folder with Neuroglancer's
            `info` (or `precomputed://FOLDER`), a folder of sections, `stack.tif`, `file.nii.gz` or `file.npy`; or the
            address of a Zarr, N5 or precomputed volume, such as `s3://bucket/image.zarr`. A scale level may be named,
            or its number given: `image.zarr:1`, `precomputed_folder:8_8_30`. Where an HDF5 file or a Zarr folder has
            exactly one 3D array, its name may be left out. Axes of length 1 beside z, y and x are left out.
        scale: level of an OME-Zarr, N5 or precomputed image, 0 the finest.
        voxel_size_nm: edge lengths of a voxel (z, y, x) in nm; None takes what the file states.
        cache_mib: memory for decoded chunks and mapped pages in MiB. It is a budget for the run: the volumes of a
            process share one cache, as large as the largest budget among them, and DataLoader workers divide it.

    Returns:
        A `Volume`: shape, dtype, voxel_size_nm, and `volume[z, y, x]`.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: an unknown format, no such dataset, not a 3D array of numbers, corrupt or cut off.
        OSError: the file or the address cannot be read.
        ImportError: a format that needs the extra `cloud`, which is not installed.

    Example:
        >>> volume = open_volume("volume.h5:raw")
        >>> volume.shape, volume.voxel_size_nm
        ((100, 1024, 1024), (30.0, 6.0, 6.0))
        >>> crop = volume[0:6, 0:96, 0:96]
    """
    if voxel_size_nm is not None:
        voxel_size_nm = checked_voxel_size(voxel_size_nm, "the argument voxel_size_nm")
    if not cache_mib >= 0:
        raise ValueError(f"cache_mib {cache_mib} is negative; 0 keeps no chunks, 128 is the usual")
    file, inner = split_path(os.fspath(path))
    kind, file = kind_of(file)
    if inner is not None and kind not in NESTED:
        raise ValueError(f"'{file}' holds one volume, so '{inner}' after the colon means nothing; leave ':{inner}' out")
    if scale != 0 and kind not in SCALED:
        raise ValueError(
            f"scale {scale} was requested of '{file}'; only OME-Zarr, N5 and precomputed have levels, leave scale out"
        )
    place = file.rstrip("/")
    if "://" in file:
        from scripts.data.volumes.cloud import without_secrets

        place = without_secrets(place)
    with named_damage(place, DESCRIBED[kind], "correct its metadata, or write it again"):
        return _open(kind, file, inner, scale, voxel_size_nm, cache_mib)


def _open(
    kind: str, file: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """Open a file of a known format, whose libraries are loaded only now."""
    if kind == "hdf5":
        from scripts.data.volumes.hdf5 import open_hdf5

        return open_hdf5(file, inner, voxel_size_nm, cache_mib)
    if kind == "zarr":
        from scripts.data.volumes.zarr import open_zarr

        return open_zarr(file, inner, scale, voxel_size_nm, cache_mib)
    if kind == "tiff":
        from scripts.data.volumes.images.tiff import open_tiff

        return open_tiff(file, voxel_size_nm, cache_mib)
    if kind == "nifti":
        from scripts.data.volumes.nifti import open_nifti

        return open_nifti(file, voxel_size_nm, cache_mib)
    if kind == "npy":
        from scripts.data.volumes.npy import open_npy

        return open_npy(file, voxel_size_nm, cache_mib)
    if kind == "n5":
        from scripts.data.volumes.n5 import open_n5

        return open_n5(file, inner, scale, voxel_size_nm, cache_mib)
    if kind == "precomputed":
        from scripts.data.volumes.precomputed import open_precomputed

        return open_precomputed(file, inner, scale, voxel_size_nm, cache_mib)
    if kind == "remote zarr":
        from scripts.data.volumes.remote_zarr import open_remote_zarr

        return open_remote_zarr(file, inner, scale, voxel_size_nm, cache_mib)
    from scripts.data.volumes.images.sections import open_sections

    return open_sections(file, voxel_size_nm, cache_mib)


def split_path(path: str) -> tuple[str, str | None]:
    """`file.h5:dataset`, or `file.h5/dataset`, to its two parts; a colon in the name of a file is part of it."""
    path = without_prefix(path)
    if "://" in path:
        scheme, _, rest = path.rpartition("://")
        host, slash, within = rest.partition("/")
        folder, colon, inner = within.partition(":")
        return f"{scheme}://{host}{slash}{folder}", (inner.strip("/") or None) if colon else None
    file, inner = path, ""
    if not os.path.exists(path):
        if ":" in path:
            file, inner = path.rsplit(":", 1)
        elif not os.path.exists(container_of(path)):
            return path, None
    container = container_of(file)
    within = file[len(container) :].strip("/")
    inner = "/".join(part for part in (within, inner.strip("/")) if part)
    return container, inner or None


def without_prefix(path: str) -> str:
    """The folder of `precomputed://FOLDER`, as `convert` names it, and of `file://FOLDER`; any other path as it is."""
    prefix, marked, rest = path.partition("://")
    if marked and prefix in VIEWER_PREFIXES and ("://" not in rest or rest.startswith("file://")):
        path = rest
    return path.removeprefix("file://")


def container_of(path: str) -> str:
    """The HDF5 file, Zarr or N5 folder that a path leads into, or the path itself: `a.h5` of `a.h5/raw`."""
    parts = path.rstrip("/").split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        suffix = next((kind for kind in ("hdf5", "zarr", "n5") if above.lower().endswith(FORMATS[kind])), None)
        if suffix is not None and (os.path.isfile(above) if suffix == "hdf5" else os.path.isdir(above)):
            return above
    return path


def kind_of(file: str) -> tuple[str, str]:
    """The format of a file or address, and the path without what a viewer writes before it."""
    name = os.path.basename(file.rstrip("/")).lower()
    kind = next((kind for kind, suffixes in FORMATS.items() if name.endswith(suffixes)), None)
    if "://" in file:
        return _kind_at_address(file, kind)
    if not os.path.exists(file):
        raise FileNotFoundError(f"there is no volume '{file}'{_similar(file)}")
    if os.path.isdir(file):
        metadata = any(os.path.exists(os.path.join(file, name)) for name in ("zarr.json", ".zarray", ".zgroup"))
        if metadata or kind == "zarr":
            return "zarr", file
        if kind == "n5" or os.path.isfile(os.path.join(file, "attributes.json")):
            return "n5", file
        return "precomputed" if os.path.isfile(os.path.join(file, "info")) else "sections", file
    if name.endswith((".png", ".jpg", ".jpeg")):
        raise ValueError(f"'{file}' is one 2D section; give the folder that holds all sections")
    if kind is None or kind in ("zarr", "n5"):
        raise ValueError(f"'{file}' is of an unknown format; known are: {KNOWN}")
    return kind, file


def _kind_at_address(file: str, kind: str | None) -> tuple[str, str]:
    scheme, _, rest = file.partition("://")
    if scheme in VIEWER_PREFIXES and rest.partition("://")[0] in SCHEMES:
        return VIEWER_PREFIXES[scheme], rest
    from scripts.data.volumes.cloud import Store, without_secrets

    shown = without_secrets(file)
    if scheme not in SCHEMES:
        raise ValueError(f"'{shown}' is an address of a kind that is not read; read are {', '.join(SCHEMES)}")
    if kind in ("zarr", "n5"):
        return "remote zarr" if kind == "zarr" else "n5", file
    store = Store(file)
    marks = (("info", "precomputed"), ("attributes.json", "n5"), ("zarr.json", "remote zarr"))
    for key, found in (*marks, (".zattrs", "remote zarr"), (".zarray", "remote zarr")):
        if store.read(key) is not None:
            return found, file
    raise ValueError(
        f"'{shown}' holds neither a precomputed volume nor N5 nor Zarr; give the folder that has info, attributes.json "
        "or zarr.json"
    )


def _similar(file: str) -> str:
    folder, name = os.path.split(os.path.abspath(file))
    if not os.path.isdir(folder):
        return f"; its folder '{folder}' does not exist either"
    close = difflib.get_close_matches(name, os.listdir(folder), n=1)
    return f"; did you mean '{close[0]}' in '{folder}'?" if close else f" in '{folder}'; check the path"
