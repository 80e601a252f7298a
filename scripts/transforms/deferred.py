"""Keys whose voxels an item does not have yet: they are gathered later, for a whole batch, on the device.

An item of `CropDataset(read=False)` has `item["deferred"] = {"image": (1, z, y, x)}` instead of the voxels. A transform
that can work on a gathered batch skips such a key and has a method `on_batch(batch)`, which `DeviceBatches` calls in
its place.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import MapTransform


def present_keys(item: Mapping[Hashable, Any], transform: MapTransform) -> list[Hashable]:
    """The keys of a transform whose voxels are in the item.

    Raises:
        KeyError: a key that is neither there nor deferred, unless the transform allows missing keys.
    """
    deferred = item.get("deferred", ())
    for key in transform.keys:
        if key not in item and key not in deferred and not transform.allow_missing_keys:
            raise KeyError(
                f"{type(transform).__name__} works on '{key}', but the item has only {sorted(map(str, item))}"
            )
    return [key for key in transform.keys if key in item]


def shape_of(item: Mapping[Hashable, Any], key: Hashable) -> tuple[int, ...] | None:
    """Shape of a key's voxels, there or deferred; None where the item does not know the key."""
    if key in item:
        return tuple(item[key].shape)
    return item.get("deferred", {}).get(key)
