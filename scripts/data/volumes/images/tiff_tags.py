"""What the tags of a TIFF state about its pixels: applied, or refused by name."""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import tifffile

from scripts.data.volumes.images.tiff_chain import PageTags
from scripts.data.volumes.voxel_size import VoxelSize, in_nanometres

WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
TOP_LEFT = 1
PHOTOMETRIC, ORIENTATION = 262, 274


def check_tags(tiff: tifffile.TiffFile, path: str) -> int | None:
    """Refuse tags that change what a pixel means and that are not applied.

    The tags are those of the first page; `check_pages` compares the others with it.

    Returns:
        The stored value that is black where 0 is white, else None.

    Raises:
        ValueError: rows that are not stored from top to bottom and left to right, a calibration of the values, or
            values that are no whole numbers where 0 is white.
    """
    first = tiff.pages.first
    orientation = first.tags.valueof(ORIENTATION, TOP_LEFT)
    if orientation != TOP_LEFT:
        raise ValueError(
            f"'{path}' states the orientation {int(orientation)}, so its rows are not stored from top left; save it "
            "with the orientation 1 (top left)"
        )
    calibration = tiff.imagej_metadata or {} if tiff.is_imagej else {}
    if (calibration.get("cf", 20), calibration.get("c0", 0), calibration.get("c1", 1)) not in ((20, 0, 1), (0, 0, 1)):
        raise ValueError(
            f"'{path}' has an ImageJ calibration of its grey values (c0 {calibration.get('c0')}, "
            f"c1 {calibration.get('c1')}), by which they are to be changed; save it as 32-bit, or without calibration"
        )
    photometric = first.tags.valueof(PHOTOMETRIC, BLACK_IS_ZERO)
    if photometric != WHITE_IS_ZERO:
        return None
    if first.dtype is not None and first.dtype.kind == "b":  # a mask: tifffile writes those as 0 is white
        return None
    if first.dtype is None or first.dtype.kind != "u":
        raise ValueError(f"'{path}' states that 0 is white and holds {first.dtype} values; save it with 0 as black")
    return 2 ** int(first.bitspersample) - 1


def check_pages(pages: Sequence[PageTags], path: str, calibrated: bool = False) -> None:
    """Refuse a stack whose pages state different things about their pixels.

    Args:
        pages: what each page states.
        path: of the file, for the message.
        calibrated: whether the resolution is used, as of an ImageJ file: then it must be one.

    Raises:
        ValueError: names the first page that differs, and both values.
    """
    first = pages[0]
    for number, page in enumerate(pages[1:], 1):
        fields = ("photometric", "orientation", *(("resolution",) if calibrated else ()))
        for field in fields:
            own, other = getattr(first, field), getattr(page, field)
            if own != other and other != (None, None):
                raise ValueError(
                    f"'{path}': page {number} states the {field} {other}, page 0 {own}; save all pages alike, or take "
                    "them apart"
                )


def inverted(pixels: np.ndarray, white: int) -> np.ndarray:
    """Pixels in which 0 is white as pixels in which 0 is black."""
    return (white - pixels).astype(pixels.dtype)


def tiff_voxel_size(tiff: tifffile.TiffFile, path: str) -> VoxelSize | None:
    """The voxel size (z, y, x) in nm that OME or ImageJ metadata state, or None."""
    if tiff.is_ome and tiff.ome_metadata:
        pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
        sizes = [None if pixels is None else pixels.get(f"PhysicalSize{axis}") for axis in "ZYX"]
        if pixels is None or None in sizes:
            return None
        units = [pixels.get(f"PhysicalSize{axis}Unit", "um") for axis in "ZYX"]
        return in_nanometres([float(size) for size in sizes if size], units, path)
    if tiff.is_imagej and tiff.imagej_metadata:
        stated = tiff.imagej_metadata
        unit, spacing = stated.get("unit"), stated.get("spacing")
        tags = tiff.pages.first.tags
        pitch = [tags[name].value for name in ("YResolution", "XResolution") if name in tags]
        if unit is None or not spacing or len(pitch) != 2 or any(not pixels for pixels, _ in pitch):
            return None
        units = [stated.get("zunit", unit), stated.get("yunit", unit), unit]  # written where they differ from that of x
        depth = abs(spacing)  # as ImageJ reads it: some programs write it below 0
        return in_nanometres([depth, *(length / pixels for pixels, length in pitch)], units, path)
    return None
