"""All scores of a table in one list, each with its definition: a number without one cannot be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.ops.scoring.adapted_rand import ADAPTED_RAND
from scripts.ops.scoring.average_precision import SIZE_RANGES, average_precision
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.instance_matching import Overlaps, match_objects, overlaps
from scripts.ops.scoring.object_errors import object_errors
from scripts.ops.scoring.variation_of_information import VARIATION_OF_INFORMATION, variation_of_information


@dataclass(frozen=True)
class Score:
    """One number.

    Attributes:
        name: short and unique, as in files and engines: `adapted_rand_snemi3d`.
        value: the number; nan where it is not defined (no ground truth).
        better: "lower", "higher", or "" for a plain count.
        definition: what exactly was computed.
    """

    name: str
    value: float
    better: str
    definition: str


DEFINITIONS = (*ADAPTED_RAND, "voi", "ranked", "matching", "errors")
"""Groups of scores that can be asked for."""

ZERO = {
    "background": "predicted voxels on gt 0 count against a segment",
    "unlabelled": "voxels on gt 0 left out",
}
"""What id 0 of the ground truth means to scores of instances."""


def all_scores(
    table: ContingencyTable,
    *,
    definitions: Sequence[str] = DEFINITIONS,
    iou: Sequence[float] = (0.5, 0.75),
    zero: str = "background",
) -> list[Score]:
    """Every score of a table, in a fixed order.

    Args:
        table: ground truth against prediction, voxels without ground truth included.
        definitions: which groups, of `DEFINITIONS`.
        iou: thresholds of the scores of instances.
        zero: whether ground truth 0 is "background" (mitochondria) or "unlabelled" (parts nobody traced) to scores
            of instances; adapted Rand and variation of information always leave it out.

    Raises:
        ValueError: an unknown definition or `zero`, or an IoU outside (0, 1].
    """
    unknown = [name for name in definitions if name not in DEFINITIONS]
    if unknown or not definitions:
        raise ValueError(
            f"definition '{unknown[0] if unknown else ''}' is unknown; there are: {', '.join(DEFINITIONS)}"
        )
    if zero not in ZERO:
        raise ValueError(f"zero '{zero}' is unknown; ground truth 0 is one of: {', '.join(ZERO)}")
    scores = _counts(table)
    for name in ADAPTED_RAND:
        if name in definitions:
            scores += _adapted_rand(table, name)
    if "voi" in definitions:
        found = variation_of_information(table)
        for part in ("split", "merge", "total"):
            scores.append(Score(f"voi_{part}", getattr(found, part), "lower", VARIATION_OF_INFORMATION))
    if "ranked" in definitions or "matching" in definitions:
        pairs = overlaps(table if zero == "background" else table.labelled)
        for threshold in iou:
            if "ranked" in definitions:
                scores += _ranked(pairs, threshold, ZERO[zero])
            if "matching" in definitions:
                scores += _matching(pairs, threshold, ZERO[zero])
    if "errors" in definitions:
        errors = object_errors(table, worst=0)
        for name in ("split_objects", "merged_segments", "missed_objects"):
            scores.append(Score(name, getattr(errors, name), "lower", errors.definition))
    return scores


def score_values(table: ContingencyTable) -> dict[str, float]:
    """Name -> value of all scores, for an engine's metrics."""
    return {score.name: score.value for score in all_scores(table)}


def _counts(table: ContingencyTable) -> list[Score]:
    return [
        Score("voxels", table.voxels, "", "voxels compared, those of gt 0 too, those outside box and mask not"),
        Score("labelled_voxels", table.labelled.voxels, "", "of these, voxels with gt above 0"),
        Score("gt_objects", int((table.gt.ids > 0).sum()), "", "ids above 0 in the ground truth"),
        Score("segments", int((table.pred.ids > 0).sum()), "", "ids above 0 in the prediction"),
    ]


def _adapted_rand(table: ContingencyTable, name: str) -> list[Score]:
    function, definition = ADAPTED_RAND[name]
    found = function(table)
    definition += "; precision is low where merged, recall where split"
    return [
        Score(f"adapted_rand_{name}", found.error, "lower", definition),
        Score(f"adapted_rand_{name}_precision", found.precision, "higher", definition),
        Score(f"adapted_rand_{name}_recall", found.recall, "higher", definition),
    ]


def _ranked(pairs: Overlaps, threshold: float, zero: str) -> list[Score]:
    (_, small), (_, medium) = SIZE_RANGES["small"], SIZE_RANGES["medium"]
    rule = (
        f"average precision, segments ranked by voxels, 101 recall points, IoU >= {threshold:g}; small: up to "
        f"{small:g} voxels, medium: up to {medium:g}, large: above; {zero}"
    )
    return [
        Score(
            f"ap{_percent(threshold)}_ranked" + f"_{name}" * (name != "all"),
            average_precision(pairs, threshold, bounds),
            "higher",
            rule,
        )
        for name, bounds in SIZE_RANGES.items()
    ]


def _matching(pairs: Overlaps, threshold: float, zero: str) -> list[Score]:
    match = match_objects(pairs, threshold)
    tag = _percent(threshold)
    rule = (
        f"one-to-one matches at IoU >= {threshold:g}: accuracy TP / (TP + FP + FN), F1 TP / (TP + FP/2 + FN/2), "
        f"panoptic quality (pq) the sum of matched IoU / (TP + FP/2 + FN/2); {zero}"
    )
    return [
        Score(f"ap{tag}_accuracy", match.accuracy, "higher", rule),
        Score(f"f1_{tag}", match.f1, "higher", rule),
        Score(f"pq_{tag}", match.panoptic_quality, "higher", rule),
    ]


def _percent(threshold: float) -> str:
    return f"{100 * threshold:g}".replace(".", "_")
