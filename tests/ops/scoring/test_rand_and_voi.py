"""Adapted Rand and variation of information agree with scikit-image, with slow definitions, and behave as they must."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error
from skimage.metrics import variation_of_information as skimage_voi

from scripts.ops.scoring.adapted_rand import (
    ADAPTED_RAND,
    adapted_rand_plain,
    adapted_rand_skimage,
    adapted_rand_snemi3d,
)
from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.contingency_blocks import table_of_volumes
from scripts.ops.scoring.exact_sums import sum_of_squares
from scripts.ops.scoring.variation_of_information import merge_bits, split_bits, variation_of_information

SMALL = hnp.arrays(np.uint16, (3, 4, 5), elements=st.integers(0, 4))


def table(gt, pred):
    return ContingencyTable.from_arrays(gt, pred)


def slow_snemi3d(gt, pred):
    """The challenge's sums as shares of n, voxel by voxel."""
    n = gt.size
    p = {}
    for g, s in zip(gt.reshape(-1).tolist(), pred.reshape(-1).tolist(), strict=True):
        if g:
            p[g, s] = p.get((g, s), 0) + 1
    a = [sum(v for (g, _), v in p.items() if g == i) / n for i in {g for g, _ in p}]
    b = [sum(v for (_, s), v in p.items() if s == j) / n for j in {s for _, s in p} - {0}]
    single = sum(v for (_, s), v in p.items() if s == 0) / n / n
    sum_a = sum(x * x for x in a)
    sum_b = sum(x * x for x in b) + single / n
    sum_ab = sum((v / n) ** 2 for (_, s), v in p.items() if s) + single / n
    precision, recall = sum_ab / sum_b, sum_ab / sum_a
    return 1 - 2 * precision * recall / (precision + recall), precision, recall


def slow_plain(gt, pred):
    """Ordered pairs of labelled voxels, a voxel with itself too."""
    g, s = gt[gt > 0], pred[gt > 0]
    same_g, same_s = g[:, None] == g, s[:, None] == s
    return 1 - 2 * (same_g & same_s).sum() / (same_g.sum() + same_s.sum())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ids", [2, 7, 300])
def test_scikit_image_agrees_to_12_digits(seed, ids):
    generator = np.random.default_rng(seed)
    gt, pred = generator.integers(0, ids, (2, 6, 40, 40))
    error, precision, recall = adapted_rand_error(gt, pred)
    ours = adapted_rand_skimage(table(gt, pred))
    assert ours.error == pytest.approx(error, abs=1e-12)
    assert ours.recall == pytest.approx(precision, abs=1e-12)  # named the other way round there
    assert ours.precision == pytest.approx(recall, abs=1e-12)
    split, merge = skimage_voi(gt, pred, ignore_labels=(0,))
    voi = variation_of_information(table(gt, pred))
    assert voi.split == pytest.approx(split, abs=1e-12)
    assert voi.merge == pytest.approx(merge, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(SMALL, SMALL)
def test_snemi3d_and_plain_are_their_slow_definitions(gt, pred):
    if not gt.any():
        return
    found = adapted_rand_snemi3d(table(gt, pred))
    assert (found.error, found.precision, found.recall) == pytest.approx(slow_snemi3d(gt, pred), abs=1e-12)
    assert adapted_rand_plain(table(gt, pred)).error == pytest.approx(slow_plain(gt, pred), abs=1e-12)


def test_a_score_by_hand():
    gt, pred = np.array([1, 1, 1, 1, 0]), np.array([5, 5, 6, 0, 6])
    found = adapted_rand_snemi3d(table(gt, pred))  # n=5, c=1: A=16, B=4+1+1/5, AB=4+1+1/5
    assert (found.precision, found.recall) == (1.0, pytest.approx(5.2 / 16))
    voi = variation_of_information(table(gt, pred))
    assert (voi.split, voi.merge) == (1.5, 0.0)
    assert split_bits(table(gt, pred))[1].tolist() == [1.5]


@settings(deadline=None, max_examples=50)
@given(SMALL, SMALL, st.integers(0, 2**32))
def test_names_and_places_do_not_matter_to_the_last_digit(gt, pred, seed):
    if not gt.any():
        return
    generator = np.random.default_rng(seed)
    new = np.arange(2**53, 2**53 + 20, dtype=np.uint64)
    generator.shuffle(new)
    new[0] = 0
    order = generator.permutation(gt.size)
    other = table(new[gt].reshape(-1)[order], new[pred].reshape(-1)[order])
    for score in (*(function for function, _ in ADAPTED_RAND.values()), variation_of_information):
        assert repr(score(other)) == repr(score(table(gt, pred)))  # by text: nan is nan


@settings(deadline=None, max_examples=50)
@given(SMALL.map(lambda a: a + 1), SMALL.map(lambda a: a + 1))
def test_swapping_the_two_swaps_split_and_merge(gt, pred):
    forth, back = variation_of_information(table(gt, pred)), variation_of_information(table(pred, gt))
    assert (forth.split, forth.merge) == (back.merge, back.split)
    for score in (adapted_rand_plain, adapted_rand_snemi3d):
        forth, back = score(table(gt, pred)), score(table(pred, gt))
        assert (forth.error, forth.precision, forth.recall) == (back.error, back.recall, back.precision)


@settings(deadline=None, max_examples=50)
@given(SMALL.map(lambda a: a + 1), st.integers(1, 4))
def test_splitting_raises_split_only_and_merging_merge_only(gt, piece):
    halves = gt.copy()
    halves[2][gt[2] == piece] = 9
    changed = variation_of_information(table(gt, halves))
    assert changed.merge == 0
    assert (changed.split > 0) == bool((gt[2] == piece).any() and (gt[:2] == piece).any())
    joined = np.where(gt == 5, piece, gt)
    changed = variation_of_information(table(gt, joined))
    assert changed.split == 0
    assert (changed.merge > 0) == bool((gt == 5).any() and (gt == piece).any())
    assert adapted_rand_plain(table(gt, joined)).recall == 1
    assert adapted_rand_plain(table(gt, halves)).precision == 1


@pytest.mark.parametrize("name", ADAPTED_RAND)
def test_the_truth_is_perfect(name):
    gt = np.random.default_rng(0).integers(0, 4, (3, 8, 8))
    found = ADAPTED_RAND[name][0](table(gt, np.where(gt == 0, 0, gt + 2**60)))
    assert (found.error, found.precision, found.recall) == (0, 1, 1)
    one = ADAPTED_RAND[name][0](table(np.ones((2, 3, 3), int), np.full((2, 3, 3), 7)))
    assert one.error == 0


def test_an_empty_prediction_is_all_wrong_and_an_empty_truth_is_not_defined():
    gt = np.repeat([1, 2], 50)
    nothing = np.zeros_like(gt)
    found = adapted_rand_snemi3d(table(gt, nothing))
    assert (found.precision, found.recall) == (1, 1 / 5000)  # every voxel alone: AB = c/n = 1, A = 2 * 50^2
    assert adapted_rand_plain(table(gt, nothing)).recall == 1  # one segment of everything
    assert variation_of_information(table(gt, nothing)).merge == 1
    for score in (*(function for function, _ in ADAPTED_RAND.values()), variation_of_information):
        values = vars(score(table(nothing, gt))).values()
        assert all(math.isnan(value) for value in values)


def test_sums_of_squares_do_not_overflow():
    counts = np.array([2**40, 2**40 + 1, 3, 2**20, 2**20 - 1], np.int64)
    assert sum_of_squares(counts) == sum(int(c) ** 2 for c in counts)
    assert sum_of_squares(counts) > 2**64
    huge = ContingencyTable(np.array([1, 1, 2]), np.array([1, 2, 2]), np.array([2**45, 2**44, 2**45]))
    small = ContingencyTable(np.array([1, 1, 2]), np.array([1, 2, 2]), np.array([2, 1, 2]))
    assert adapted_rand_plain(huge) == adapted_rand_plain(small)
    assert adapted_rand_snemi3d(huge) == adapted_rand_snemi3d(small)
    assert variation_of_information(huge) == variation_of_information(small)


def test_the_bits_of_objects_sum_to_the_whole():
    gt, pred = np.random.default_rng(1).integers(0, 6, (2, 5, 20, 20))
    voi = variation_of_information(table(gt, pred))
    assert split_bits(table(gt, pred))[1].sum() == pytest.approx(voi.split)
    assert merge_bits(table(gt, pred))[1].sum() == pytest.approx(voi.merge)


def real(name):
    folder = os.environ.get("SEM_DATA_DIR")
    if not folder or not (Path(folder) / name).exists():
        pytest.skip(f"SEM_DATA_DIR does not point to a folder with {name}")
    return Path(folder) / name


def test_the_reference_values_of_a_real_segmentation_come_out():
    import h5py

    with h5py.File(real("flyem_fib25_ts2.h5")) as file:
        gt, pred = file["labels"][:], file["pred_ffn"][:]
    whole = table_of_volumes(gt, pred)
    voi = variation_of_information(whole)
    found = adapted_rand_plain(whole).error, voi.split, voi.merge, adapted_rand_snemi3d(whole).error
    assert [round(value, 4) for value in found] == [0.1574, 0.8987, 0.9184, 0.0973]
    predicted = table_of_volumes(gt, pred, mask=pred)
    voi = variation_of_information(predicted)
    assert [round(v, 4) for v in (adapted_rand_plain(predicted).error, voi.split, voi.merge)] == [
        0.0557,
        0.6126,
        0.2632,
    ]


def test_scikit_image_agrees_on_real_labels():
    import h5py

    with h5py.File(real("gala_fibsem_train.h5")) as file:
        gt, pred = file["labels"][:], file["supervoxels"][:]
    ours = adapted_rand_skimage(table(gt, pred)).error
    assert ours == pytest.approx(adapted_rand_error(gt, pred)[0], abs=1e-12)
    split, merge = skimage_voi(gt, pred, ignore_labels=(0,))
    voi = variation_of_information(table(gt, pred))
    assert (voi.split, voi.merge) == pytest.approx((split, merge), abs=1e-12)
