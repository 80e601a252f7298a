"""Memory for the decoded chunks of the volumes that crops are drawn from: a share of what is free."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from scripts.data.free_memory import free_memory
from scripts.data.regions.region import Region
from scripts.data.volumes.chunk_cache import MIB
from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.volume import Volume
from scripts.ops.box import Box

SHARE = 0.25
"""Of the free memory that decoded chunks may take, in all processes of a training together."""
LEAST_MIB = 128.0
"""Budget where less is free; that of `open_volume`."""


def chunk_budget_mib() -> float:
    """MiB of decoded chunks that this process and its loader's workers may keep together.

    Several processes that `torchrun` starts on a machine divide the share.
    """
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(LEAST_MIB, SHARE * free_memory() / MIB / processes)


def chunk_bytes(regions: Sequence[Region]) -> int:
    """Bytes of all chunks that crops of the regions touch, once they are decoded; 0 where nothing is decoded."""
    needed: dict[str, int] = {}
    whole: dict[str, int] = {}
    for region in regions:
        for volume in (region.image, region.label, region.mask):
            for leaf in () if volume is None else chunked_parts(volume):
                bytes_of_chunk = int(np.prod(leaf.chunks)) * leaf.dtype.itemsize
                touched = zip(_stored(region.box, region.image.shape, leaf.shape), leaf.chunks, strict=True)
                chunks = np.prod([-(-high // size) - low // size for (low, high), size in touched])
                needed[leaf.path] = needed.get(leaf.path, 0) + int(chunks) * bytes_of_chunk
                grid = [-(-extent // size) for extent, size in zip(leaf.shape, leaf.chunks, strict=True)]
                whole[leaf.path] = int(np.prod(grid)) * bytes_of_chunk
    return sum(min(bytes_, whole[path]) for path, bytes_ in needed.items())


def chunk_note(regions: Sequence[Region], workers: int, budget_mib: float | None = None) -> str | None:
    """A line where the chunks that crops touch are more than a process may keep, so that each is decoded often.

    Args:
        regions: of the training.
        workers: processes that read crops, each of all regions; 0 for this one.
        budget_mib: of all of them; as `chunk_budget_mib` if not given.
    """
    needed = chunk_bytes(regions)
    budget = (chunk_budget_mib() if budget_mib is None else budget_mib) * MIB / max(workers, 1)
    if needed <= budget:
        return None
    of_each = f"each of {workers} workers keeps {budget / MIB:,.0f}" if workers > 1 else f"{budget / MIB:,.0f} are kept"
    remedy = "fewer --workers, " if workers > 1 else ""
    return (
        f"crops are drawn from {needed / MIB:,.0f} MiB of decoded chunks and {of_each}, so chunks are decoded again: "
        f"use {remedy}a smaller --train_box, or a volume without compression (.npy)"
    )


def chunked_parts(volume: Volume) -> Iterator[ChunkedVolume]:
    """The volumes stored in chunks that a volume reads: itself, or what it is made of."""
    if isinstance(volume, ChunkedVolume):
        yield volume
        return
    for part in vars(volume).values():
        if isinstance(part, Volume):
            yield from chunked_parts(part)


def _stored(box: Box, shape: Sequence[int], stored: Sequence[int]) -> list[tuple[int, int]]:
    """First and last voxel of a box along each axis in a volume of another size that covers the same space."""
    return [
        (low * there // here, min(-(-high * there // here), there))
        for low, high, here, there in zip(box.start, box.stop, shape, stored, strict=True)
    ]
