"""Refuse work that does not fit into the free memory, before it starts."""

from collections.abc import Callable, Sequence

from scripts.data.free_memory import free_memory

GIB = 2**30


def check_memory(
    work: str,
    shape: Sequence[int],
    bytes_per_voxel: float,
    remedy: Callable[[int, int, int], str] | None = None,
    copies: int = 1,
) -> None:
    """Raise where a box needs more memory than is free.

    Args:
        work: what is done, as the user knows it, such as "decode with agglomeration".
        shape: voxels (z, y, x) of the box.
        bytes_per_voxel: needed at the peak.
        remedy: called with the voxels (z, y, x) that fit; returns the option that selects them.
        copies: boxes in memory at the same time, one a process.

    Raises:
        MemoryError: GiB needed, GiB free, and a box that fits.

    Example::

        check_memory("decode", (1000, 2048, 2048), 57, lambda z, y, x: f"--box 0:{z},0:{y},0:{x}")
    """
    z, y, x = (int(size) for size in shape)
    free, per_section = free_memory(), bytes_per_voxel * y * x * copies
    if z * per_section <= free:
        return
    together = f", {copies} at a time" if copies > 1 else ""
    fitting = int(free / per_section)
    if fitting >= 1:
        box = f"{fitting} of its {z} sections fit" + (f": {remedy(fitting, y, x)}" if remedy else "")
    else:
        side = int((free / (bytes_per_voxel * copies)) ** 0.5)
        box = f"not even one section fits; {side} x {side} voxels of one do"
    raise MemoryError(
        f"{work}: {z} x {y} x {x} voxels{together} need about {z * per_section / GIB:.1f} GiB, "
        f"{free / GIB:.1f} GiB are free; {box}"
    )
