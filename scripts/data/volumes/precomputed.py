"""Neuroglancer precomputed: a scale of the `info` file as a volume, of any encoding, sharded or not."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from scripts.data.volumes.chunk_files import ChunkFiles, check_chunks, chunk_count, chunk_grid
from scripts.data.volumes.cloud import CloudVolume, Store
from scripts.data.volumes.volume import Volume, checked_array
from scripts.data.volumes.voxel_size import checked_voxel_size


def open_precomputed(
    path: str, inner: str | None, scale: int, voxel_size_nm: Sequence[float] | None, cache_mib: float
) -> Volume:
    """A scale of a precomputed volume, (z, y, x); it is stored as x, y, z, channel.

    Args:
        path: folder or address that holds `info`.
        inner: number or key of a scale, such as `1` or `8_8_30`; None takes `scale`.
        scale: number of a scale, 0 the finest.

    Raises:
        ValueError: no `info`, no such scale, several channels, no stored chunk, or metadata that are damaged.
        OSError: the address cannot be read.
    """
    store = Store(path)
    info = store.read_json("info")
    if info is None:
        raise ValueError(f"'{store.shown}' has no file 'info', so it is no precomputed volume; check the path")
    place = f"{path}:{inner}" if inner else path
    scales = info.get("scales")
    if not isinstance(scales, Sequence) or not scales or not all(isinstance(one, Mapping) for one in scales):
        what = f"of type '{info['@type']}'" if "@type" in info else "without scales"
        raise ValueError(f"'{store.shown}': its info is {what}, not that of a volume; give the folder of the image")
    number = scale if inner is None else _number(scales, inner, store.shown)
    if not 0 <= number < len(scales):
        raise ValueError(f"'{store.shown}' has no scale {number}; there are: {_listing(scales)}")
    chosen = scales[number]
    if info.get("num_channels", 1) != 1:
        raise ValueError(
            f"'{store.shown}' has {info['num_channels']} channels where a volume has one; save one of them as a volume"
        )
    size = checked_voxel_size(list(reversed(chosen.get("resolution", ()))), f"'{store.shown}', scale {number}")
    checked_array(list(reversed(chosen.get("size", ()))), info.get("data_type", "none"), store.shown)
    offset = [edge * first for edge, first in zip(size, reversed(chosen.get("voxel_offset", (0, 0, 0))), strict=True)]
    spec = {"driver": "neuroglancer_precomputed", "kvstore": store.location(), "scale_index": number}
    volume = CloudVolume(
        place, spec, (2, 1, 0), size if voxel_size_nm is None else voxel_size_nm, tuple(offset), cache_mib
    )
    _check_chunks(volume, store, chosen)
    return volume


def _check_chunks(volume: CloudVolume, store: Store, scale: Mapping[str, Any]) -> None:
    key = str(scale["key"]).strip("/")
    folder = os.path.join(store.address, key)
    sharding = scale.get("sharding")
    if isinstance(sharding, Mapping):
        bits = min(int(sharding["shard_bits"]), 62)
        digits = -(-bits // 4)
        named = ([2**bits], lambda at: f"{key}/{at[0]:0{digits}x}.shard")
        check_chunks(volume, store, ChunkFiles(folder, r"[0-9a-f]*\.shard", None), [named])
        return
    grids = [chunk_grid(scale["size"], chunk) for chunk in scale["chunk_sizes"]]
    total = chunk_count(grids[0]) if len(grids) == 1 else None
    names = [
        (grid, partial(_chunk_name, key, scale, chunk)) for grid, chunk in zip(grids, scale["chunk_sizes"], strict=True)
    ]
    check_chunks(volume, store, ChunkFiles(folder, r"-?\d+--?\d+_-?\d+--?\d+_-?\d+--?\d+", total), names)


def _chunk_name(key: str, scale: Mapping[str, Any], chunk: Sequence[int], at: Sequence[int]) -> str:
    """`KEY/x0-x1_y0-y1_z0-z1`, of the chunk at a place of the grid."""
    first = scale.get("voxel_offset", (0, 0, 0))
    ranges = [
        (low + place * extent, low + min((place + 1) * extent, size))
        for place, extent, size, low in zip(at, chunk, scale["size"], first, strict=True)
    ]
    return f"{key}/{'_'.join(f'{low}-{high}' for low, high in ranges)}"


def _number(scales: Sequence[Mapping[str, Any]], inner: str, shown: str) -> int:
    keys = [str(one.get("key")) for one in scales]
    if inner in keys:
        return keys.index(inner)
    if inner.isdecimal():
        return int(inner)
    raise ValueError(f"'{shown}' has no scale '{inner}'; there are: {_listing(scales)}")


def _listing(scales: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{number} ('{one.get('key')}')" for number, one in enumerate(scales))
