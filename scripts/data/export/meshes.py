"""Surfaces of segments as Neuroglancer's legacy meshes of one resolution."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from scripts.data.export.segment_masks import SegmentMask, segment_masks
from scripts.data.export.segment_table import SegmentTable, set_info
from scripts.data.export.target import Target
from scripts.data.free_memory import free_memory

LARGEST_BOX = 2**28
"""Voxels of a segment's box that are meshed in memory."""
BYTES_PER_VOXEL = 24
"""Of a box, with what marching cubes needs."""


def write_meshes(
    folder: Path,
    target: Target,
    table: SegmentTable,
    ids: Sequence[int],
    largest_box: int = LARGEST_BOX,
    progress: Callable[[int], object] | None = None,
) -> list[str]:
    """Write one mesh a segment, from the finest level of the pyramid whose box of it fits in memory.

    Vertices are at positions in nm; the surface runs between voxels, half way from centre to centre.

    Args:
        folder: of the precomputed volume; its `info` names the meshes.
        target: the volume.
        table: of its segments.
        ids: of the segments.
        largest_box: voxels that may be read at once.
        progress: is called with 1 after each mesh.

    Returns:
        A line for each segment that was meshed from a coarser level.

    Raises:
        ValueError: a segment whose box fits at no level.
        MemoryError: less memory is free than a mesh takes.
    """
    (folder / "mesh").mkdir(exist_ok=True)
    (folder / "mesh" / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    set_info(folder, mesh="mesh")
    notes = []
    for mask in segment_masks(target, table, ids, largest_box):
        vertices, triangles = segment_mesh(target, mask)
        fragment = f"{mask.id}:0:mesh"
        with (folder / "mesh" / fragment).open("wb") as file:
            file.write(np.uint32(len(vertices)).tobytes())
            file.write(np.ascontiguousarray(vertices[:, ::-1], "<f4").tobytes())
            file.write(np.ascontiguousarray(triangles, "<u4").tobytes())
        (folder / "mesh" / f"{mask.id}:0").write_text(json.dumps({"fragments": [fragment]}))
        if mask.level:
            notes.append(
                f"id {mask.id} is meshed from level {mask.level}, its box is too large for memory at a finer one"
            )
        if progress is not None:
            progress(1)
    return notes


def segment_mesh(target: Target, mask: SegmentMask) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a segment by marching cubes.

    Args:
        target: the volume.
        mask: the voxels of the segment.

    Returns:
        (n, 3) positions (z, y, x) in nm, and (m, 3) places of the corners of each triangle; both empty where a coarse
        level has no voxel of it.

    Raises:
        MemoryError: less memory is free than marching cubes takes.
    """
    from skimage.measure import marching_cubes

    if not mask.inside.any():
        return np.empty((0, 3)), np.empty((0, 3), np.uint32)
    need, free = mask.inside.size * BYTES_PER_VOXEL, free_memory()
    if need > free:
        raise MemoryError(
            f"the mesh of id {mask.id}, of {' x '.join(map(str, mask.inside.shape))} voxels (z, y, x), takes about "
            f"{need / 2**30:.1f} GiB, and {free / 2**30:.1f} are free; leave it out with --ids"
        )
    about = target.description
    size = np.array(about.voxel_size_nm or (1.0, 1.0, 1.0)) * target.levels[mask.level].factors
    vertices, triangles, _, _ = marching_cubes(np.pad(mask.inside, 1).astype(np.float32), 0.5)
    first = np.array(about.offset_nm or (0.0, 0.0, 0.0))
    return (vertices - 1 + mask.low + 0.5) * size + first, triangles.astype(np.uint32)
