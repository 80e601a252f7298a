"""The metadata of OME-Zarr images and labels, versions 0.4 and 0.5 (https://ngff.openmicroscopy.org)."""

from collections.abc import Sequence
from typing import Any

from scripts.data.export.pyramid import PyramidLevel
from scripts.data.export.target import Description
from scripts.data.files.ome_version import image_group

METHODS = {False: "mean", True: "mode"}


def image_attributes(about: Description, levels: Sequence[PyramidLevel], version: str) -> dict[str, Any]:
    """Attributes of the group of an image, or of labels, with the levels `0`, `1`, ...

    The position of a coarser level's first voxel is that of its centre, half a block from the first voxel's: a voxel is
    at its centre in OME-Zarr.

    Args:
        about: of the finest level.
        levels: of the pyramid.
        version: `0.4` or `0.5`.
    """
    size = [1.0, 1.0, 1.0] if about.voxel_size_nm is None else list(map(float, about.voxel_size_nm))
    unit = {} if about.voxel_size_nm is None else {"unit": "nanometer"}
    channel: list[Any] = [] if about.channels is None else [{"name": "c", "type": "channel"}]
    ones, zeros = [1.0] * len(channel), [0.0] * len(channel)
    datasets = []
    for number, level in enumerate(levels):
        scale = [edge * factor for edge, factor in zip(size, level.factors, strict=True)]
        first = about.offset_nm or (0.0, 0.0, 0.0)
        moved = [at + (factor - 1) / 2 * edge for at, factor, edge in zip(first, level.factors, size, strict=True)]
        datasets.append(
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": ones + scale},
                    {"type": "translation", "translation": zeros + moved},
                ],
            }
        )
    image = {
        "name": about.name,
        "axes": [*channel, *({"name": axis, "type": "space", **unit} for axis in "zyx")],
        "datasets": datasets,
        "type": METHODS[about.labels],
        "metadata": {
            "method": "scripts.data.export.pyramid.downsample",
            "description": f"each voxel is the {METHODS[about.labels]} of its block in the level before",
        },
    }
    label: dict[str, Any] = {"image-label": {"source": {"image": "../../"}}} if about.labels else {}
    if label and version == "0.4":
        label["image-label"]["version"] = "0.4"
    return image_group(image, version, label)


def labels_attributes(names: Sequence[str], version: str) -> dict[str, Any]:
    """Attributes of the group `labels` of an image: which labels it holds."""
    listed = {"labels": sorted(set(names))}
    return {"ome": {"version": "0.5", **listed}} if version == "0.5" else listed
