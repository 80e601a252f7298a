"""What Neuroglancer shows of each segment: properties, surfaces, skeletons."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scripts.data.export.meshes import write_meshes
from scripts.data.export.segment_table import SegmentTable, write_segment_properties
from scripts.data.export.skeleton_files import write_skeletons
from scripts.data.export.target import Target
from scripts.data.files.predictions import open_prediction, read_prediction
from scripts.data.volumes.part import VolumePart
from scripts.ops.box import Box, Offset3


class Drawn(NamedTuple):
    """What to write of which segments.

    Attributes:
        meshes, skeletons: whether to write them.
        ids: of the segments, None for all of at least `smallest` voxels.
        smallest: voxels of the smallest segment.
        prediction: affinities (3, z, y, x), for the mean at the border of each segment.
        box: of the labels in the prediction.
    """

    meshes: bool
    skeletons: bool
    ids: Sequence[int] | None
    smallest: int
    prediction: str | None
    box: Box


def write_segment_files(folder: Path, target: Target, drawn: Drawn) -> list[str]:
    """Write the properties of all segments of a precomputed volume, and meshes and skeletons where they are wanted.

    Returns:
        Lines that describe what was written.

    Raises:
        ValueError: an id that is not there, or a segment too large for memory.
    """
    table = count_segments(target, drawn.prediction, drawn.box)
    write_segment_properties(folder, table)
    notes = [f"properties of {len(table.rows)} segments"]
    if drawn.meshes or drawn.skeletons:
        chosen = table.largest(drawn.ids, drawn.smallest)
        if drawn.meshes:
            notes += [f"meshes of {len(chosen)} segments", *write_meshes(folder, target, table, chosen)]
        if drawn.skeletons:
            write_skeletons(folder, target, table, chosen)
            notes.append(f"skeletons of {len(chosen)} segments, also as SWC in the folder swc")
    return notes


def box_in_prediction(labels: VolumePart, prediction: str) -> Box:
    """Where labels are in a prediction: the same box where both have one shape, else by the positions they state.

    Raises:
        ValueError: the prediction does not contain them.
    """
    with open_prediction(prediction) as opened:
        first = labels.position
        if opened.shape[1:] == labels.volume.shape or first is None:
            return Box.parse(labels.box, opened.shape[1:])
        z, y, x = (round(at) - low for at, low in zip(first, opened.offset, strict=True))
        stop = tuple(at + extent for at, extent in zip((z, y, x), labels.shape, strict=True))
        if min(z, y, x) < 0:
            raise ValueError(
                f"the labels begin at {first} (z, y, x), before the first voxel {opened.offset} of '{prediction}'; "
                "give a prediction that covers them"
            )
        return Box.parse(Box((z, y, x), (stop[0], stop[1], stop[2])), opened.shape[1:])


def count_segments(target: Target, prediction: str | None, box: Box) -> SegmentTable:
    """Size, box and, with affinities, the mean at the border of every segment."""
    table = SegmentTable(target.levels[0].shape)
    for low, high in target.blocks(0):
        table.add(target.read(0, low, high), low)
        if prediction is not None:
            _add_borders(table, target, prediction, box, low, high)
    return table


def _add_borders(table: SegmentTable, target: Target, prediction: str, box: Box, low: Offset3, high: Offset3) -> None:
    z, y, x = (max(at - 1, 0) for at in low)
    labels = target.read(0, (z, y, x), high)
    z0, y0, x0 = (a + b for a, b in zip((z, y, x), box.start, strict=True))
    z1, y1, x1 = (a + b for a, b in zip(high, box.start, strict=True))
    affinities, _ = read_prediction(prediction, Box((z0, y0, x0), (z1, y1, x1)))
    if len(affinities) < 3:
        raise ValueError(f"'{prediction}' has {len(affinities)} channels, where affinities have three (z, y, x)")
    if affinities.dtype == np.uint8:
        affinities = affinities / np.float32(255)
    table.add_borders(labels, affinities[:3], low)
