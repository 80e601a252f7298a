"""Read-outs recover known maps, are chosen on sections that they were not fitted on, and are repeatable."""

import numpy as np
import pytest

from scripts.metrics import PerceptronReadout, RidgeReadout
from scripts.metrics.readouts import PENALTIES, last_quarter
from scripts.ops.scoring.readout_scores import r_squared

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(600, 6)).astype(np.float32) * [1, 10, 100, 1, 1, 1] + [0, 5, 0, 0, 0, 0]
SECTIONS = np.repeat(np.arange(6), 100)
LINEAR = np.stack([FEATURES[:, 0] - 0.1 * FEATURES[:, 1] + 3, FEATURES[:, 2]], axis=1)
BENT = np.abs(FEATURES[:, :1])


def test_the_last_quarter_of_the_sections_is_held_back():
    assert last_quarter(np.array([0, 0, 3, 4, 9, 7, 5, 6, 8])).tolist() == [False] * 4 + [True] + [False] * 3 + [True]
    assert last_quarter(np.array([2, 5])).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"one section of tokens, \[4\].* give --train_box two sections"):
        last_quarter(np.array([4, 4]))


def test_a_linear_map_with_an_intercept_is_read_out_linearly():
    readout = RidgeReadout()
    readout.fit(FEATURES[:500], LINEAR[:500], SECTIONS[:500])
    np.testing.assert_allclose(readout.predict(FEATURES[500:]), LINEAR[500:], rtol=1e-3, atol=1e-2)
    assert readout.chosen == [min(PENALTIES)] * 2


def test_the_penalty_of_each_channel_is_the_one_with_the_least_error_held_back():
    noise = RNG.normal(size=(600, 1))
    values = np.concatenate([LINEAR[:, :1], noise], axis=1)
    readout = RidgeReadout()
    readout.fit(FEATURES, values, SECTIONS)
    assert readout.chosen[0] == min(PENALTIES)
    assert readout.chosen[1] > 0.1  # nothing to find in noise


def test_a_perceptron_reads_out_what_no_linear_map_has_and_repeats_itself():
    linear, first, again = RidgeReadout(), PerceptronReadout(epochs=200), PerceptronReadout(epochs=200)
    for readout in (linear, first, again):
        readout.fit(FEATURES[:500], BENT[:500], SECTIONS[:500])
    found = first.predict(FEATURES[500:])
    assert r_squared(BENT[500:, 0], linear.predict(FEATURES[500:])[:, 0]) < 0.1
    assert r_squared(BENT[500:, 0], found[:, 0]) > 0.4
    np.testing.assert_array_equal(again.predict(FEATURES[500:]), found)


def test_constant_features_and_values_are_read_out_as_their_mean():
    for readout in (RidgeReadout(), PerceptronReadout(epochs=1)):
        readout.fit(np.ones((600, 3)), np.full((600, 1), 7.0), SECTIONS)
        np.testing.assert_allclose(readout.predict(np.ones((2, 3))), 7.0)
