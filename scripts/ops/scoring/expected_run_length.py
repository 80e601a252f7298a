"""Expected run length: how far a segmentation follows a neurite from a random point before an error."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.ops.box import Box
from scripts.ops.scoring.contingency_blocks import Readable, blocks_of
from scripts.ops.scoring.skeletons import Skeleton

EXPECTED_RUN_LENGTH = (
    "sum over skeletons and segments of length^2 / total length; an edge counts where both ends lie in one segment, "
    "but not where that segment is 0 or merges: holds more than {merge_threshold} nodes of each of 2 skeletons "
    "or more; NERL: divided by the same of a perfect segmentation"
)


@dataclass(frozen=True)
class ExpectedRunLength:
    """ERL of a segmentation (Januszewski et al. 2018, 10.1038/s41592-018-0049-4).

    Attributes:
        erl_nm: expected run length in nm.
        perfect_nm: that of a segmentation without errors; the upper limit.
        nerl: `erl_nm / perfect_nm`, in [0, 1].
        merging: segments that count as merges, ascending.
        split_edges, omitted_edges: edges between two segments, and edges with an end in segment 0.
        definition: the rule as text, with its threshold.
    """

    erl_nm: float
    perfect_nm: float
    nerl: float
    merging: tuple[int, ...]
    split_edges: int
    omitted_edges: int
    definition: str


def expected_run_length(
    skeletons: Sequence[Skeleton], segments: Sequence[NDArray[Any]], *, merge_threshold: int = 0
) -> ExpectedRunLength:
    """ERL and NERL of skeletons whose nodes lie in known segments.

    A random point falls on skeleton i with probability `L_i / L`; its run is the length of the skeleton's edges in the
    segment it falls into, 0 where that segment merges or is 0. So `ERL = sum over i and s of l(i, s)^2 / L`.

    Args:
        skeletons: one a neurite, each with its own id.
        segments: for each skeleton the segment id of each node (`node_segments`), 0 for none.
        merge_threshold: nodes of a skeleton that a segment may hold without counting as following it; 0: one is enough.

    Raises:
        ValueError: numbers of nodes that differ, ids given twice, or a negative threshold.
    """
    if merge_threshold < 0:
        raise ValueError(f"merge_threshold {merge_threshold} is negative; it is a number of nodes, 0 or more")
    if len({skeleton.id for skeleton in skeletons}) != len(skeletons):
        raise ValueError("two skeletons have one id; a neurite in parts is one skeleton of several trees")
    followed: Counter[int] = Counter()
    for skeleton, own in zip(skeletons, segments, strict=True):
        if len(own) != len(skeleton.nodes_nm):
            raise ValueError(f"skeleton {skeleton.id} has {len(skeleton.nodes_nm)} nodes, but {len(own)} segment ids")
        ids, counts = np.unique(own, return_counts=True)
        for segment in ids[(ids != 0) & (counts > merge_threshold)].tolist():
            followed[segment] += 1
    merging = {segment for segment, number in followed.items() if number > 1}
    runs, totals, split, omitted = [], [], 0, 0
    for skeleton, own in zip(skeletons, segments, strict=True):
        lengths = skeleton.edge_lengths_nm
        totals.append(math.fsum(lengths))
        left, right = np.asarray(own)[skeleton.edges].reshape(-1, 2).T
        inside = (left == right) & (left != 0)
        omitted += int(np.count_nonzero((left == 0) | (right == 0)))
        split += int(np.count_nonzero((left != right) & (left != 0) & (right != 0)))
        ids, place = np.unique(left[inside], return_inverse=True)
        for segment, run in zip(ids.tolist(), np.bincount(place, lengths[inside]).tolist(), strict=True):
            if segment not in merging:
                runs.append(run * run)
    total = math.fsum(totals)
    erl = math.fsum(runs) / total if total else float("nan")
    perfect = math.fsum(length * length for length in totals) / total if total else float("nan")
    return ExpectedRunLength(
        erl,
        perfect,
        erl / perfect if total else float("nan"),
        tuple(sorted(merging)),
        split,
        omitted,
        EXPECTED_RUN_LENGTH.format(merge_threshold=merge_threshold),
    )


def node_segments(
    skeletons: Sequence[Skeleton],
    volume: Readable,
    voxel_size_nm: Sequence[float],
    *,
    box: Box | str | None = None,
    block_voxels: int = 2**23,
) -> list[NDArray[np.uint64]]:
    """The segment id at every node, 0 outside the box; reads the volume block by block, and only blocks with nodes."""
    whole = Box.parse(box, volume.shape)
    nodes = np.concatenate([np.empty((0, 3)), *(skeleton.nodes_nm for skeleton in skeletons)])
    places = np.floor(nodes / np.asarray(voxel_size_nm, np.float64)).astype(np.int64)
    found = np.zeros(len(places), np.uint64)
    for block in blocks_of(whole, block_voxels):
        low, high = np.array(block.start), np.array(block.stop)
        here = np.flatnonzero(np.all((places >= low) & (places < high), axis=1))
        if here.size:
            z, y, x = (places[here] - low).T
            found[here] = np.asarray(volume[block.slices])[z, y, x]
    return np.split(found, np.cumsum([len(skeleton.nodes_nm) for skeleton in skeletons]))[:-1]
