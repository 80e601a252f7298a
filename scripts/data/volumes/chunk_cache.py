"""Decoded chunks kept in memory, least recently used out first, within a budget of bytes for the whole run."""

import os
import sys
import threading
from collections import OrderedDict

import numpy as np

MIB = 2**20
Key = tuple[int, int, int, int]
"""The number of a volume in this process, and the place (z, y, x) of a chunk in its chunk grid."""


class ChunkCache:
    """Chunks by key, the least recently used leaving when their bytes exceed `limit`. Safe under threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._chunks: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> np.ndarray | None:
        """The chunk, which is now the most recently used, or None."""
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None:
                self._chunks.move_to_end(key)
            return chunk

    def put(self, key: Key, chunk: np.ndarray) -> None:
        """Keep a chunk, unless it alone exceeds the limit."""
        if chunk.nbytes > self.limit:
            return
        with self._lock:
            if key in self._chunks:
                return
            self._chunks[key] = chunk
            self.bytes += chunk.nbytes
            while self.bytes > self.limit:
                self.bytes -= self._chunks.popitem(last=False)[1].nbytes

    def forget(self, number: int) -> None:
        """Drop the chunks of one volume."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == number]:
                self.bytes -= self._chunks.pop(key).nbytes

    def __len__(self) -> int:
        return len(self._chunks)


_of_process: tuple[int, ChunkCache] = (-1, ChunkCache(0))


def process_cache(cache_mib: float) -> ChunkCache:
    """The cache that all volumes of this process share; it is as large as the largest budget among them.

    After a fork the child begins with an empty one. Inside a DataLoader worker it has the worker's share.
    """
    global _of_process
    if _of_process[0] != os.getpid():
        _of_process = (os.getpid(), ChunkCache(0))
    cache = _of_process[1]
    cache.limit = max(cache.limit, share_of_budget(cache_mib))
    return cache


def share_of_budget(mib: float) -> int:
    """Bytes of a run's budget that fall to this process: all of it, or a DataLoader worker's equal part."""
    torch_data = sys.modules.get("torch.utils.data")  # a process that never imported torch is no worker of its loader
    worker = torch_data.get_worker_info() if torch_data else None
    return int(mib * MIB / (worker.num_workers if worker else 1))
