"""Labels and image on one grid: same shape, same size of voxels."""

from scripts.data.volumes.volume import Volume


def check_aligned(label: Volume, image: Volume) -> None:
    """Make sure that labels agree with their image voxel for voxel.

    Raises:
        ValueError: another shape, or another voxel size where both state one.
    """
    check_same_shape(label, image)
    edges, own = image.voxel_size_nm, label.voxel_size_nm
    if edges is None or own is None or all(abs(a - b) <= 0.01 * a for a, b in zip(edges, own, strict=True)):
        return
    raise ValueError(
        f"labels {label.path} have voxels of {_times(own)} nm (z, y, x), image {image.path} of {_times(edges)} nm; "
        "bring both to one grid, or correct the voxel size that is stated wrongly"
    )


def check_same_shape(label: Volume, image: Volume) -> None:
    """Raise ValueError, naming both, unless labels have the shape of their image."""
    if tuple(label.shape) == tuple(image.shape):
        return
    turned = sorted(label.shape) == sorted(image.shape)
    raise ValueError(
        f"labels {label.path} have shape {tuple(label.shape)} (z, y, x), image {image.path} {tuple(image.shape)}; they "
        f"must agree voxel for voxel"
        f"{': the axes seem to be in another order, save both as (z, y, x)' if turned else ''}"
    )


def _times(sizes: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
