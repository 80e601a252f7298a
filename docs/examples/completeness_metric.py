"""A metric: the share of an object in its largest segment, on average."""

import numpy as np

from scripts.metrics import TableScore
from scripts.ops.scoring.contingency import ContingencyTable


def completeness(table: ContingencyTable) -> float:
    """Mean over ground-truth objects of the share of their voxels in their largest segment; nan without objects."""
    labelled = table.labelled
    largest = np.zeros(labelled.gt.ids.size, np.int64)
    hits = labelled.pred_ids > 0
    np.maximum.at(largest, labelled.gt.place[hits], labelled.counts[hits])
    return float(np.mean(largest / labelled.gt.sizes)) if largest.size else float("nan")


if __name__ == "__main__":
    truth = np.array([[[1, 1, 1, 1, 2, 2, 0]]])
    found = np.array([[[5, 5, 5, 6, 0, 7, 7]]])
    metric = TableScore(score=completeness)
    metric.update((found, truth))
    assert metric.compute() == (3 / 4 + 1 / 2) / 2
