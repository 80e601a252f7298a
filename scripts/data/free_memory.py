"""The memory that is free: of the machine, or of its container."""

from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""Memory limit of a container, which the whole machine's numbers do not show."""


def free_memory() -> int:
    """Return the bytes that this process can still use: of the machine, or of its container where that has a limit."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or no limit ("max")
        return free
    return min(free, max(limit - used, 0))
