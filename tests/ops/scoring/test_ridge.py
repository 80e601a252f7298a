"""Ridge regression in closed form, and the scores of read-outs."""

import itertools

import numpy as np
import pytest

from scripts.ops.scoring.readout_scores import area_under_curve, r_squared
from scripts.ops.scoring.ridge import ridge_weights

FEATURES = np.random.default_rng(0).normal(size=(50, 4))
VALUES = np.random.default_rng(1).normal(size=(50, 2))


def test_weights_solve_the_normal_equations_of_each_penalty():
    found = ridge_weights(FEATURES, VALUES, [0.0, 0.1, 3.0])
    for weights, penalty in zip(found, (0.0, 0.1, 3.0), strict=True):
        gram = FEATURES.T @ FEATURES + 50 * penalty * np.eye(4)
        np.testing.assert_allclose(gram @ weights, FEATURES.T @ VALUES, atol=1e-9)


def test_a_known_map_is_found():
    true = np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0], [0.5, 0.5]])
    np.testing.assert_allclose(ridge_weights(FEATURES, FEATURES @ true, [0.0])[0], true, atol=1e-9)


def test_equal_columns_share_a_weight():
    twice = np.concatenate([FEATURES[:, :1], FEATURES[:, :1]], axis=1)
    np.testing.assert_allclose(ridge_weights(twice, 2 * FEATURES[:, :1], [0.0])[0], [[1.0], [1.0]], atol=1e-6)


def test_impossible_input_is_named():
    with pytest.raises(ValueError, match="must be numbers of 0 or more"):
        ridge_weights(FEATURES, VALUES, [-1.0])
    with pytest.raises(ValueError, match=r"features \(50, 4\) and values \(49, 2\)"):
        ridge_weights(FEATURES, VALUES[1:], [1.0])


def test_r2_is_1_for_the_truth_0_for_its_mean_and_nan_for_equal_values():
    truth = np.array([1.0, 2.0, 3.0])
    assert r_squared(truth, truth) == 1
    assert r_squared(truth, np.full(3, 2.0)) == 0
    assert r_squared(truth, np.array([1.0, 2.0, 4.0])) == 0.5
    assert np.isnan(r_squared(np.ones(3), truth))


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(2)
    positive, score = rng.random(30) < 0.4, rng.integers(0, 6, 30)
    pairs = list(itertools.product(score[positive], score[~positive]))
    expected = sum((high > low) + 0.5 * (high == low) for high, low in pairs) / len(pairs)
    assert area_under_curve(positive, score) == pytest.approx(expected)
    assert np.isnan(area_under_curve(np.ones(3, bool), np.arange(3)))
