"""Zarr 2 and 3 at an address: an array, or a scale level of an OME-Zarr image."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from scripts.data.volumes.cloud import CloudVolume, Store
from scripts.data.volumes.ome_zarr import Level, level_at, multiscales
from scripts.data.volumes.remote_chunks import not_found, zarr_chunks
from scripts.data.volumes.stated_metadata import check_attributes, stated_axes, stated_position, volume_axes
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import stated_voxel_size

DRIVERS = {2: "zarr", 3: "zarr3"}


def open_remote_zarr(
    path: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """An array of a Zarr hierarchy at an address as a volume.

    Args:
        path: address of the root.
        inner: path of an array, an image or a scale level, or the number of a level; None takes the root.
        scale: level of an OME-Zarr image, 0 the finest.

    Raises:
        ValueError: no such array or level, or one that is no volume.
        OSError: the address cannot be read.
    """
    store = Store(path)
    name = inner or ""
    place = f"{path}:{name}" if name else path
    level: Level | None = None
    image = multiscales(_attributes(store, name))
    if image is not None:
        level = level_at(image, scale, place)
        name = f"{name}/{level.path}" if name else level.path
    else:
        parent, _, last = name.rpartition("/")
        image = multiscales(_attributes(store, parent)) if name else None
        names = [str(one.get("path")) for one in image.get("datasets", ())] if image else []
        if image is not None and last in names:
            level = level_at(image, names.index(last), place)
        elif image is not None and last.isdigit() and _array(store, name)[0] is None:
            level = level_at(image, int(last), place)
            name = f"{parent}/{level.path}" if parent else level.path
        if scale != 0:
            raise ValueError(f"scale {scale} was requested of '{store.shown}:{name}', one array; name its image")
    array, version = _array(store, name)
    if array is None and not name:
        raise ValueError(
            f"'{store.shown}' has no zarr.json and no .zarray: it is no Zarr array or image, or nothing is there; "
            f"check the address, or name an array as '{store.shown}:ARRAY'"
        )
    if array is None:
        raise ValueError(f"'{store.shown}' has no Zarr array '{name}'; name one as '{store.shown}:ARRAY'")
    shape, attributes = array["shape"], _attributes(store, name)
    check_attributes(attributes, place)
    named = stated_axes(attributes, array.get("dimension_names"))
    kept = volume_axes(named, shape, place) if level is None else list(range(level.leading(shape, place), len(shape)))
    checked_array([shape[axis] for axis in kept], array.get("dtype", array.get("data_type")), place)
    spec: dict[str, Any] = {"driver": DRIVERS[version], "kvstore": store.location(name)}
    separator, found = zarr_chunks(store, name, array, version, place)
    if separator is not None:
        spec["metadata"] = {"dimension_separator": separator}
    parents = [str(above) for above in PurePosixPath(name).parents] if name else []
    holders = [attributes, *(_attributes(store, "" if above == "." else above) for above in parents)]  # as in a folder
    size = voxel_size_nm if voxel_size_nm is not None or level is None else level.voxel_size_nm
    if size is None:
        size = next((stated for one in holders if (stated := stated_voxel_size(one, place)) is not None), None)
    volume = CloudVolume(place, spec, kept, size, level.offset_nm if level else None, cache_mib)
    volume.noted = [] if found else not_found(shape)
    if level is not None and level.remark and size is None:
        volume.noted = [*volume.noted, level.remark]
    positions = (stated_position(one, volume.voxel_size_nm, place) for one in holders)
    volume.offset = next((stated for stated in positions if stated is not None), None)
    return volume


def _attributes(store: Store, name: str) -> Mapping[str, Any]:
    prefix = f"{name}/" if name else ""
    found = store.read_json(f"{prefix}zarr.json")
    if found is not None:
        return dict(found.get("attributes", {}))
    return store.read_json(f"{prefix}.zattrs") or {}


def _array(store: Store, name: str) -> tuple[dict[str, Any] | None, int]:
    """Metadata of an array and the version of its format; None where there is no array."""
    prefix = f"{name}/" if name else ""
    found = store.read_json(f"{prefix}zarr.json")
    if found is not None:
        return (found if found.get("node_type") == "array" else None), 3
    return store.read_json(f"{prefix}.zarray"), 2
