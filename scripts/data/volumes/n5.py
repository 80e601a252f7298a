"""N5: a dataset, or a level of a multi-scale group as BigDataViewer, n5-viewer, Paintera and COSEM write them."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

from scripts.data.volumes.chunk_files import ChunkFiles, check_chunks, chunk_count, chunk_grid
from scripts.data.volumes.cloud import CloudVolume, Store
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres

NAMES = ("x", "y", "z", "c", "t")
"""Axes of an N5 array that names none, in the order of its metadata: the one that varies fastest first."""
TYPES = {*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"}
COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "blosc", "zstd")
BIG_DATA_VIEWER = re.compile(r"setup(\d+)/timepoint\d+$")


class Grid(NamedTuple):
    """Size of a voxel and position of the first one, (z, y, x) in nm, each None where it is not stated."""

    voxel_size_nm: VoxelSize | None = None
    offset_nm: VoxelSize | None = None


def open_n5(
    path: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """An N5 dataset as a volume (z, y, x).

    The size of a voxel and its unit come from the dataset or its group: `transform` (COSEM), `pixelResolution` times
    `downsamplingFactors` or `scales` (n5-viewer), `resolution` and `offset` (in nm, or in `units`), or the XML file
    that BigDataViewer writes beside `NAME.n5`.

    Args:
        path: folder or address of the container.
        inner: path of a dataset or of a multi-scale group; None takes the container itself.
        scale: level of a multi-scale group, 0 the finest.

    Raises:
        ValueError: no such dataset or level, not three axes longer than 1, a type or compression that is not read,
            or no stored chunk.
        OSError: the address cannot be read.
    """
    store = Store(path)
    group = inner or ""
    name, attributes = group, _attributes(store, group)
    if "dimensions" not in attributes:
        name = _level(store, group, attributes, scale)
        attributes = _attributes(store, name)
    elif scale != 0:
        raise ValueError(
            f"scale {scale} was requested of '{store.shown}:{name}', one array; give the path of its group"
        )
    place = f"{path}:{name}" if name else path
    sizes, axes = attributes.get("dimensions", ()), _axes(attributes, place)
    if attributes.get("dataType") not in TYPES:
        raise ValueError(f"'{place}' has the type {attributes.get('dataType')!r}; read are {', '.join(sorted(TYPES))}")
    compression = attributes.get("compression", attributes.get("compressionType", "raw"))
    kind = compression.get("type") if isinstance(compression, Mapping) else compression
    if kind not in COMPRESSIONS:
        raise ValueError(f"'{place}' is compressed as {kind!r}; read are {', '.join(COMPRESSIONS)}, write it in one")
    long = [axis for axis, size in zip(axes, sizes, strict=True) if size != 1 and axis not in "xyz"]
    if long or not {"x", "y", "z"} <= set(axes):
        raise ValueError(
            f"'{place}' has the axes {', '.join(axes)} of sizes {list(sizes)} where a volume has x, y, z and others of "
            "size 1; save one channel or time point as an array of its own"
        )
    stored = [axes.index(axis) for axis in "zyx"]
    checked_array([sizes[axis] for axis in stored], attributes["dataType"], place)
    parent = name.rpartition("/")[0]
    grid = _grid(attributes, _attributes(store, parent) if parent != name else {}, stored, name, place)
    if grid.voxel_size_nm is None and (setup := BIG_DATA_VIEWER.search(parent)):
        grid = _big_data_viewer(path, int(setup[1]), attributes)
    spec = {"driver": "n5", "kvstore": store.location(name)}
    size = grid.voxel_size_nm if voxel_size_nm is None else voxel_size_nm
    volume = CloudVolume(place, spec, stored, size, grid.offset_nm, cache_mib)
    prefix = f"{name}/" if name else ""
    grid_of_blocks = chunk_grid(sizes, attributes["blockSize"])
    files = ChunkFiles(os.path.join(path, name), r"\d+", chunk_count(grid_of_blocks))
    check_chunks(volume, store, files, [(grid_of_blocks, lambda at: prefix + "/".join(map(str, at)))])
    return volume


def _attributes(store: Store, name: str) -> dict[str, Any]:
    return store.read_json(f"{name}/attributes.json" if name else "attributes.json") or {}


def _level(store: Store, group: str, attributes: Mapping[str, Any], scale: int) -> str:
    """Path of a level of a multi-scale group: listed, or named s0, s1, ..."""
    prefix = f"{group}/" if group else ""
    listed = [one["path"] for one in _multiscale_datasets(attributes)] or [f"s{scale}"]
    if 0 <= scale < len(listed) or not _multiscale_datasets(attributes):
        name = prefix + (listed[scale] if len(listed) > 1 else listed[0])
        if "dimensions" in _attributes(store, name):
            return name
    levels = ", ".join(listed) if len(listed) > 1 else ", ".join(_present(store, prefix)) or "none"
    if levels == "none":
        raise ValueError(
            f"'{store.shown}{':' + group if group else ''}' is no N5 dataset and has no levels s0, s1, ...; name one "
            f"as '{store.shown}:DATASET'"
        )
    raise ValueError(f"'{store.shown}:{group}' has no scale {scale}; there are: {levels}")


def _present(store: Store, prefix: str) -> list[str]:
    found: list[str] = []
    while "dimensions" in _attributes(store, f"{prefix}s{len(found)}"):
        found.append(f"s{len(found)}")
    return found


def _multiscale_datasets(attributes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    images = attributes.get("multiscales")
    if not isinstance(images, Sequence) or not images or not isinstance(images[0], Mapping):
        return []
    return [one for one in images[0].get("datasets", ()) if isinstance(one, Mapping) and "path" in one]


def _axes(attributes: Mapping[str, Any], place: str) -> tuple[str, ...]:
    count = len(attributes.get("dimensions", ()))
    axes = attributes.get("axes") or NAMES[:count]
    if len(axes) != count or len(set(axes)) != count:
        raise ValueError(f"'{place}' has {count} dimensions and the axes {list(axes)}; fix its attributes.json")
    return tuple(str(axis).lower() for axis in axes)


def _grid(own: Mapping[str, Any], group: Mapping[str, Any], stored: Sequence[int], name: str, place: str) -> Grid:
    """From the attributes of a dataset, else of its group; `stored` are the places of z, y, x among its axes."""
    last = name.rpartition("/")[2]
    listed = [one.get("transform") for one in _multiscale_datasets(group) if one["path"] == last]
    for transform in (own.get("transform"), *listed):
        if isinstance(transform, Mapping):
            return _transformed(transform, place)
    factors, ones = _factors(own, group, last), [1] * len(own["dimensions"])
    for holder in (own, group):
        pixel, steps = holder.get("pixelResolution"), ones if holder is own else factors
        if isinstance(pixel, Mapping):  # of the finest level, on every level too
            sizes, units, steps = pixel.get("dimensions", ()), [pixel.get("unit")] * 3, factors
        elif "resolution" in holder and not BIG_DATA_VIEWER.search(name.rpartition("/")[0]):
            sizes = holder["resolution"]
            units = holder.get("units", "nm")
            units = [units] * 3 if isinstance(units, str) else [units[axis] for axis in stored]
        else:
            continue
        if steps is None:
            return Grid()
        edges = [sizes[axis] * steps[axis] for axis in stored]
        offset = holder.get("offset")
        lengths = in_nanometres([1.0] * 3, units, place)
        if offset is None or pixel or lengths is None:
            return Grid(in_nanometres(edges, units, place))
        position = [float(offset[axis]) * length for axis, length in zip(stored, lengths, strict=True)]
        return Grid(in_nanometres(edges, units, place), _three(position))
    return Grid()


def _factors(own: Mapping[str, Any], group: Mapping[str, Any], last: str) -> Sequence[float] | None:
    """Voxels of the finest level that became one, in the order of the stored axes; None of a level that lacks them.

    n5-viewer keeps them in the dataset as `downsamplingFactors`, or for all levels as `scales` of the group.
    """
    if "downsamplingFactors" in own:
        stated: Sequence[float] = own["downsamplingFactors"]
        return stated
    number = int(last[1:]) if re.fullmatch(r"s\d+", last) else 0
    scales = group.get("scales")
    if isinstance(scales, Sequence) and number < len(scales):
        return list(scales[number])
    return None if number else [1] * len(own["dimensions"])


def _transformed(transform: Mapping[str, Any], place: str) -> Grid:
    """`transform` of COSEM: axes, scale, translate and units in the order z, y, x, or as `axes` names them."""
    axes = [str(axis).lower() for axis in transform.get("axes", "zyx")]
    at = [axes.index(axis) for axis in "zyx"]
    units = [str(transform["units"][axis]) for axis in at]
    size = in_nanometres([transform["scale"][axis] for axis in at], units, place)
    if size is None or "translate" not in transform:
        return Grid(size)
    lengths = in_nanometres([1.0] * 3, units, place) or (1.0, 1.0, 1.0)
    moved = [float(transform["translate"][axis]) * length for axis, length in zip(at, lengths, strict=True)]
    return Grid(size, _three(moved))


def _big_data_viewer(path: str, setup: int, attributes: Mapping[str, Any]) -> Grid:
    """The voxel size of a view setup in `NAME.xml` beside `NAME.n5`."""
    folder, _, name = path.rstrip("/").rpartition("/")
    text = Store(folder or ".").read(f"{name.removesuffix('.n5')}.xml")
    if text is None:
        return Grid()
    for view in ElementTree.fromstring(text).iter("ViewSetup"):
        sizes, unit = view.findtext("voxelSize/size"), view.findtext("voxelSize/unit")
        if view.findtext("id", "").strip() == str(setup) and sizes:
            edges = [
                float(edge) * factor
                for edge, factor in zip(sizes.split(), attributes.get("downsamplingFactors", (1, 1, 1)), strict=True)
            ]
            return Grid(in_nanometres(edges[::-1], [unit] * 3, f"{path}, its XML file"))
    return Grid()


def _three(position: Sequence[float]) -> VoxelSize:
    z, y, x = position
    return z, y, x
