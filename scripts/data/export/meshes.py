"""Surfaces of segments as Neuroglancer's legacy meshes of one resolution."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from scripts.data.export.segment_table import SegmentTable, set_info
from scripts.data.export.target import Target

LARGEST_BOX = 2**28
"""Voxels of a segment's box that are meshed in memory: some 6 GiB with what marching cubes needs."""


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
    """
    (folder / "mesh").mkdir(exist_ok=True)
    (folder / "mesh" / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    set_info(folder, mesh="mesh")
    notes = []
    for key in ids:
        level = table.fitting_level(target.levels, key, largest_box)
        vertices, triangles = segment_mesh(target, table, key, level)
        fragment = f"{key}:0:mesh"
        with (folder / "mesh" / fragment).open("wb") as file:
            file.write(np.uint32(len(vertices)).tobytes())
            file.write(np.ascontiguousarray(vertices[:, ::-1], "<f4").tobytes())
            file.write(np.ascontiguousarray(triangles, "<u4").tobytes())
        (folder / "mesh" / f"{key}:0").write_text(json.dumps({"fragments": [fragment]}))
        if level:
            notes.append(f"id {key} is meshed from level {level}, its box is too large for memory at a finer one")
        if progress is not None:
            progress(1)
    return notes


def segment_mesh(target: Target, table: SegmentTable, key: int, level: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The surface of a segment by marching cubes.

    Args:
        target: the volume.
        table: of its segments.
        key: id of the segment.
        level: of the pyramid.

    Returns:
        (n, 3) positions (z, y, x) in nm, and (m, 3) places of the corners of each triangle; both empty where a coarse
        level has no voxel of it.
    """
    from skimage.measure import marching_cubes

    factors, shape = target.levels[level].factors, target.levels[level].shape
    row = table.rows[key]
    low = [first // by for first, by in zip(row[1:4], factors, strict=True)]
    high = [min(-(-end // by), size) for end, by, size in zip(row[4:], factors, shape, strict=True)]
    inside = target.read(level, (low[0], low[1], low[2]), (high[0], high[1], high[2])) == key
    if not inside.any():
        return np.empty((0, 3)), np.empty((0, 3), np.uint32)
    about = target.description
    size = np.array(about.voxel_size_nm or (1.0, 1.0, 1.0)) * factors
    vertices, triangles, _, _ = marching_cubes(np.pad(inside, 1).astype(np.float32), 0.5)
    first = np.array(about.offset_nm or (0.0, 0.0, 0.0))
    return (vertices - 1 + low + 0.5) * size + first, triangles.astype(np.uint32)
