"""Are the chunks of an array at an address there at all, and under which names? An address cannot be listed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from scripts.data.volumes.cloud import Store

PROBED = 64
"""Chunks that are requested at most."""
Index = tuple[int, ...]


def found_chunk(store: Store, grid: Sequence[int], key: Callable[[Index], str]) -> bool | None:
    """Whether a chunk is stored: the first one, else one of `PROBED` that are spread over the array.

    Args:
        store: where they are.
        grid: chunks along each axis.
        key: the name of a chunk by its place in the grid.

    Returns:
        None where none of those probed is there, and others may be.
    """
    total = int(np.prod(grid))
    count = min(total, PROBED)
    numbers = [number * total // count for number in range(count)]
    for begin in range(0, count, 8):
        places = [np.unravel_index(number, tuple(grid)) for number in numbers[begin : begin + 8]]
        if store.has_any([key(tuple(int(at) for at in place)) for place in places]):
            return True
    return False if total <= PROBED else None


def zarr_chunks(store: Store, name: str, array: Mapping[str, Any], version: int, place: str) -> tuple[str | None, bool]:
    """How the chunks of a Zarr array are named, and whether one was found.

    Zarr 2 keeps the chunk (0, 1, 2) as `0.1.2` or as `0/1/2`, and some programs write one and do not state it.

    Args:
        store: of the hierarchy.
        name: path of the array in it.
        array: its metadata, `.zarray` or `zarr.json`.
        version: of the format.
        place: the array, for the message.

    Returns:
        The separator to read with, where it is neither stated nor the usual one; and False where none of those
        probed is there.

    Raises:
        ValueError: not one chunk is stored, or chunks are named otherwise than the metadata state.
    """
    prefix = f"{name}/" if name else ""
    shape = array["shape"]
    if version == 3:
        chunks = array["chunk_grid"]["configuration"]["chunk_shape"]
        encoding = array.get("chunk_key_encoding", {})
        usual = "/" if encoding.get("name", "default") == "default" else "."
        separator = encoding.get("configuration", {}).get("separator", usual)
        head = ["c"] if encoding.get("name", "default") == "default" else []
        found = found_chunk(
            store, _grid(shape, chunks), lambda at: prefix + separator.join([*head, *map(str, at)] or ["0"])
        )
        check_found(found, shape, array.get("fill_value"), place)
        return None, bool(found)
    stated = array.get("dimension_separator")
    grid, usual = _grid(shape, array["chunks"]), stated or "."
    found = found_chunk(store, grid, lambda at: prefix + usual.join(map(str, at)))
    if found:
        return None, True
    other = "/" if usual == "." else "."
    if found_chunk(store, grid, lambda at: prefix + other.join(map(str, at))):
        if stated is not None:
            raise ValueError(
                f"'{place}' states the dimension_separator {stated!r} and its chunks are named with {other!r}; correct "
                "its .zarray"
            )
        return other, True
    check_found(found, shape, array.get("fill_value"), place)
    return None, False


def check_found(found: bool | None, shape: Sequence[int], fill: Any, place: str) -> None:
    """Raise ValueError where not one chunk of an array is stored."""
    if found is False:
        raise ValueError(
            f"'{place}' has no stored chunk: all of its {tuple(shape)} voxels would read as the fill value {fill}; "
            "copy it again with its chunks, or name another array"
        )


def not_found(shape: Sequence[int]) -> list[str]:
    """What to remark of an array of which no probed chunk is there."""
    return [f"none of {PROBED} requested chunks is stored: most of its {tuple(shape)} voxels may read as 0"]


def _grid(shape: Sequence[int], chunks: Sequence[int]) -> list[int]:
    return [-(-int(size) // int(chunk)) for size, chunk in zip(shape, chunks, strict=True)]
