"""Reference values of a validation loss, calculated by hand."""

import numpy as np
import pytest
import torch

from scripts.handlers.baselines import baseline_scores
from scripts.ops.interpolation import interpolate_hidden


def ramp(shape=(4, 8, 8)) -> np.ndarray:
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    return (2 * z + 3 * y - x).astype(np.float32)


def test_a_ramp_is_interpolated_exactly_inside_what_is_visible():
    volume = ramp()
    hidden = np.zeros(volume.shape, dtype=bool)
    hidden[1:3, 2:6, 2:6] = True
    blind = np.where(hidden, -999, volume)
    np.testing.assert_allclose(interpolate_hidden(blind, hidden), volume, atol=2e-3)


def test_outside_and_where_one_section_is_visible_the_nearest_voxel_counts():
    volume = ramp((3, 4, 4))
    hidden = np.ones(volume.shape, dtype=bool)
    hidden[1] = False
    filled = interpolate_hidden(volume, hidden)
    np.testing.assert_array_equal(filled, np.stack([volume[1]] * 3))


def test_nothing_visible_is_an_error():
    with pytest.raises(ValueError, match="all 8 voxels are hidden"):
        interpolate_hidden(np.zeros((2, 2, 2)), np.ones((2, 2, 2), dtype=bool))
    with pytest.raises(ValueError, match="one shape"):
        interpolate_hidden(np.zeros((2, 2, 2)), np.ones((2, 2, 3), dtype=bool))


def test_the_scores_of_a_ramp_are_one_for_the_mean_and_nothing_for_interpolation():
    image = torch.from_numpy(ramp((3, 12, 12)))[None, None]
    mask = torch.zeros(1, 3, 3, 3, dtype=torch.bool)
    mask[0, 1, 1, 1] = True
    scores = baseline_scores(image, mask, (1, 4, 4))
    assert scores["token_mean"] == pytest.approx(1, abs=1e-4)
    assert scores["interpolation"] == pytest.approx(0, abs=1e-5)
    assert scores["interpolation_fitted"] == pytest.approx(0, abs=1e-5)


def test_a_guess_without_relation_to_the_truth_is_worth_no_more_than_the_mean():
    noise = torch.rand(4, 1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(4, 2, 4, 4, dtype=torch.bool)
    mask[:, 0, 1:3, 1:3] = True
    scores = baseline_scores(noise, mask, (1, 4, 4))
    assert 0.9 < scores["interpolation_fitted"] <= scores["token_mean"] + 1e-6
    assert scores["interpolation"] > 1
