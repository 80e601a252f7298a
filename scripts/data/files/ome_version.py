"""What differs between the versions of OME-Zarr that are written: 0.4 is Zarr 2, 0.5 is Zarr 3."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

VERSIONS = ("0.4", "0.5")


def checked_version(version: object) -> str:
    """`0.4` or `0.5`.

    Raises:
        ValueError: another version.
    """
    if str(version) not in VERSIONS:
        raise ValueError(f"OME-Zarr version {version} is not written; give one of {', '.join(VERSIONS)}")
    return str(version)


def stored_version(folder: Path) -> str:
    """Version of an OME-Zarr group."""
    return "0.5" if (folder / "zarr.json").exists() else "0.4"


def zarr_format(version: str) -> Literal[2, 3]:
    """Version of Zarr that a version of OME-Zarr is stored in."""
    return 3 if version == "0.5" else 2


def array_form(version: str, axes: Sequence[str]) -> dict[str, Any]:
    """What an array is created with, beside shape, type and compression: names of its axes, or nested chunks."""
    if version == "0.5":
        return {"dimension_names": tuple(axes)}
    return {"chunk_key_encoding": {"name": "v2", "separator": "/"}}


def image_group(image: Mapping[str, Any], version: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Attributes of the group of an image: its `multiscales`, and what else belongs to OME-Zarr."""
    if version == "0.5":
        return {"ome": {"version": "0.5", "multiscales": [dict(image)], **(more or {})}}
    return {"multiscales": [{**image, "version": "0.4"}], **(more or {})}
