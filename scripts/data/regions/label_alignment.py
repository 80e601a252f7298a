"""Labels and image on one grid: same shape, or labels of a part at the position that they state."""

from collections.abc import Sequence

from scripts.data.regions.placed_labels import PlacedLabels
from scripts.data.volumes.volume import Volume


def aligned_labels(label: Volume, image: Volume, kind: str = "labels") -> Volume:
    """Labels, or a mask, that agree with their image voxel for voxel.

    Labels smaller than the image are placed where they state to be: by `offset` in voxels, or by a position in nm that
    is counted from the same origin as the image's. `kind` is what messages call them.

    Raises:
        ValueError: another voxel size or orientation; another shape without a position; a position that contradicts
            the image's, or that is not a whole number of voxels.
    """
    _check_voxel_size(label, image, kind)
    if label.orientation and image.orientation and label.orientation != image.orientation:
        raise ValueError(
            f"{kind} {label.path} state the orientation {label.orientation} (z, y, x), image {image.path} "
            f"{image.orientation}; bring both to one, for example with nibabel.as_closest_canonical"
        )
    shift = _shift(label, image)
    if tuple(label.shape) == tuple(image.shape):
        if shift is not None and image.position is not None and any(shift):
            raise ValueError(
                f"{kind} {label.path} state the position {label.position} (z, y, x) in voxels, image {image.path} "
                f"{image.position}, and both have the shape {tuple(image.shape)}; correct the offset that is wrong"
            )
        return label
    if shift is None:
        check_same_shape(label, image, kind)
        return label
    corner = tuple(round(at) for at in shift)
    if any(abs(at - whole) > 0.01 for at, whole in zip(shift, corner, strict=True)) or min(corner) < 0:
        raise ValueError(
            f"{kind} {label.path} begin {_times(shift)} voxels (z, y, x) from the first of image {image.path}; give "
            f"both on one grid, the {kind} inside the image: correct their offset, or cut them"
        )
    return PlacedLabels(label, (corner[0], corner[1], corner[2]), image.shape)


def check_same_shape(label: Volume, image: Volume, kind: str = "labels") -> None:
    """Raise ValueError, naming both, unless labels, or a mask, have the shape of their image."""
    if tuple(label.shape) == tuple(image.shape):
        return
    turned = sorted(label.shape) == sorted(image.shape)
    smaller = all(a <= b for a, b in zip(label.shape, image.shape, strict=True))
    remedy = ""
    if turned:
        remedy = ": the axes seem to be in another order, save both as (z, y, x)"
    elif smaller:
        remedy = f"; {kind} of a part of the image state their first voxel as the attribute offset (z, y, x in voxels)"
    if kind == "mask" and not turned:
        raise ValueError(
            f"mask {label.path} has shape {tuple(label.shape)} (z, y, x), image {image.path} {tuple(image.shape)}; "
            "give one of the same shape, one of voxels that are larger by whole numbers in a file that states their "
            "size, or of a part one that states its first voxel as the attribute offset (z, y, x in voxels)"
        )
    raise ValueError(
        f"{kind} {label.path} have shape {tuple(label.shape)} (z, y, x), image {image.path} {tuple(image.shape)}; they "
        f"must agree voxel for voxel{remedy}"
    )


def _shift(label: Volume, image: Volume) -> tuple[float, float, float] | None:
    """From the first voxel of the image to the first of the labels, (z, y, x) in voxels; None where not stated.

    Labels that state a position in an image that states none are placed from its first voxel.
    """
    if label.position is None:
        return None
    origin = image.position or (0.0, 0.0, 0.0)
    z, y, x = (at - first for at, first in zip(label.position, origin, strict=True))
    return z, y, x


def _check_voxel_size(label: Volume, image: Volume, kind: str) -> None:
    edges, own = image.voxel_size_nm, label.voxel_size_nm
    if edges is None or own is None or all(abs(a - b) <= 0.01 * a for a, b in zip(edges, own, strict=True)):
        return
    raise ValueError(
        f"{kind} {label.path} have voxels of {_times(own)} nm (z, y, x), image {image.path} of {_times(edges)} nm; "
        "bring both to one grid, or correct the voxel size that is stated wrongly"
    )


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
