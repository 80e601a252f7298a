"""Keep freed memory in the process: glibc returns each large block to the system, which must clear it for the next."""

import ctypes
import platform

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
    if not enabled or platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_THRESHOLD: LARGEST_BLOCK, M_TRIM_THRESHOLD: TRIM_BYTES, M_TOP_PAD: PAD_BYTES}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
