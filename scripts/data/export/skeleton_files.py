"""Skeletons of segments as SWC files and as Neuroglancer's precomputed skeletons."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from scripts.data.export.segment_masks import segment_masks
from scripts.data.export.segment_table import SegmentTable, set_info
from scripts.data.export.target import Target
from scripts.data.files.swc import write_swc
from scripts.ops.scoring.skeletonize import skeletons_from_labels
from scripts.ops.scoring.skeletons import Skeleton

LARGEST_BOX = 2**22
"""Voxels of a segment's box that a skeleton is drawn in; a larger segment is drawn at a coarser level."""


def write_skeletons(
    folder: Path,
    target: Target,
    table: SegmentTable,
    ids: Sequence[int],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write `skeletons/` of a precomputed volume, and `swc/ID.swc` with positions in nm.

    Args:
        folder: of the volume; its `info` names the skeletons.
        target: the volume.
        table: of its segments.
        ids: of the segments.
        progress: is called with 1 after each skeleton.

    Raises:
        ValueError: a segment too large at every level, or a volume without voxel size.
    """
    voxel = target.description.voxel_size_nm
    if voxel is None:
        raise ValueError(
            "skeletons are in nm and the volume has no voxel size; give --voxel_size_nm 30,6,6, for example"
        )
    for name in ("skeletons", "swc"):
        (folder / name).mkdir(exist_ok=True)
    info = {
        "@type": "neuroglancer_skeletons",
        "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
        "vertex_attributes": [],
    }
    (folder / "skeletons" / "info").write_text(json.dumps(info))
    set_info(folder, skeletons="skeletons")
    for mask in segment_masks(target, table, ids, LARGEST_BOX):
        edges = np.array(voxel) * target.levels[mask.level].factors
        first = np.array(mask.low) * edges + np.array(target.description.offset_nm or (0.0, 0.0, 0.0))
        for drawn in skeletons_from_labels(mask.inside.astype(np.uint8), edges.tolist(), min_voxels=1):
            skeleton = Skeleton(mask.id, drawn.nodes_nm + first, drawn.edges)
            with (folder / "skeletons" / str(mask.id)).open("wb") as file:
                file.write(np.array([len(skeleton.nodes_nm), len(skeleton.edges)], "<u4").tobytes())
                file.write(np.ascontiguousarray(skeleton.nodes_nm[:, ::-1], "<f4").tobytes())
                file.write(skeleton.edges.astype("<u4").tobytes())
            write_swc(folder / "swc" / f"{mask.id}.swc", skeleton)
        if progress is not None:
            progress(1)
