"""OME-Zarr (NGFF 0.1 to 0.5): which array is a scale level, what its axes are, and the size of its voxels."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres

AXES_BEFORE_0_3 = ("t", "c", "z", "y", "x")


class Level(NamedTuple):
    """One scale level: the path of its array, the names of its axes, and, if stated, its voxel size and the position
    of its first voxel, (z, y, x) in nm."""

    path: str
    axes: tuple[str, ...]
    voxel_size_nm: VoxelSize | None
    offset_nm: VoxelSize | None = None

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
        ValueError: there is no such level, or the metadata lack what the format demands.
    """
    levels = image.get("datasets")
    if not isinstance(levels, Sequence) or not levels or not all("path" in level for level in levels):
        raise ValueError(f"'{place}': multiscales[0].datasets lists no arrays; the OME-Zarr metadata are damaged")
    if not 0 <= scale < len(levels):
        names = ", ".join(f"{i} ('{level['path']}')" for i, level in enumerate(levels))
        raise ValueError(f"'{place}' has no scale {scale}; there are: {names}")
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in image.get("axes", AXES_BEFORE_0_3)]
    names_of_axes = tuple(str(axis.get("name", "")).lower() for axis in axes)
    units = [axis.get("unit") for axis in axes[-3:]]
    own, moved = (_numbers(levels[scale], kind, len(axes), place) for kind in ("scale", "translation"))
    outer, shift = (_numbers(image, kind, len(axes), place) for kind in ("scale", "translation"))
    if own is None:
        return Level(str(levels[scale]["path"]), names_of_axes, None)
    ones, zeros = [1.0] * len(axes), [0.0] * len(axes)
    size = in_nanometres([a * b for a, b in zip(own, outer or ones, strict=True)][-3:], units, place)
    lengths = in_nanometres([1.0] * 3, units, place)
    offset = None
    if lengths is not None and (moved or shift):
        both = [a * b + c for a, b, c in zip(moved or zeros, outer or ones, shift or zeros, strict=True)][-3:]
        z, y, x = (position * length for position, length in zip(both, lengths, strict=True))
        offset = (z, y, x)
    return Level(str(levels[scale]["path"]), names_of_axes, size, offset)


def _numbers(holder: Mapping[str, Any], kind: str, count: int, place: str) -> list[float] | None:
    """The scale or translation among the coordinate transformations of a level or of the image."""
    for transformation in holder.get("coordinateTransformations", ()):
        if transformation.get("type") == kind:
            numbers = [float(number) for number in transformation.get(kind, ())]
            if len(numbers) != count:
                raise ValueError(
                    f"'{place}': a {kind} of {len(numbers)} numbers {numbers} for {count} axes; fix "
                    "coordinateTransformations in the OME-Zarr metadata"
                )
            return numbers
    return None
