"""Variation of information from a contingency table, in bits, whole and object by object; lower is better."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.ops.scoring.contingency import ContingencyTable

VARIATION_OF_INFORMATION = (
    "bits, gt 0 ignored, predicted 0 is one segment; split = H(pred | gt), merge = H(gt | pred), as scikit-image"
)


@dataclass(frozen=True)
class VariationOfInformation:
    """Two conditional entropies over the labelled voxels.

    Attributes:
        split: `H(pred | gt)`, bits: grows when an object falls into pieces.
        merge: `H(gt | pred)`, bits: grows when a segment holds several objects.
    """

    split: float
    merge: float

    @property
    def total(self) -> float:
        """The distance itself, `split + merge`."""
        return self.split + self.merge


def variation_of_information(table: ContingencyTable) -> VariationOfInformation:
    """Split and merge entropies of a table (Meilă 2007, 10.1016/j.jmva.2006.11.013), voxels of gt 0 left out.

    Equals `skimage.metrics.variation_of_information(gt, pred, ignore_labels=(0,))`. Terms are summed without
    rounding, so ids and their order do not matter to the last digit. nan without ground truth.
    """
    if not len(table.labelled):
        return VariationOfInformation(float("nan"), float("nan"))
    split, merge = _bits(table.labelled)
    return VariationOfInformation(math.fsum(split), math.fsum(merge))


def split_bits(table: ContingencyTable) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """`(gt ids, bits)`: what each object of the ground truth adds to the split entropy."""
    side = table.labelled.gt
    return side.ids, np.bincount(side.place, _bits(table.labelled)[0], side.ids.size).astype(np.float64)


def merge_bits(table: ContingencyTable) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """`(pred ids, bits)`: what each segment of the prediction, 0 too, adds to the merge entropy."""
    side = table.labelled.pred
    return side.ids, np.bincount(side.place, _bits(table.labelled)[1], side.ids.size).astype(np.float64)


def _bits(labelled: ContingencyTable) -> tuple[NDArray[Any], NDArray[Any]]:
    """The terms `p/n log2(a/p)` and `p/n log2(b/p)`, none below 0, cell by cell."""
    share = labelled.counts / labelled.voxels
    return (
        share * np.log2(labelled.gt.sizes[labelled.gt.place] / labelled.counts),
        share * np.log2(labelled.pred.sizes[labelled.pred.place] / labelled.counts),
    )
