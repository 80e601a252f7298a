"""OME-Zarr (NGFF 0.1 to 0.5): which array is a scale level, what its axes are, and the size of its voxels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres

AXES_BEFORE_0_3 = ("t", "c", "z", "y", "x")


class Level(NamedTuple):
    """One scale level: the path of its array, the names of its axes, if stated its voxel size and the position of its
    first voxel, (z, y, x) in nm, and what the user should know about them."""

    path: str
    axes: tuple[str, ...]
    voxel_size_nm: VoxelSize | None
    offset_nm: VoxelSize | None = None
    remark: str = ""

    def leading(self, shape: Sequence[int], place: str) -> int:
        """How many axes of length one stand before z, y, x.

        Raises:
            ValueError: the last axes are not z, y, x, or one before them is longer than one.
        """
        if len(shape) != len(self.axes) or self.axes[-3:] != ("z", "y", "x"):
            raise ValueError(
                f"'{place}', array '{self.path}' of shape {tuple(shape)}, has the axes {', '.join(self.axes)} where "
                "a volume ends in z, y, x; write it again in that order"
            )
        for name, size in zip(self.axes[:-3], shape, strict=False):
            if size != 1:
                raise ValueError(
                    f"'{place}', array '{self.path}', has {size} steps on axis {name} where a volume has z, y, x; "
                    "save one of them as an array of its own and open that"
                )
        return len(shape) - 3


def multiscales(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The image described by the attributes of a Zarr group (the first one), or None where there is none."""
    ome = attributes.get("ome")
    images = ome.get("multiscales") if isinstance(ome, Mapping) else attributes.get("multiscales")
    return images[0] if isinstance(images, Sequence) and images and isinstance(images[0], Mapping) else None


def level_at(image: Mapping[str, Any], scale: int, place: str) -> Level:
    """Level `scale` of an image, 0 the finest.

    Raises:
        ValueError: there is no such level, the metadata lack what the format demands, or they state a transformation
            that is not applied.
    """
    levels = image.get("datasets")
    if not isinstance(levels, list | tuple) or not levels or not all(map(_names_an_array, levels)):
        raise ValueError(
            f"'{place}': multiscales[0].datasets lists no arrays of this folder; the OME-Zarr metadata are damaged"
        )
    if not 0 <= scale < len(levels):
        names = ", ".join(f"{i} ('{level['path']}')" for i, level in enumerate(levels))
        raise ValueError(f"'{place}' has no scale {scale}; there are: {names}")
    listed = image.get("axes", AXES_BEFORE_0_3)
    if not isinstance(listed, list | tuple):
        raise ValueError(f"'{place}': multiscales[0].axes is {listed!r:.60}, not a list; the metadata are damaged")
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in listed]
    names_of_axes = tuple(str(axis.get("name", "")).lower() for axis in axes)
    units = [axis.get("unit") for axis in axes[-3:]]
    ones, zeros = [1.0] * len(axes), [0.0] * len(axes)
    own, outer = (_transformations(holder, len(axes), place) for holder in (levels[scale], image))
    path, stated = str(levels[scale]["path"]), own.get("scale") or outer.get("scale")
    scales = zip(own.get("scale", ones), outer.get("scale", ones), strict=True)
    edges = [a * b for a, b in scales][-3:]
    size = in_nanometres(edges, units, place) if stated else None
    unknown = stated and size is None and (any(units) or edges != [1.0] * 3)
    remark = f"its voxels of {_times(edges)} (z, y, x) have {_named(units)}" if unknown else ""
    lengths = in_nanometres([1.0] * 3, units, place) if len(units) == 3 else None
    if lengths is None or not ("translation" in own or "translation" in outer):
        return Level(path, names_of_axes, size, None, remark)
    moves = zip(own.get("translation", zeros), outer.get("scale", ones), outer.get("translation", zeros), strict=True)
    z, y, x = (at * length for at, length in zip([a * b + c for a, b, c in moves][-3:], lengths, strict=True))
    return Level(path, names_of_axes, size, (z, y, x), remark)


def _names_an_array(level: Any) -> bool:
    """Whether an entry of `datasets` names an array within the folder."""
    if not isinstance(level, Mapping) or "path" not in level:
        return False
    path = str(level["path"])
    return not path.startswith("/") and ".." not in path.split("/")


def _transformations(holder: Mapping[str, Any], count: int, place: str) -> dict[str, list[float]]:
    """Scale and translation among the coordinate transformations of a level or of the image, by their types."""
    listed = holder.get("coordinateTransformations") or ()
    found: dict[str, list[float]] = {}
    if not isinstance(listed, list | tuple) or not all(isinstance(one, Mapping) for one in listed):
        raise ValueError(f"'{place}': coordinateTransformations is {listed!r:.60}; fix it in the OME-Zarr metadata")
    for transformation in listed:
        kind = transformation.get("type")
        if kind == "identity":
            continue
        if kind not in ("scale", "translation") or kind in found:
            raise ValueError(
                f"'{place}' states {'a second' if kind in found else 'the'} transformation {str(kind)!r:.40}, which is "
                "not applied; give one scale and at most one translation in coordinateTransformations"
            )
        try:
            numbers = [float(number) for number in transformation.get(kind, ())]
        except (TypeError, ValueError, OverflowError):
            numbers = []
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise ValueError(
                f"'{place}': the {kind} {transformation.get(kind)!r:.60} is not {count} numbers, one for each axis; "
                "fix coordinateTransformations in the OME-Zarr metadata"
            )
        found[kind] = numbers
    return found


def _named(units: Sequence[Any]) -> str:
    """What is wrong with units that are no lengths."""
    names = sorted({str(unit) for unit in units if unit})
    stated = f"the unit {names[0]!r:.40}, which is no length that is known" if names else "no unit"
    return f"{stated}, so their size is unknown; give voxel_size_nm"


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
