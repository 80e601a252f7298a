"""Voxel sizes as volumes carry them: three positive numbers in nm, whatever the unit of the file."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

VoxelSize = tuple[float, float, float]

NANOMETRES = {
    "pm": 1e-3,
    "picometer": 1e-3,
    "picometre": 1e-3,
    "angstrom": 0.1,
    "a": 0.1,
    "å": 0.1,
    "nm": 1.0,
    "nanometers": 1.0,
    "nanometres": 1.0,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "um": 1e3,
    "µm": 1e3,  # the micro sign
    "μm": 1e3,  # the Greek letter
    "\\u00b5m": 1e3,  # as ImageJ writes it
    "micron": 1e3,
    "microns": 1e3,
    "micrometers": 1e3,
    "micrometres": 1e3,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "mm": 1e6,
    "millimeters": 1e6,
    "millimetres": 1e6,
    "millimeter": 1e6,
    "millimetre": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "centimetre": 1e7,
    "m": 1e9,
    "meter": 1e9,
    "metre": 1e9,
    "in": 2.54e7,
    "inch": 2.54e7,
}
"""Length of a unit in nm, by the lower-case names found in OME, OME-Zarr, ImageJ and NIfTI files."""


def in_nanometres(sizes: Sequence[float], units: Sequence[str | None], place: str) -> VoxelSize | None:
    """(z, y, x) sizes in their units to nm; None where a unit is missing or is no length ("pixel")."""
    lengths = [NANOMETRES.get(str(unit).strip().lower()) for unit in units]
    if any(length is None for length in lengths):
        return None
    return checked_voxel_size([size * length for size, length in zip(sizes, lengths, strict=True) if length], place)


def checked_voxel_size(value: Any, place: str) -> VoxelSize:
    """Three positive, finite numbers (z, y, x); `place` names their origin in the error.

    Raises:
        ValueError: another count, or a size that is not a positive number.
    """
    try:
        sizes = [float(size) for size in np.asarray(value, dtype=float).ravel()]
    except (TypeError, ValueError, OverflowError):
        sizes = []
    if len(sizes) != 3 or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise ValueError(
            f"voxel size {value!r:.100} of {place} is not three positive numbers (z, y, x) in nm; "
            "give voxel_size_nm=(z, y, x), for example (30, 6, 6)"
        )
    z, y, x = (float(f"{size:.12g}") for size in sizes)  # 0.03 um is 30 nm, not 29.999999999999996
    return z, y, x


def stated_voxel_size(attributes: Mapping[str, Any], place: str) -> VoxelSize | None:
    """The voxel size that the attributes of an HDF5 or Zarr node state, or None.

    Read are `voxel_size_nm` (z, y, x in nm), `resolution` and `voxel_size` (z, y, x in `units` or `unit`, else in nm)
    and `element_size_um` (z, y, x in µm).

    Raises:
        ValueError: sizes that are not three positive numbers, in units that are no lengths, or two that differ.
    """
    found: dict[str, VoxelSize] = {}
    for name in ("voxel_size_nm", "resolution", "voxel_size", "element_size_um"):
        if name in attributes:
            where = f"{place}, attribute '{name}'"
            sizes = checked_voxel_size(attributes[name], where)
            unit = {"voxel_size_nm": "nm", "element_size_um": "um"}.get(name)
            units = [unit] * 3 if unit else stated_units(attributes)
            size = in_nanometres(sizes, units, where) if len(units) == 3 else None
            if size is None:
                raise ValueError(f"{where} is in the units {units!s:.60}, which are no lengths; give nm, um or mm")
            found[name] = size
    for name, size in found.items():
        first, stated = next(iter(found.items()))
        if any(abs(a - b) > 0.01 * a for a, b in zip(stated, size, strict=True)):
            raise ValueError(
                f"'{place}' states two voxel sizes, {first} {stated} and {name} {size} (z, y, x) in nm; correct or "
                "remove one of these attributes"
            )
    return next(iter(found.values()), None)


def stated_units(attributes: Mapping[str, Any]) -> list[str]:
    """Units of z, y, x that attributes state in `units` or `unit`, one for all or one each; nm where they do not."""
    units = np.ravel(attributes.get("units", attributes.get("unit", "nm")))
    three = [_text(unit) for unit in units.tolist()][-3:]
    return three * 3 if len(three) == 1 else three


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
