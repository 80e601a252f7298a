"""Adapted Rand error from a contingency table, in the three definitions in use; lower is better."""

from collections.abc import Callable
from dataclasses import dataclass

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.exact_sums import sum_of_squares


@dataclass(frozen=True)
class AdaptedRand:
    """One minus the F-score of voxel pairs, with its two parts.

    Attributes:
        error: `1 - 2PR / (P + R)`, in [0, 1]; nan where there is no ground truth.
        precision: of the pairs joined in the prediction, the part joined in the ground truth (low: merged).
        recall: of the pairs joined in the ground truth, the part joined in the prediction (low: split).
    """

    error: float
    precision: float
    recall: float


def adapted_rand_snemi3d(table: ContingencyTable) -> AdaptedRand:
    """The arithmetic of the SNEMI3D challenge.

    `p[i, j]` are the voxels of ground truth i > 0 and prediction j; `a` the sums over all j, predicted 0 too; `b` the
    sums over i for j > 0; `c` the labelled voxels predicted 0; `n` all voxels, unlabelled too.
    `A = sum a^2`, `B = sum b^2 + c/n`, `AB = sum over j > 0 of p^2 + c/n`; precision `AB/B`, recall `AB/A`.
    A voxel predicted 0 thus stands alone in its own segment; Arganda-Carreras et al. 2015 (10.3389/fnana.2015.00142),
    with the challenge's own division of the single voxels by n once instead of twice. Sums are exact.
    """
    if not len(table.labelled):
        return _NOTHING
    n = table.voxels
    c = table.labelled.voxels - table.overlaps.voxels
    both = n * sum_of_squares(table.overlaps.counts) + c
    truth = n * sum_of_squares(table.labelled.gt.sizes)
    predicted = n * sum_of_squares(table.overlaps.pred.sizes) + c
    return _ratios(both, truth, predicted)


def snemi3d_error(table: ContingencyTable) -> float:
    """The error alone, as a metric to choose a checkpoint by."""
    return adapted_rand_snemi3d(table).error


def adapted_rand_skimage(table: ContingencyTable) -> AdaptedRand:
    """`skimage.metrics.adapted_rand_error(gt, pred, ignore_labels=(0,))`: predicted 0 is one segment like any other, a
    voxel paired with itself does not count. It calls precision what is recall here, and the other way round.
    """
    labelled = table.labelled
    n = labelled.voxels
    both = sum_of_squares(labelled.counts) - n
    truth = sum_of_squares(labelled.gt.sizes) - n
    predicted = sum_of_squares(labelled.pred.sizes) - n
    return _ratios(both, truth, predicted)


def adapted_rand_plain(table: ContingencyTable) -> AdaptedRand:
    """Sums of squares alone: unlabelled voxels left out, predicted 0 is one segment, self-pairs count."""
    labelled = table.labelled
    both = sum_of_squares(labelled.counts)
    return _ratios(both, sum_of_squares(labelled.gt.sizes), sum_of_squares(labelled.pred.sizes))


ADAPTED_RAND: dict[str, tuple[Callable[[ContingencyTable], AdaptedRand], str]] = {
    "snemi3d": (
        adapted_rand_snemi3d,
        "SNEMI3D arithmetic: gt 0 ignored, voxels predicted 0 stand alone (c/n added once), self-pairs count",
    ),
    "skimage": (
        adapted_rand_skimage,
        "scikit-image: gt 0 ignored, predicted 0 is one segment, self-pairs subtracted; precision and recall are named "
        "as in SNEMI3D, the other way round than there",
    ),
    "plain": (
        adapted_rand_plain,
        "plain sums of squares: gt 0 ignored, predicted 0 is one segment, self-pairs count",
    ),
}
"""Name -> (function, definition in a line)."""

_NOTHING = AdaptedRand(float("nan"), float("nan"), float("nan"))


def _ratios(both: int, truth: int, predicted: int) -> AdaptedRand:
    """Quotients of whole numbers, each rounded once; nan where there are no pairs."""
    return AdaptedRand(
        error=(truth + predicted - 2 * both) / (truth + predicted) if truth + predicted else float("nan"),
        precision=both / predicted if predicted else float("nan"),
        recall=both / truth if truth else float("nan"),
    )
