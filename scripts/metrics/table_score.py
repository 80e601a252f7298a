"""An ignite metric over instance labels: contingency tables are summed over batches and processes, then scored once."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.exceptions import NotComputableError
from ignite.metrics import Metric
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable, side_by_side
from scripts.ops.scoring.scores import score_values


class TableScore(Metric):
    """Score predicted instances against ground truth over everything seen since `reset`.

    `update` takes `(pred, gt)` or `(pred, gt, names)`: integer labels (..., z, y, x), every leading index (batch,
    the one channel) a volume of its own, or lists of such as MONAI's decollated batches. Items of one name are parts of
    one volume: their tables add up, also over processes, so a volume may be scored window by window if the windows do
    not overlap. Items without a name are volumes of their own: id 7 of one and id 7 of the next are two objects.

    With several processes, each sees its own share and `compute` gives the same result on all; scores are never
    averaged. The sampler must not repeat volumes to fill up the last batch.

    Args:
        score: from a table to a number or a mapping of numbers, such as one of `ops.scoring.adapted_rand`;
            the default gives all scores by name.
        output_transform: from the engine's output to what `update` takes.
        device: for ignite; tables stay on the CPU.

    Raises:
        ValueError: labels that are not integers, negative ids, or shapes that differ.
        NotComputableError: `compute` before anything was seen.

    Example:
        >>> metric = TableScore()
        >>> metric.update((np.array([[[5, 5, 6]]]), np.array([[[1, 1, 2]]])))
        >>> metric.compute()["adapted_rand_skimage"]
        0.0
    """

    required_output_keys = None

    def __init__(
        self,
        score: Callable[[ContingencyTable], float | Mapping[str, float]] = score_values,
        output_transform: Callable[[Any], Any] = lambda output: output,
        device: str | torch.device = "cpu",
    ) -> None:
        self.score = score
        super().__init__(output_transform=output_transform, device=device)

    def reset(self) -> None:
        """Forget all volumes."""
        self._tables: dict[str | int, ContingencyTable] = {}

    def update(self, output: Sequence[Any]) -> None:
        """Add one batch."""
        pred, gt, *names = output
        if not isinstance(pred, (list, tuple)):
            pred, gt = _volumes(pred), _volumes(gt)
        given: Sequence[str | None] = [None] * len(pred)
        if names:
            given = [names[0]] * len(pred) if isinstance(names[0], str) else names[0]
        if not len(pred) == len(gt) == len(given):
            raise ValueError(f"{len(pred)} predictions, {len(gt)} ground truths and {len(given)} names in one batch")
        for segments, truth, name in zip(pred, gt, given, strict=True):
            table = ContingencyTable.from_arrays(_array(truth), _array(segments))
            key = len(self._tables) if name is None else name
            self._tables[key] = self._tables.get(key, ContingencyTable.empty()) + table

    def compute(self) -> float | Mapping[str, float]:
        """The score of all volumes seen by all processes."""
        return self.score(self.table())

    def table(self) -> ContingencyTable:
        """The table of all volumes seen by all processes; every process must call it."""
        shares = [self._tables] if idist.get_world_size() == 1 else _gathered(self._tables)
        volumes: dict[Any, list[ContingencyTable]] = {}
        for rank, share in enumerate(shares):
            for key, table in share.items():
                volumes.setdefault(key if isinstance(key, str) else (rank, key), []).append(table)
        if not volumes:
            raise NotComputableError("no volume was scored; the validation loader is empty, or update was never called")
        parts = [reduce(add, volumes[key]) for key in sorted(volumes, key=str)]
        return parts[0] if len(parts) == 1 else side_by_side(parts)


def _gathered(tables: dict[str | int, ContingencyTable]) -> list[dict[str | int, ContingencyTable]]:
    """Every process's tables, by rank."""
    plain = {key: (table.gt_ids, table.pred_ids, table.counts) for key, table in tables.items()}
    everyone: list[Any] = [None] * idist.get_world_size()
    torch.distributed.all_gather_object(everyone, plain)
    return [{key: ContingencyTable(*cells) for key, cells in share.items()} for share in everyone]


def _volumes(labels: Any) -> list[NDArray[Any]]:
    """(..., z, y, x) as a list of (z, y, x)."""
    array = _array(labels)
    if array.ndim < 3:
        raise ValueError(f"labels of shape {array.shape} are not (..., z, y, x)")
    return list(array.reshape(-1, *array.shape[-3:]))


def _array(labels: Any) -> NDArray[Any]:
    return labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
