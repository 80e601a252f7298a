"""Arrays of a local Zarr folder: which one a path means, where its chunks are, and how many of them there are."""

import dataclasses
import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import zarr

from scripts.data.volumes.lookup.choose_array import StoredArray, choose_array, listing
from scripts.data.volumes.ome_zarr import Level, level_at, multiscales

METADATA = ("zarr.json", ".zarray", ".zgroup")
NO_CHUNKS = (*METADATA, ".zattrs", ".zmetadata")
COUNTED = 200_000
"""Chunks that are counted at most: beyond it a folder takes too long to walk."""


def is_zarr(folder: str) -> bool:
    """Whether a folder is a Zarr array or group."""
    return any(os.path.exists(os.path.join(folder, name)) for name in METADATA)


def find_array(
    path: str, inner: str | None, scale: int = 0, axes: tuple[int, ...] = (3,)
) -> tuple[str, zarr.Array, Level | None]:
    """The array that a path means: its path in the folder, the array, and its level where an OME-Zarr image has it.

    Args:
        path: the folder.
        inner: path of an array, a group or an image within it, or the number of a level of an image, such as `1` or
            `labels/cells/1`; None takes the image, else the only array.
        scale: level of an OME-Zarr image, 0 the finest.
        axes: how many axes the array has, see `choose_array`.

    Raises:
        ValueError: no such array, several to choose from, no such scale level, or metadata that cannot be
            read.
    """
    if inner is not None and scale == 0:
        inner, scale = _numbered_level(path, inner)
    name = inner or ""
    node = _node(path, inner)
    if isinstance(node, zarr.Group):
        name, level = _below(node, path, name, scale, axes)
        array = _node(path, name)
        if isinstance(array, zarr.Group):
            raise ValueError(f"'{path}:{name}' is a group where the OME-Zarr metadata promise an array; write it again")
    else:
        if scale != 0:
            place = f"{path}:{name}" if name else path
            raise ValueError(f"scale {scale} was requested of '{place}', one array; leave scale out, or name its image")
        array, level = node, _named_level(path, name)
    return name, stored_array(array, os.path.join(path, name)), level


def stored_array(array: zarr.Array, folder: str) -> zarr.Array:
    """The array, reading the chunks that are there.

    Zarr 2 keeps the chunk (0, 1, 2) as `0.1.2` or as `0/1/2`, and some programs write one and state the other.
    """
    metadata = array.metadata
    if metadata.zarr_format != 2 or array.ndim < 2:
        return array
    there = _separators(folder, array.ndim)
    if not there or metadata.dimension_separator in there:
        return array
    changes: Any = {"dimension_separator": there.pop()}
    found = dataclasses.replace(metadata, **changes)
    return zarr.Array(zarr.AsyncArray(metadata=found, store_path=array.store_path))


def check_has_chunks(array: zarr.Array, folder: str, place: str) -> None:
    """Raise ValueError where not one chunk of an array is stored."""
    if next(_files(folder), None) is None:
        raise ValueError(
            f"'{place}' has no stored chunk: all of its {array.shape} voxels would read as the fill value "
            f"{array.fill_value}; copy it again with its chunks, or name another array"
        )


def missing_chunks(folder: str, array: zarr.Array) -> tuple[int, int] | None:
    """How many chunks were never written, and how many there could be; None where they are too many to count."""
    total = int(np.prod([-(-size // chunk) for size, chunk in zip(array.shape, _stored_as(array), strict=True)]))
    if total > COUNTED:
        return None
    return max(0, total - sum(1 for _ in islice(_files(folder), total))), total


def groups_above(path: str, name: str) -> Iterator[tuple[str, zarr.Group]]:
    """The groups that hold an array and their paths, the nearest first, up to the folder."""
    while name:
        name = os.path.dirname(name)
        if is_zarr(os.path.join(path, name)):
            node = _node(path, name or None)
            if isinstance(node, zarr.Group):
                yield name, node


def _stored_as(array: zarr.Array) -> tuple[int, ...]:
    return tuple(array.shards or array.chunks)


def _files(folder: str) -> Iterator[str]:
    """The files of chunks."""
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (name for name in files if name not in NO_CHUNKS and not name.startswith("."))


def _separators(folder: str, axes: int) -> set[str]:
    """How the chunks of a Zarr 2 array are named: with points, in folders, or both."""
    dotted = re.compile(r"\d+" + r"\.\d+" * (axes - 1))
    found: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if dotted.fullmatch(entry.name):
                found.add(".")
            elif entry.name.isdigit() and entry.is_dir():
                found.add("/")
            if len(found) == 2:
                break
    return found


def _below(group: zarr.Group, path: str, name: str, scale: int, axes: tuple[int, ...]) -> tuple[str, Level | None]:
    """The path of the array that a group stands for."""
    place, prefix = (f"{path}:{name}", f"{name}/") if name else (path, "")
    image = multiscales(group.attrs)
    if image is None:
        images = [child for child, node in group.groups() if multiscales(node.attrs) is not None]
        if len(images) == 1 and not any(True for _ in group.arrays()):  # as bioformats2raw writes an image
            only: Any = group[images[0]]
            return _below(only, path, prefix + images[0], scale, axes)
        if scale != 0:
            raise ValueError(f"scale {scale} was requested of '{place}', which is no OME-Zarr image; leave scale out")
        return choose_array(_arrays(group, prefix), path, name or None, axes), None
    level = level_at(image, scale, place)
    return prefix + level.path, level


def _named_level(path: str, name: str) -> Level | None:
    """The level of an OME-Zarr image whose array was named, such as `image.zarr:1`, or None."""
    for above, group in groups_above(path, name):
        image = multiscales(group.attrs)
        if image is not None:
            within = name[len(above) :].strip("/")
            listed = image.get("datasets", ())
            levels = [str(one.get("path")).strip("/") if isinstance(one, dict) else "" for one in listed]
            if within in levels:
                return level_at(image, levels.index(within), f"{path}:{name}")
    return None


def _numbered_level(path: str, name: str) -> tuple[str | None, int]:
    """Image and number of a level, of `1` where no array has this name; else the name as it is and 0."""
    above, _, number = name.rpartition("/")
    if number.isdigit() and not os.path.exists(os.path.join(path, name)) and is_zarr(os.path.join(path, above)):
        node = _node(path, above or None)
        if isinstance(node, zarr.Group) and multiscales(node.attrs) is not None:
            return above or None, int(number)
    return name, 0


def _node(path: str, name: str | None) -> zarr.Array | zarr.Group:
    where = os.path.join(path, name) if name else path
    try:
        return zarr.open(where, mode="r")
    except (FileNotFoundError, NotADirectoryError):
        if not name:
            raise ValueError(f"'{path}' is a folder without Zarr metadata ({', '.join(METADATA)})") from None
    except Exception as error:  # whatever the library's parser meets in damaged metadata
        raise ValueError(f"'{where}' has unreadable Zarr metadata ({_line(error)}); copy or write it again") from error
    root = _node(path, None)
    every = _arrays(root, "") if isinstance(root, zarr.Group) else []
    one = f": it is one array of shape {root.shape}" if isinstance(root, zarr.Array) else ""
    raise ValueError(f"'{path}' has no array '{name}'{one or f'; there are: {listing(every)}'}")


def _arrays(group: zarr.Group, prefix: str) -> list[StoredArray]:
    members = group.members(max_depth=None)
    return [
        StoredArray(prefix + name, tuple(node.shape), node.dtype)
        for name, node in members
        if isinstance(node, zarr.Array)
    ]


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
