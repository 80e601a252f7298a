"""Open an HDF5 file and find an array in it; name damage, missing filters and links to other files."""

import os
from contextlib import suppress
from importlib import import_module

import h5py

from scripts.data.volumes.lookup.choose_array import StoredArray, choose_array

FILTERS = {
    32001: "Blosc",
    32004: "LZ4",
    32008: "Bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32019: "JPEG",
    32022: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    307: "BZIP2",
}
"""Numbers that the HDF Group has given to filters of `hdf5plugin` (registered filters, HDF Group 2024)."""


def open_file(path: str) -> h5py.File:
    """Open an HDF5 file to read.

    Raises:
        OSError: not HDF5, corrupt, cut off, locked, or no permission.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if isinstance(error, PermissionError) or not os.path.isfile(path):
            raise
        if "unable to lock" in str(error):
            raise OSError(f"'{path}' is being written by another program ({error}); wait until it is done") from error
        raise OSError(
            f"'{path}' cannot be opened as HDF5, it is corrupt, cut off or of another format ({error}); "
            "copy or download it again"
        ) from error


def find_dataset(file: h5py.File, path: str, name: str | None, axes: tuple[int, ...] = (3,)) -> h5py.Dataset:
    """The dataset that a path means, see `choose_array`.

    Raises:
        ValueError: no such dataset, several to choose from, voxels in another file, or a link that
            leads out of the file.
        ImportError: it went through a filter that is not installed.
    """
    if name is not None:
        _check_links(file, path, name)
    every = {array.name: array for array in _datasets(file)}
    direct = file.get(name) if name is not None and name not in every else None
    found = (
        direct
        if isinstance(direct, h5py.Dataset)
        else file[choose_array([*every.values()], path, name, axes, "dataset")]
    )
    place = f"{path}:{found.name.strip('/')}"
    if found.shape is None:
        raise ValueError(f"'{place}' is an empty dataset without voxels; name another one")
    if found.external or (found.is_virtual and any(source.file_name != "." for source in found.virtual_sources())):
        raise ValueError(
            f"'{place}' keeps its voxels in other files, which are not followed; copy them into one with h5repack"
        )
    check_filters(found, place)
    return found


def check_has_voxels(dataset: h5py.Dataset, place: str) -> None:
    """Raise ValueError where not one voxel of a dataset is stored."""
    if dataset.id.get_num_chunks() == 0 if dataset.chunks else _unwritten(dataset):
        raise ValueError(
            f"'{place}' has no stored voxels: all of its {dataset.shape} would read as the fill value "
            f"{dataset.fillvalue}; copy it again, or name another dataset"
        )


def check_filters(dataset: h5py.Dataset, place: str) -> None:
    """Make sure that the filters of a dataset can be undone; `hdf5plugin` is imported where it is installed.

    Raises:
        ImportError: names the filter.
    """
    properties = dataset.id.get_create_plist()
    codes = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if all(map(h5py.h5z.filter_avail, codes)):
        return
    with suppress(ImportError):
        import_module("hdf5plugin")  # registers its filters
    missing = [FILTERS.get(code, f"number {code}") for code in codes if not h5py.h5z.filter_avail(code)]
    if missing:
        raise ImportError(
            f"'{place}' is compressed by the HDF5 filter {', '.join(missing)}, which is not installed; install it with "
            "'pip install hdf5plugin', or write the file again with h5repack -f GZIP=1"
        )


def _datasets(file: h5py.File) -> list[StoredArray]:
    found: list[StoredArray] = []

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.shape:
            found.append(StoredArray(name, node.shape, node.dtype))

    file.visititems(visit)
    return found


def _check_links(file: h5py.File, path: str, name: str) -> None:
    """Refuse a name that leads through a link to another file."""
    node: h5py.Group = file
    for part in name.strip("/").split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(
                f"'{path}:{name}' is a link to the file '{link.filename}', which is not followed; name that file"
            )
        node = node.get(part) if isinstance(node, h5py.Group) else None


def _unwritten(dataset: h5py.Dataset) -> bool:
    layout = dataset.id.get_create_plist().get_layout()
    return bool(layout == h5py.h5d.CONTIGUOUS and dataset.id.get_storage_size() == 0)
