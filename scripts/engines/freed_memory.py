"""Keep freed memory in the process, where large blocks come and go, or return it, where the peak counts; glibc only."""

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3), from glibc's malloc.h."""
TRIM_BYTES = 2**31 - 1
"""Freed memory at the end of the heap that is kept; the largest value mallopt takes."""
LARGEST_BLOCK = 2**25
"""Bytes up to which a block comes from the heap: the largest threshold glibc takes. Larger ones are mapped."""
PAD_BYTES = 2**26
"""Memory requested beyond what is needed, each time the heap grows."""


def keep_freed_memory(enabled: bool = True) -> bool:
    """Let glibc take blocks of up to 32 MiB from its heap and keep them when they are freed.

    A training step allocates and frees the same activations again and again. By default glibc maps each block above
    a threshold anew and the system clears its pages at the first write. The process keeps its largest size until it
    ends. Call it before the first large allocation, in each process; forked workers inherit it.

    Args:
        enabled: False changes nothing.

    Returns:
        Whether it is in effect: False where the C library is not glibc, as on macOS, Windows and Alpine.
    """
    if not enabled or not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_THRESHOLD: LARGEST_BLOCK, M_TRIM_THRESHOLD: TRIM_BYTES, M_TOP_PAD: PAD_BYTES}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())


def return_freed_memory() -> None:
    """Return freed memory of all threads to the system.

    Threads that decode chunks free theirs into heaps of their own, where other threads cannot use it: 5 bytes a voxel
    of a block with its halo that was read from uint8 affinities.
    """
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _is_glibc() -> bool:
    return platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"
