"""Means of target maps over tokens."""

import numpy as np
import pytest

from scripts.ops.targets.token_values import token_values


def test_a_token_has_the_mean_of_its_known_voxels_and_an_end_that_fills_none_is_left_out():
    maps = np.array([[[[0, 1, 1, 1, 9], [0, 0, 1, 1, 9]]]], float)
    known = np.array([[[[1, 1, 1, 1, 1], [1, 0, 0, 0, 1]]]], bool)
    values, shares = token_values(maps, known, (1, 2, 2))
    np.testing.assert_allclose(values, [[[[1 / 3, 1]]]])
    np.testing.assert_allclose(shares, [[[[0.75, 0.5]]]])


def test_values_equal_those_of_a_loop_over_tokens():
    rng = np.random.default_rng(0)
    maps, known = rng.random((2, 5, 7, 9)), rng.random((2, 5, 7, 9)) < 0.6
    values, shares = token_values(maps, known, (2, 3, 4))
    assert values.shape == shares.shape == (2, 2, 2, 2)
    for c, z, y, x in np.ndindex(values.shape):
        block = (c, slice(2 * z, 2 * z + 2), slice(3 * y, 3 * y + 3), slice(4 * x, 4 * x + 4))
        inside = maps[block][known[block]]
        assert shares[c, z, y, x] == pytest.approx(inside.size / 24)
        assert values[c, z, y, x] == pytest.approx(inside.mean() if inside.size else 0)


def test_shapes_that_do_not_fit_are_named():
    maps = np.zeros((1, 2, 4, 4))
    with pytest.raises(ValueError, match="both must be"):
        token_values(maps, np.ones((1, 2, 4, 5), bool), (1, 2, 2))
    with pytest.raises(ValueError, match=r"a token of \(1, 8, 8\) voxels is larger than the maps"):
        token_values(maps, maps < 1, (1, 8, 8))
