"""Attributes of a prediction or segmentation: what the program that wrote it noted."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from scripts.data.volumes.open import kind_of, split_path

MADE_BY = ("decode", "decoder", "settings", "prediction", "box", "mask")
"""Attributes of instances that are true of a copy too: how they were decoded."""
AXES = (4, 3)
"""Axes of the array that is meant where none is named: that of maps, else of instances."""


def attributes(path: str) -> Mapping[str, Any]:
    """Attributes of an HDF5 file or Zarr folder, of the groups that hold its array, and of the array, which is the only
    one where none is named; of a precomputed volume those that `convert` keeps in its `info`; none of any other file.

    Args:
        path: `file.h5`, `file.h5:dataset`, `x.zarr`, `x.zarr:array` or `precomputed://folder`.
    """
    file, name = split_path(str(path))
    kind = kind_of(file)[0] if os.path.exists(file) else ""
    found: dict[str, Any] = {}
    if kind == "hdf5":
        from scripts.data.volumes.lookup.hdf5_file import find_dataset, open_file

        with open_file(file) as opened:
            found.update(opened.attrs)
            with suppress(Exception):  # no such array: reading it raises the error
                node = opened
                for part in find_dataset(opened, file, name, AXES).name.strip("/").split("/"):
                    node = node[part]
                    found.update(node.attrs)
    elif kind == "zarr":
        import zarr

        from scripts.data.volumes.lookup.zarr_nodes import find_array, groups_above, is_zarr

        if is_zarr(file):
            found.update(zarr.open(file, mode="r").attrs)
        with suppress(ValueError, OSError):
            inner, array, _ = find_array(file, name, axes=AXES)
            for _, group in reversed([*groups_above(file, inner)]):
                found.update(group.attrs)
            found.update(array.attrs)
    elif kind == "precomputed":
        with open(os.path.join(file, "info")) as info:
            kept = json.load(info).get("attributes")
        found.update(kept if isinstance(kept, Mapping) else {})
    return {key: _printable(value) for key, value in found.items()}


def made_by(path: str) -> dict[str, Any]:
    """Those of the attributes that state how instances were decoded."""
    found = attributes(path)
    return {name: found[name] for name in MADE_BY if isinstance(found.get(name), str)}


def _printable(value: Any) -> Any:
    """Text with a question mark for each byte that is no UTF-8, which no terminal prints; another value as it is."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
