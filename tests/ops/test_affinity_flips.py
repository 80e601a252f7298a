"""Averages of flipped windows assign each affinity to its own edge."""

import numpy as np
import pytest
import torch

from scripts.ops.affinity_flips import FlipVotes, Move, channel_moves, flip_codes
from scripts.ops.symmetry import FLIP_X, FLIP_Z, SWAP_YX, apply_symmetry
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, NEAREST, AffinityConvention

LABELS = np.repeat(np.repeat(np.random.default_rng(3).integers(0, 4, (6, 7, 7)), 5, 1), 5, 2)
DIAGONAL = AffinityConvention(((-1, 0, 0), (0, -2, 3), (0, -3, 2), (1, 1, 0)))


def ideal(labels: torch.Tensor, convention) -> torch.Tensor:
    """What a perfect network predicts for windows (n, 1, z, y, x) that hold labels."""
    maps = [label_affinities(window[0].numpy(), convention) for window in labels]
    return torch.from_numpy(np.stack(maps)).float()


def votes_of(convention, codes, corrected=True):
    windows = torch.from_numpy(LABELS)[None, None]
    flips = FlipVotes(codes, convention if corrected else None)
    votes = torch.zeros((1, convention.channels, *LABELS.shape))
    for code in codes:
        flips.add(votes, ideal(apply_symmetry(windows, code), convention), code)
    return (votes / flips.counts(LABELS.shape))[0].numpy()


@pytest.mark.parametrize("flips", [1, 4, 8, 16, (0, FLIP_X)])
@pytest.mark.parametrize("convention", [NEAREST, LONG_RANGE, DIAGONAL], ids=["nearest", "long range", "diagonal"])
def test_the_average_over_flips_of_ideal_affinities_is_the_ideal_affinity(flips, convention):
    assert np.array_equal(votes_of(convention, flip_codes(flips)), label_affinities(LABELS, convention))


@pytest.mark.parametrize("flips", [4, 8, 16])
def test_turned_back_as_images_they_average_to_something_else(flips):
    wrong = votes_of(NEAREST, flip_codes(flips), corrected=False) != label_affinities(LABELS)
    assert wrong.mean() > 0.01


def test_a_flip_of_x_moves_the_x_channel_by_one_voxel_and_leaves_the_first_plane_unknown():
    assert channel_moves(NEAREST, FLIP_X) == [Move(0, (0, 0, 0)), Move(1, (0, 0, 0)), Move(2, (0, 0, -1))]
    counts = FlipVotes((0, FLIP_X), NEAREST).counts((2, 3, 4))
    assert counts[2, 0, 0].tolist() == [1, 2, 2, 2]
    assert (counts[:2] == 2).all()


def test_a_swap_trades_the_channels_of_y_and_x():
    assert [move.source for move in channel_moves(LONG_RANGE, SWAP_YX)] == [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10]


def test_a_long_step_moves_as_far_as_it_goes():
    assert channel_moves(LONG_RANGE, FLIP_Z)[9] == Move(9, (-4, 0, 0))
    assert FlipVotes((0, FLIP_Z), LONG_RANGE).counts((6, 2, 2))[9, :, 0, 0].tolist() == [1, 1, 1, 1, 2, 2]


def test_an_edge_that_no_channel_of_the_flipped_window_has_takes_no_vote():
    moves = channel_moves(DIAGONAL, FLIP_X)
    assert moves == [Move(0, (0, 0, 0)), None, None, Move(3, (0, 0, 0))]
    assert (FlipVotes((0, FLIP_X), DIAGONAL).counts((4, 4, 4))[1] == 1).all()


@pytest.mark.parametrize("convention", [NEAREST, LONG_RANGE, DIAGONAL], ids=["nearest", "long range", "diagonal"])
def test_bounds_move_with_the_channels_and_there_are_none_without_a_vote(convention):
    maps = torch.rand((2, convention.channels, 6, 6, 6), generator=torch.Generator().manual_seed(0))
    bounds = torch.stack((maps.amin((2, 3, 4)), -maps.amax((2, 3, 4))), 1)
    flips = FlipVotes(range(16), convention)
    for code in flips.codes:
        moved = flips.moved_bounds(bounds, code)
        for channel, move in enumerate(channel_moves(convention, code)):
            if move is None:
                assert moved[:, :, channel].isinf().all()
            else:
                assert torch.equal(moved[:, :, channel], bounds[:, :, move.source])
    assert torch.equal(FlipVotes(range(16)).moved_bounds(bounds, SWAP_YX), bounds)


def test_maps_without_affinities_are_turned_back_as_images():
    image = torch.arange(2 * 3 * 4.0).reshape(1, 1, 2, 3, 4)
    votes = torch.zeros_like(image)
    flips = FlipVotes(flip_codes(16))
    for code in flips.codes:
        flips.add(votes, apply_symmetry(image, code) * 2, code)
    assert torch.equal(votes / flips.counts((2, 3, 4)), image * 2)


@pytest.mark.parametrize("flips", [0, 2, 5, (1, 2), (0, 0), (0, 16)])
def test_flips_that_cannot_be_are_refused(flips):
    with pytest.raises(ValueError, match=r"flips \d+ is not one of 1, 4, 8, 16|must be different ones of 0 to 15"):
        flip_codes(flips)


def test_a_network_of_other_channels_than_the_convention_is_refused():
    with pytest.raises(ValueError, match="gives 2 channels, the affinity convention has 3"):
        FlipVotes((0,), NEAREST).add(torch.zeros(1, 2, 3, 3, 3), torch.zeros(1, 2, 3, 3, 3), 0)
