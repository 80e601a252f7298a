"""Instance scores: matching, average precision and object errors against hand counts and slow definitions."""

import math
import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scripts.ops.scoring.average_precision import SIZE_RANGES, average_precision
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.instance_matching import match_objects, overlaps
from scripts.ops.scoring.object_errors import object_errors
from scripts.ops.scoring.scores import DEFINITIONS, all_scores

SMALL = hnp.arrays(np.uint8, 24, elements=st.integers(0, 4))
THRESHOLDS = [0.1, 0.25, 0.5, 0.75, 1.0]


def found(gt, pred):
    return overlaps(ContingencyTable.from_arrays(gt, pred))


def ious(gt, pred):
    """{(gt id, pred id): IoU}, object by object."""
    pairs = {}
    for g in set(gt.tolist()) - {0}:
        for p in set(pred.tolist()) - {0}:
            both = np.sum((gt == g) & (pred == p))
            if both:
                pairs[g, p] = both / np.sum((gt == g) | (pred == p))
    return pairs


def slow_matching(gt, pred, threshold):
    """(number of matches, their sum of IoU) of the best assignment, by trying all."""
    pairs = {k: v for k, v in ious(gt, pred).items() if v >= threshold}
    objects, segments = sorted(set(gt.tolist()) - {0}), sorted(set(pred.tolist()) - {0})
    best = (0, 0.0)
    slots = segments + [None] * len(objects)
    for choice in set(permutations(slots, len(objects))):
        chosen = [pairs[pair] for pair in zip(objects, choice, strict=True) if pair in pairs]
        best = max(best, (len(chosen), sum(chosen)))
    return best


def slow_average_precision(gt, pred, threshold, sizes):
    """Segment by segment in the order of rank, then recall by recall."""
    pairs = ious(gt, pred)
    size_g = {g: int((gt == g).sum()) for g in set(gt.tolist()) - {0}}
    size_p = {p: int((pred == p).sum()) for p in set(pred.tolist()) - {0}}
    wanted = {g for g, n in size_g.items() if sizes[0] < n <= sizes[1]}
    if not wanted:
        return float("nan")
    taken, curve, right, wrong = set(), [], 0, 0
    for p in sorted(size_p, key=lambda p: (-size_p[p], p)):
        options = [(-iou, g not in wanted, g) for (g, q), iou in pairs.items() if q == p and iou >= threshold]
        options = [option for option in options if option[2] not in taken]
        if options:
            g = min(options)[2]
            taken.add(g)
            if g not in wanted:
                continue
            right += 1
        elif sizes[0] < size_p[p] <= sizes[1]:
            wrong += 1
        else:
            continue
        curve.append((right, right / (right + wrong)))
    points = [max((q for r, q in curve if 100 * r >= k * len(wanted)), default=0.0) for k in range(101)]
    return sum(points) / 101


@settings(deadline=None, max_examples=80)
@given(SMALL, SMALL, st.sampled_from(THRESHOLDS))
def test_matching_is_the_best_assignment(gt, pred, threshold):
    match = match_objects(found(gt, pred), threshold)
    number, total = slow_matching(gt, pred, threshold)
    assert match.true_positives == number
    assert match.iou.sum() == pytest.approx(total)
    assert len(match.missed) == len(set(gt.tolist()) - {0}) - number
    assert len(match.spurious) == len(set(pred.tolist()) - {0}) - number
    assert len(set(match.pairs[:, 0].tolist())) == len(set(match.pairs[:, 1].tolist())) == number


@settings(deadline=None, max_examples=100)
@given(SMALL, SMALL, st.sampled_from(THRESHOLDS), st.sampled_from([(0, math.inf), (0, 5), (5, 9), (9, math.inf)]))
def test_average_precision_is_its_slow_definition(gt, pred, threshold, sizes):
    ours = average_precision(found(gt, pred), threshold, sizes)
    assert ours == pytest.approx(slow_average_precision(gt, pred, threshold, sizes), abs=1e-12, nan_ok=True)


def test_scores_by_hand():
    gt = np.repeat([1, 2, 3, 0], [4, 4, 2, 2])
    pred = np.repeat([5, 6, 7, 0, 8], [4, 3, 1, 2, 2])  # 5 is 1; 6 is 3/4 of 2, 7 the rest; 3 missed; 8 on background
    match = match_objects(found(gt, pred), 0.75)
    assert match.pairs.tolist() == [[1, 5], [2, 6]]
    assert match.missed.tolist() == [3]
    assert match.spurious.tolist() == [7, 8]
    assert match.accuracy == 2 / 5
    assert (match.precision, match.recall) == (2 / 4, 2 / 3)
    assert match.f1 == 2 / (2 + 1.5)
    assert match.panoptic_quality == (1 + 0.75) / 3.5
    assert match_objects(found(gt, pred), 0.8).true_positives == 1
    # rank: 5 (4 voxels), 6 (3), 8 (2), 7 (1): precision 1 up to recall 2/3, so 67 of 101 points
    assert average_precision(found(gt, pred), 0.75) == pytest.approx(67 / 101)


def test_predicted_voxels_on_unlabelled_ground_truth_can_be_left_out():
    gt, pred = np.array([1, 1, 0, 0]), np.array([5, 5, 5, 5])
    table = ContingencyTable.from_arrays(gt, pred)
    assert match_objects(overlaps(table), 0.75).accuracy == 0
    assert match_objects(overlaps(table.labelled), 0.75).accuracy == 1


def test_a_given_score_ranks_and_a_missing_one_is_named():
    gt, pred = np.repeat([1, 0], [4, 6]), np.repeat([5, 6], [4, 6])
    pairs = found(gt, pred)
    assert average_precision(pairs, 0.5) == 0.5  # the larger, wrong segment comes first
    assert average_precision(pairs, 0.5, scores={5: 0.9, 6: 0.1}) == 1
    assert average_precision(pairs, 0.5, scores={5: 0.5, 6: 0.5}) == 1  # equal scores: the smaller id
    with pytest.raises(ValueError, match="1 of 2 segments have no score, first id 6"):
        average_precision(pairs, 0.5, scores={5: 0.9})


def test_recall_points_are_not_lost_to_rounding():
    gt = np.arange(1, 101)
    pred = np.where(gt <= 29, gt, 0)  # 29 of 100: 0.29 >= 29 / 100 in fractions, 0.01 * 29 is larger
    assert average_precision(found(gt, pred), 0.5) == pytest.approx(30 / 101)


def test_size_ranges_split_at_5000_and_15000_voxels():
    gt = np.repeat([1, 2, 3, 4], [5000, 5001, 15000, 15001])
    pairs = found(gt, gt)
    assert all(average_precision(pairs, 0.75, bounds) == 1 for bounds in SIZE_RANGES.values())
    pairs = found(gt, np.where(gt == 2, 0, gt))
    assert average_precision(pairs, 0.75, SIZE_RANGES["small"]) == 1
    assert average_precision(pairs, 0.75, SIZE_RANGES["medium"]) == pytest.approx(51 / 101)


@settings(deadline=None, max_examples=40)
@given(SMALL.filter(np.any))
def test_the_truth_is_perfect(gt):
    scores = {score.name: score for score in all_scores(ContingencyTable.from_arrays(gt, gt), iou=(0.5, 0.75, 1.0))}
    for name, score in scores.items():
        if score.better == "higher" and "_skimage" not in name and not math.isnan(score.value):
            assert score.value == 1, name
        if score.better == "lower" and "_skimage" not in name:
            assert score.value == 0, name


def test_empty_sides_have_defined_scores():
    gt, nothing = np.array([1, 1, 2]), np.zeros(3, int)
    assert match_objects(found(gt, nothing), 0.5).accuracy == 0
    assert average_precision(found(gt, nothing), 0.5) == 0
    assert match_objects(found(nothing, gt), 0.5).accuracy == 0
    assert math.isnan(average_precision(found(nothing, gt), 0.5))
    assert math.isnan(match_objects(found(nothing, nothing), 0.5).f1)
    assert all_scores(ContingencyTable.empty())


def test_ids_above_2_to_the_53_are_matched_by_name():
    gt = np.array([2**53, 2**53 + 1, 2**64 - 1], np.uint64)
    match = match_objects(found(gt, gt[::-1].copy()), 0.5)
    assert match.pairs.tolist() == [[2**53, 2**64 - 1], [2**53 + 1, 2**53 + 1], [2**64 - 1, 2**53]]


def test_split_and_merged_objects_are_found_and_listed():
    gt = np.repeat([1, 2, 3, 4], [100, 50, 40, 10])
    pred = np.repeat([5, 6, 7, 0], [60, 40, 90, 10])  # 1 is split in 5 and 6; 7 merges 2 and 3; 4 is missed
    errors = object_errors(ContingencyTable.from_arrays(gt, pred), min_voxels=1)
    assert (errors.split_objects, errors.merged_segments, errors.missed_objects) == (1, 1, 1)
    (split,), (merge,) = errors.worst_splits, errors.worst_merges
    assert (split.id, split.voxels, split.pieces, split.count) == (1, 100, ((5, 60), (6, 40)), 2)
    assert (merge.id, merge.voxels, merge.pieces) == (7, 90, ((2, 50), (3, 40)))
    assert split.bits == pytest.approx(0.5 * (0.6 * math.log2(1 / 0.6) + 0.4 * math.log2(1 / 0.4)))


def test_slivers_and_specks_are_no_errors():
    gt = np.repeat([1, 2], [100, 100])
    pred = np.roll(np.repeat([5, 6], [100, 100]), 4)  # borders that are 4 voxels off
    errors = object_errors(ContingencyTable.from_arrays(gt, pred), min_voxels=1)
    assert (errors.split_objects, errors.merged_segments) == (0, 0)
    pred = np.repeat([5, 7, 6], [97, 3, 100])
    assert object_errors(ContingencyTable.from_arrays(gt, pred), min_voxels=1).split_objects == 1
    assert object_errors(ContingencyTable.from_arrays(gt, pred), min_voxels=4).split_objects == 0


def test_worst_offenders_come_by_falling_bits():
    gt = np.repeat([1, 2, 3], [100, 40, 10])
    pred = np.repeat([1, 2, 3, 4, 5, 6], [50, 50, 20, 20, 5, 5])
    worst = object_errors(ContingencyTable.from_arrays(gt, pred), min_voxels=1, worst=2).worst_splits
    assert [offender.id for offender in worst] == [1, 2]


def test_every_score_has_a_name_of_its_own_and_a_definition():
    scores = all_scores(ContingencyTable.from_arrays(np.array([1, 2, 0]), np.array([1, 1, 3])), iou=(0.5, 0.75))
    assert len({score.name for score in scores}) == len(scores)
    assert all(score.definition for score in scores)
    only = all_scores(ContingencyTable.empty(), definitions=("voi",))
    assert [score.name for score in only if score.better] == ["voi_split", "voi_merge", "voi_total"]


def test_wrong_settings_are_named():
    pairs = found(np.array([1]), np.array([1]))
    with pytest.raises(ValueError, match=r"IoU threshold 0 is outside \(0, 1\]"):
        match_objects(pairs, 0)
    with pytest.raises(ValueError, match="IoU threshold 75"):
        average_precision(pairs, 75)
    with pytest.raises(ValueError, match="size range"):
        average_precision(pairs, 0.5, (9, 3))
    with pytest.raises(ValueError, match="definition 'rand' is unknown"):
        all_scores(ContingencyTable.empty(), definitions=("rand",))
    with pytest.raises(ValueError, match="zero 'ignore'"):
        all_scores(ContingencyTable.empty(), definitions=DEFINITIONS, zero="ignore")
    with pytest.raises(ValueError, match="fraction 2"):
        object_errors(ContingencyTable.empty(), fraction=2)


def test_real_mitochondria_are_perfect_against_themselves_and_half_without_half_of_them():
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder or not (Path(folder) / "cdeep3m_sbem_mito_train.h5").exists():
        pytest.skip("SEM_DATA_DIR does not point to a folder with cdeep3m_sbem_mito_train.h5")
    import h5py

    with h5py.File(Path(folder) / "cdeep3m_sbem_mito_train.h5") as file:
        gt = file["labels"][:]
    pairs = found(gt, gt)
    assert average_precision(pairs, 0.75) == match_objects(pairs, 0.75).accuracy == 1
    kept = np.where(gt % 2 == 0, gt, 0)
    share = np.unique(kept)[1:].size / np.unique(gt)[1:].size
    assert match_objects(found(gt, kept), 0.75).accuracy == share
    assert average_precision(found(gt, kept), 0.75) == pytest.approx(share, abs=1 / 101)
