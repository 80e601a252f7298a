"""What may be overwritten: a volume that holds nothing but what the new one replaces."""

import os
from collections.abc import Sequence
from pathlib import Path

import h5py

MARKS = ("zarr.json", ".zgroup", ".zarray", "info")
"""Files of a folder that is a volume: Zarr 3, Zarr 2, precomputed."""


def check_overwritten(path: str | os.PathLike[str], names: Sequence[str] = (), made_by: str | None = None) -> None:
    """Refuse to replace a file or folder that holds anything else, which would be lost.

    Args:
        path: to be replaced as a whole; nothing is checked where there is none yet.
        names: datasets of an HDF5 file, or arrays and groups of a Zarr folder, that the new one has too; empty for a
            folder whose contents are not checked.
        made_by: attribute of the file or group that marks one of an earlier run, all of which may go.

    Raises:
        ValueError: a folder that is no volume; other datasets, which are named.
    """
    path = Path(path)
    if path.is_dir():
        _check_folder(path)
    others = [] if not names else _datasets(path, made_by)
    others = [name for name in others if name not in {name.strip("/") for name in names}]
    if others:
        raise ValueError(
            f"'{path}' also holds {', '.join(others[:4])}, which would be lost: it is replaced as a whole; write to "
            "another file"
        )


def _check_folder(path: Path) -> None:
    names = sorted(os.listdir(path))
    if names and not set(MARKS) & set(names):
        raise ValueError(
            f"'{path}' is a folder of other files ({', '.join(names[:4])}) and no volume, so it is not overwritten; "
            "choose another name"
        )


def _datasets(path: Path, made_by: str | None) -> list[str]:
    """Datasets of an HDF5 file, or members of a Zarr group; none of a file of an earlier run."""
    if path.is_dir():
        import zarr

        if made_by is not None and made_by in zarr.open(path, mode="r").attrs:
            return []
        return sorted(name for name in os.listdir(path) if set(MARKS) & set(_listed(path / name)))
    found: list[str] = []

    def note(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset):
            found.append(name)

    try:
        with h5py.File(path, "r") as file:
            if made_by is None or made_by not in file.attrs:
                file.visititems(note)
    except OSError:  # no such file, or one that is not HDF5
        return []
    return found


def _listed(path: Path) -> list[str]:
    return os.listdir(path) if path.is_dir() else []
