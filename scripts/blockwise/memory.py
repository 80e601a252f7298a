"""Memory that decoding takes, and whether a volume must go block by block."""

from scripts.blockwise.grid import Size3
from scripts.data.free_memory import free_memory

BYTES_A_VOXEL = {
    "zwatershed": 16,
    "zwatershed-percentile": 40,
    "agglomeration": 50,
    "agglomeration-quantile": 55,
    "mutex": 60,
    "binary": 12,
    "bc": 12,
    "bcd": 16,
    "bcd-distance": 16,
}
"""Bytes a voxel that decoding in memory may take, beside the prediction; docs/results/decoders.md has what it took."""
BYTES_A_BLOCK_VOXEL = 14
"""Bytes a voxel of a block with its halo that a worker takes, for affinities in uint8; floats take 9 more."""
SHARE = 0.8
"""Of the free memory that decoding may take."""


def decoding_gib(decoder: str, shape: Size3, channels: int, itemsize: int) -> float:
    """GiB that decoding a box of a prediction in memory takes; float16 is read and turned into float32."""
    prediction = channels * (itemsize if itemsize != 2 else 6)
    z, y, x = shape
    return z * y * x * (prediction + BYTES_A_VOXEL[decoder]) / 2**30


def free_gib() -> float:
    """GiB that a process can take without swapping, in a container of its limit."""
    return free_memory() / 2**30


def block_gib(block: Size3, itemsize: int) -> float:
    """GiB that a worker takes for a block."""
    z, y, x = (size + 4 for size in block)
    return z * y * x * (BYTES_A_BLOCK_VOXEL + (9 if itemsize > 1 else 0)) / 2**30
