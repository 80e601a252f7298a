"""A background thread that stays a few batches ahead of the training step."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class _End:
    error: Exception | None


def prefetched(batches: Iterable[Batch], ahead: int, device: torch.device) -> Iterator[Batch]:
    """Yield the batches, prepared in a thread that keeps at most `ahead` of them ready; its errors are raised here.

    Work on a GPU is put on the stream of the caller, so batches need no further synchronisation.
    """
    ready: queue.Queue[Batch | _End] = queue.Queue(max(1, ahead))
    stopped = threading.Event()
    stream = torch.cuda.stream(torch.cuda.current_stream(device)) if device.type == "cuda" else nullcontext()

    def put(item: Batch | _End) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def prepare() -> None:
        error: Exception | None = None
        try:
            with stream:
                for batch in batches:
                    if not put(batch):
                        return
        except Exception as raised:
            error = raised
        finally:
            put(_End(error))

    thread = threading.Thread(target=prepare, name="batches ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()
