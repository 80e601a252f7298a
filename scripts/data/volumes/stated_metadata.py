"""What the attributes of an HDF5 or Zarr array state about its voxels: applied where we can, refused by name where not.

Read are the names that h5py, netCDF, xarray, ilastik, funlib and the HDF5 image specification write.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.data.volumes.volume import long_axes
from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres, stated_units

NEUTRAL = {"scale_factor": 1.0, "add_offset": 0.0}
"""Attributes of netCDF and xarray that change the voxels, and the values at which they do not."""
BESIDE = {"c", "ch", "channel", "channels"}
"""Names of axes that are never z."""
LIST_OF_AXES = ("_ARRAY_DIMENSIONS", "axis_names", "axes", "DIMENSION_LABELS")


def check_attributes(attributes: Mapping[str, Any], place: str) -> None:
    """Refuse attributes that change what a voxel means and that we do not apply.

    Raises:
        ValueError: a scale factor, an offset of the values, a palette, or grey values in which 0 is white; names the
            attribute.
    """
    for name, neutral in NEUTRAL.items():
        if name in attributes and _numbers(attributes[name]) != [neutral]:
            raise ValueError(
                f"'{place}' has the attribute {name} {_shown(attributes[name])}, by which its values are to be "
                "changed; write the changed values into a new array"
            )
    if _text(attributes.get("IMAGE_SUBCLASS")) == "IMAGE_INDEXED" or "PALETTE" in attributes:
        raise ValueError(f"'{place}' holds indices into a palette, not grey values; convert it to 8-bit or 16-bit grey")
    white = _numbers(attributes.get("IMAGE_WHITE_IS_ZERO"))
    if white is not None and any(white):
        raise ValueError(f"'{place}' states IMAGE_WHITE_IS_ZERO, so it is inverted; invert it and remove that")


def volume_axes(names: Sequence[str] | None, shape: Sequence[int], place: str) -> list[int]:
    """Numbers of the axes of an array that are z, y, x.

    Args:
        names: of the axes, as the file states them; None where it does not. Without y and x among them they are left
            aside.
        shape: of the array.
        place: of the array, for errors.

    Raises:
        ValueError: the names are in another order than z, y, x, or an axis beside them is longer than 1.
    """
    known = [str(name).strip().lower() for name in names or ()]
    if len(known) != len(shape) or not {"y", "x"} <= set(known) or len(set(known)) != len(known):
        return long_axes(shape)
    kept = [known.index(axis) for axis in "zyx" if axis in known]
    others = BESIDE if len(kept) < 3 else set(known) - set("zyx")
    longer = [name for name, size in zip(known, shape, strict=True) if name in others and size != 1]
    if kept != sorted(kept) or longer:
        problem = f"axis {longer[0]} is longer than 1" if longer else "a volume is stored as z, y, x"
        raise ValueError(
            f"'{place}' has the axes {', '.join(known)} of shape {tuple(shape)}: {problem}; write it again as an array "
            "of the axes z, y, x"
        )
    return kept if len(kept) == 3 else long_axes(shape)


def check_order(names: Sequence[str] | None, shape: Sequence[int], kept: Sequence[int], place: str) -> None:
    """Refuse an array whose stated axes are in another order than it is read in: channels, z, y, x, or z, y, x.

    Args:
        names: of the axes, as the file states them; None where it does not.
        shape: of the array.
        kept: numbers of the axes that are read, see `long_axes`.
        place: of the array, for errors.

    Raises:
        ValueError: another order.
    """
    known = [str(name).strip().lower() for name in names or ()]
    if len(known) != len(shape) or not {"y", "x"} <= set(known) or len(set(known)) != len(known):
        return
    if len(kept) == 3:
        volume_axes(names, shape, place)
        return
    depth, *plane = [known[axis] for axis in kept][-3:]
    if plane != ["y", "x"] or depth in BESIDE or ("z" in known and depth != "z"):
        raise ValueError(
            f"'{place}' has the axes {', '.join(known)} of shape {tuple(shape)} where a prediction has channels, z, y, "
            "x; write it again in that order"
        )


def stated_axes(attributes: Mapping[str, Any], dimension_names: Sequence[str | None] | None = None) -> list[str] | None:
    """Names of the axes of an array, or None where none are stated."""
    if "axistags" in attributes:  # ilastik, vigra
        try:
            return [str(axis["key"]) for axis in json.loads(_text(attributes["axistags"]))["axes"]]
        except (ValueError, KeyError, TypeError):
            return None
    listed: Any
    for listed in (dimension_names, *(attributes.get(name) for name in LIST_OF_AXES)):
        if isinstance(listed, str | bytes):
            words = _text(listed).replace(",", " ").split()
            return words if len(words) > 1 else list("".join(words))
        if isinstance(listed, list | tuple) or (isinstance(listed, np.ndarray) and listed.ndim == 1):
            return [_text(name["name"] if isinstance(name, Mapping) and "name" in name else name) for name in listed]
    return None


def stated_position(
    attributes: Mapping[str, Any], voxel_size_nm: VoxelSize | None, place: str
) -> tuple[float, float, float] | None:
    """Position of the first voxel (z, y, x) in voxels, or None where it is not stated.

    Read are `offset_nm` (nm), `offset` in the units of `units` or beside `voxel_size` (funlib: nm), and otherwise
    `offset` in voxels, as our own predictions have it.

    Raises:
        ValueError: not three numbers; a length where the size of a voxel is not known.
    """
    name = next((name for name in ("offset_nm", "offset") if name in attributes), None)
    if name is None:
        return None
    numbers = _numbers(attributes[name])
    if numbers is None or len(numbers) != 3 or not np.isfinite(numbers).all():
        raise ValueError(
            f"'{place}': the attribute {name} {_shown(attributes[name])} is not three numbers (z, y, x); correct it"
        )
    if name == "offset" and not {"units", "unit", "voxel_size"} & set(attributes):
        return numbers[0], numbers[1], numbers[2]
    units = ["nm"] * 3 if name == "offset_nm" else stated_units(attributes)
    lengths = in_nanometres([1.0] * 3, units, place) if len(units) == 3 else None
    if lengths is None:
        raise ValueError(
            f"'{place}' states the offset {_shown(attributes[name])} in the units {units!s:.60}, which are no lengths; "
            "give nm, um or mm"
        )
    if voxel_size_nm is None:
        raise ValueError(
            f"'{place}' states the offset {_shown(attributes[name])} in {units[0]} and no size of a voxel in nm; add "
            "the attribute resolution (z, y, x in nm)"
        )
    z, y, x = (n * length / edge for n, length, edge in zip(numbers, lengths, voxel_size_nm, strict=True))
    return float(f"{z:.9g}"), float(f"{y:.9g}"), float(f"{x:.9g}")


def _numbers(value: Any) -> list[float] | None:
    try:
        return None if value is None else [float(n) for n in np.asarray(value, dtype=float).ravel()]
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel()[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _shown(value: Any) -> str:
    return str(np.asarray(value).tolist())[:80]
