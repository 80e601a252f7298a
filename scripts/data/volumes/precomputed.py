"""Neuroglancer precomputed: a scale of the `info` file as a volume, of any encoding, sharded or not."""

from collections.abc import Mapping, Sequence
from typing import Any

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
        ValueError: no `info`, no such scale, several channels, or metadata that are damaged.
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
    return CloudVolume(
        place, spec, (2, 1, 0), size if voxel_size_nm is None else voxel_size_nm, tuple(offset), cache_mib
    )


def _number(scales: Sequence[Mapping[str, Any]], inner: str, shown: str) -> int:
    keys = [str(one.get("key")) for one in scales]
    if inner in keys:
        return keys.index(inner)
    if inner.isdigit():
        return int(inner)
    raise ValueError(f"'{shown}' has no scale '{inner}'; there are: {_listing(scales)}")


def _listing(scales: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{number} ('{one.get('key')}')" for number, one in enumerate(scales))
