"""Read rows of windows ahead of the network, in a thread whose errors end the run."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from scripts.data.sampling.prefetch import prefetched


class RowLoader(DataLoader[dict[str, Any]]):
    """The items of `VolumeSteps` one by one, as batches of one; one thread reads ahead.

    MONAI's `ThreadDataLoader` prints an error of its thread and ends as if all had been read.

    Args:
        dataset: the rows.
        ahead: rows that are read while the network works on another.

    Raises:
        Exception: whatever reading a row raises, where the row is due.

    Example::

        SupervisedEvaluator(..., val_data_loader=RowLoader(steps), prepare_batch=prepare_step)
    """

    def __init__(self, dataset: Dataset[dict[str, Any]], ahead: int = 2) -> None:
        super().__init__(dataset, batch_size=1, num_workers=0)
        self.ahead = ahead

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return prefetched(super().__iter__(), self.ahead, torch.device("cpu"))
