"""All scores of a table in one list, each with its definition, label and direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from scripts.ops.scoring.adapted_rand import ADAPTED_RAND
from scripts.ops.scoring.average_precision import SIZE_RANGES, average_precision
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.instance_matching import Overlaps, match_objects, overlaps
from scripts.ops.scoring.object_errors import object_errors
from scripts.ops.scoring.variation_of_information import VARIATION_OF_INFORMATION, variation_of_information


@dataclass(frozen=True)
class Score:
    """One number. What it is called, which direction is better and whether it is a headline is declared here only.

    Attributes:
        name: short and unique, as in files and engines: `adapted_rand_snemi3d`.
        value: the number, an int for a count; nan where it is not defined (no ground truth).
        better: "lower", "higher", or "" for a plain count.
        definition: what exactly was computed.
        label: name in tables for people; the name itself if not given.
        headline: whether it is in the first table of a report, of a run and of the demo.
    """

    name: str
    value: float
    better: str
    definition: str
    label: str = ""
    headline: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)


FIRST = "snemi3d"
"""The adapted Rand error among the headlines."""
DEFINITIONS = (*ADAPTED_RAND, "voi", "ranked", "matching", "errors")
"""Groups of scores to choose from."""

OBJECT_ERRORS = {
    "split_objects": "split objects",
    "merged_segments": "merging segments",
    "missed_objects": "missed objects",
}
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
        zero: whether ground truth 0 is "background" (mitochondria) or "unlabelled" (untraced parts) to scores
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
            label, headline = f"VOI {part} (bits)".replace(" total", ""), part != "total"
            scores.append(
                Score(f"voi_{part}", getattr(found, part), "lower", VARIATION_OF_INFORMATION, label, headline)
            )
    if "ranked" in definitions or "matching" in definitions:
        pairs = overlaps(table if zero == "background" else table.labelled)
        for threshold in iou:
            if "ranked" in definitions:
                scores += _ranked(pairs, threshold, ZERO[zero])
            if "matching" in definitions:
                scores += _matching(pairs, threshold, ZERO[zero])
    if "errors" in definitions:
        errors = object_errors(table, worst=0)
        for name, label in OBJECT_ERRORS.items():
            headline = name != "missed_objects"
            scores.append(Score(name, getattr(errors, name), "lower", errors.definition, label, headline))
    return scores


@cache
def declared_scores() -> dict[str, Score]:
    """Every score by name, without a value: its label, direction, definition, and whether it is a headline."""
    return {score.name: score for score in all_scores(ContingencyTable.empty())}


def directed_scores() -> dict[str, bool]:
    """Name of every score that can be better or worse -> whether lower is better."""
    return {score.name: score.better == "lower" for score in declared_scores().values() if score.better}


def headlines() -> list[Score]:
    """The scores that tables show first, in their order."""
    return [score for score in declared_scores().values() if score.headline]


def score_values(table: ContingencyTable) -> dict[str, float]:
    """Name -> value of all scores, for an engine's metrics."""
    return {score.name: score.value for score in all_scores(table)}


def _counts(table: ContingencyTable) -> list[Score]:
    return [
        Score("voxels", table.voxels, "", "voxels compared, those of gt 0 too, those outside box and mask not"),
        Score("labelled_voxels", table.labelled.voxels, "", "of these, voxels with gt above 0"),
        Score("gt_objects", int((table.gt.ids > 0).sum()), "", "ids above 0 in the ground truth", "objects", True),
        Score("segments", int((table.pred.ids > 0).sum()), "", "ids above 0 in the prediction", headline=True),
    ]


def _adapted_rand(table: ContingencyTable, name: str) -> list[Score]:
    function, definition = ADAPTED_RAND[name]
    found = function(table)
    definition += "; precision is low where merged, recall where split"
    title = name.replace("snemi3d", "SNEMI3D")
    return [
        Score(f"adapted_rand_{name}", found.error, "lower", definition, f"Adapted Rand error ({title})", name == FIRST),
        Score(f"adapted_rand_{name}_precision", found.precision, "higher", definition, f"precision ({title})"),
        Score(f"adapted_rand_{name}_recall", found.recall, "higher", definition, f"recall ({title})"),
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
            f"AP-{100 * threshold:g} (ranked" + f", {name}" * (name != "all") + ")",
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
        Score(f"ap{tag}_accuracy", match.accuracy, "higher", rule, f"AP-{100 * threshold:g} (accuracy)", True),
        Score(f"f1_{tag}", match.f1, "higher", rule),
        Score(f"pq_{tag}", match.panoptic_quality, "higher", rule),
    ]


def _percent(threshold: float) -> str:
    return f"{100 * threshold:g}".replace(".", "_")
