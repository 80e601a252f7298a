"""What each geometric augmentation moves, and how far."""

import numpy as np
import pytest

from scripts.transforms.augment import (
    RandElasticInPlane,
    RandMisalignment,
    RandMissingSections,
    RandRescaleInPlane,
    RandRotate90InPlane,
)
from tests.transforms.augment.ramps import places

CROP = (6, 24, 24)


def seeded(augmentation, seed):
    augmentation.set_random_state(seed=seed)
    return augmentation


def coordinates(shape):
    """(1, z, y, x) int64: 1000 y + x, the same in all sections."""
    return 1000 * places(shape, 1)["label"] + places(shape, 2)["label"]


def test_a_turn_is_one_of_four_each_as_likely():
    volume = coordinates((6, 24, 24))
    turn = seeded(RandRotate90InPlane(crop=CROP), 0)
    expected = {np.rot90(volume, k, (-2, -1)).tobytes(): k for k in range(4)}
    drawn = np.bincount([expected[np.ascontiguousarray(turn(volume)).tobytes()] for _ in range(400)])
    assert drawn.min() > 60  # 100 expected, four standard deviations are 35


def test_a_quarter_turn_that_would_lose_the_crop_is_not_made():
    volume = coordinates((6, 24, 30))
    turn = seeded(RandRotate90InPlane(crop=(6, 20, 28)), 0)
    assert {turn(volume).shape for _ in range(20)} == {(1, 6, 24, 30)}
    turn = seeded(RandRotate90InPlane(crop=(6, 24, 24)), 0)
    assert {turn(volume).shape for _ in range(20)} == {(1, 6, 24, 30), (1, 6, 30, 24)}


def test_a_rescale_magnifies_about_the_centre_by_what_it_drew():
    ramp_y, ramp_x = (places((6, 30, 30), axis)["image"] for axis in (1, 2))
    scale = RandRescaleInPlane(prob=1.0, crop=CROP)
    factors = []
    for seed in range(200):
        moved_y = seeded(scale, seed)(ramp_y)
        moved_x = scale(ramp_x, randomize=False)
        y, x = scale.factors
        assert moved_y.shape == (1, *CROP)
        np.testing.assert_allclose(np.diff(moved_y, axis=-2), 1 / y, atol=1e-4)
        np.testing.assert_allclose(np.diff(moved_x, axis=-1), 1 / x, atol=1e-4)
        assert moved_y.mean() == pytest.approx(14.5, abs=1e-3)
        factors += [(y, x)]
    drawn = np.array(factors)
    assert drawn.min() >= 0.8
    assert drawn.max() <= 1.25
    assert drawn.min() < 0.82
    assert drawn.max() > 1.22
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.25


def test_a_rescale_that_keeps_the_aspect_draws_one_factor():
    scale = seeded(RandRescaleInPlane(prob=1.0, keep_aspect=True, crop=CROP), 0)
    for _ in range(10):
        scale(np.zeros((1, 6, 30, 28), np.float32))
        assert scale.factors[0] == scale.factors[1]


def test_a_thin_item_is_shrunk_only_as_far_as_it_reaches():
    scale = RandRescaleInPlane(prob=1.0, crop=CROP)
    smallest = 2.0
    for seed in range(50):
        seeded(scale, seed)(np.zeros((1, 6, 27, 24), np.float32))
        smallest = min(smallest, scale.factors[0])
        assert scale.factors[1] >= 1
    assert smallest == pytest.approx(24 / 27)


def test_elastic_bends_all_sections_alike_and_within_its_margin():
    bend = RandElasticInPlane(prob=1.0, crop=(6, 96, 96))
    assert bend.margin == (0, 4, 4)
    ramp = places((6, 104, 104), 1)["image"]
    spread = []
    for seed in range(10):
        moved = seeded(bend, seed)(ramp)[0]
        assert (moved == moved[0]).all()
        shift = moved[0] - np.arange(4, 100)[:, None]
        assert np.abs(shift).max() <= 4
        assert np.abs(np.diff(shift, axis=1)).max() < 0.6  # smooth: no pixel overtakes its neighbour
        spread.append(shift.std())
    assert np.mean(spread) == pytest.approx(0.65, rel=0.15)  # 16 / sqrt(3) / (2 sqrt(pi) 4)


@pytest.mark.parametrize("sections", [1, 2, 3])
def test_missing_sections_are_inner_ones_and_the_order_stays(sections):
    volume = places((6 + sections, 24, 24), 0)["label"]
    lose = RandMissingSections(prob=1.0, sections=sections, crop=CROP)
    lost = set()
    for seed in range(60):
        left = seeded(lose, seed)(volume)[0, :, 0, 0].tolist()
        assert len(left) == 6
        assert left == sorted(set(left))
        assert left[0] == 0
        assert left[-1] == 5 + sections
        lost |= set(range(6 + sections)) - set(left)
    assert lost == set(range(1, 5 + sections))


def test_when_no_section_is_missing_the_middle_ones_are_left():
    volume = places((8, 24, 24), 0)["label"]
    lose = seeded(RandMissingSections(prob=0.01, crop=CROP), 0)
    assert lose(volume)[0, :, 0, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_an_item_too_thin_to_lose_sections_keeps_them():
    volume = places((7, 24, 24), 0)["label"]
    for seed in range(10):
        assert seeded(RandMissingSections(prob=1.0, crop=CROP), seed)(volume)[0, :, 0, 0].tolist() == list(range(7))


@pytest.mark.parametrize("slip", [0.0, 1.0])
def test_a_shift_moves_one_section_or_all_from_one_on_by_at_most_16_pixels(slip):
    volume = coordinates((6, 40, 40))
    move = RandMisalignment(prob=1.0, rotation=0.0, slip=slip, crop=CROP)
    assert move.margin == (0, 8, 8)
    firsts, farthest = set(), 0
    for seed in range(150):
        left = seeded(move, seed)(volume)[0]
        y, x = left[:, 0, 0] // 1000, left[:, 0, 0] % 1000
        steps = np.arange(24)
        assert (left == 1000 * (y[:, None, None] + steps[:, None]) + x[:, None, None] + steps).all()
        moved = [z for z in range(6) if (y[z], x[z]) != (y[0], x[0])]
        assert moved in ([], [1], [2], [3], [4]) if slip else moved in ([], *(list(range(k, 6)) for k in range(1, 5)))
        firsts |= set(moved[:1])
        farthest = max(farthest, np.abs(y - y[0]).max(), np.abs(x - x[0]).max())
    assert farthest <= 16
    assert farthest >= 14
    assert firsts == {1, 2, 3, 4}


@pytest.mark.parametrize("slip", [0.0, 1.0])
def test_a_rotation_moves_the_corners_by_at_most_16_pixels_and_the_centre_by_none(slip):
    crop = (6, 95, 95)
    ramps = [places((6, 119, 119), axis)["image"] for axis in (1, 2)]
    move = RandMisalignment(prob=1.0, rotation=1.0, slip=slip, crop=crop)
    assert move.margin == (0, 12, 12)
    distances = []
    for seed in range(60):
        y = seeded(move, seed)(ramps[0])[0]
        x = move(ramps[1], randomize=False)[0]
        still = np.arange(12, 107)
        assert (y[0] == still[:, None]).all()
        assert (x[0] == still).all()
        np.testing.assert_allclose(y[:, 47, 47], 59, atol=1e-3)
        np.testing.assert_allclose(x[:, 47, 47], 59, atol=1e-3)
        distance = np.hypot(y[:, 0, 0] - y[0, 0, 0], x[:, 0, 0] - x[0, 0, 0])
        assert (distance > 0).sum() in ((1,) if slip else (2, 3, 4, 5))
        distances.append(distance.max())
    assert max(distances) <= 16.001
    assert max(distances) > 14


def test_half_of_the_misalignments_are_rotations_and_half_are_slips():
    move = seeded(RandMisalignment(prob=1.0, crop=CROP), 0)
    volume = np.zeros((1, 6, 48, 48), np.float32)
    turned = alone = 0
    for _ in range(400):
        move(volume)
        turned += move.angle != 0
        alone += move.moved.stop - move.moved.start == 1
    assert 160 < turned < 240
    assert 160 < alone < 300  # a translation of the last inner section moves two, so never one


def test_two_sections_have_no_inner_one_to_misalign():
    volume = coordinates((2, 48, 48))
    for seed in range(10):
        left = seeded(RandMisalignment(prob=1.0, crop=(2, 24, 24)), seed)(volume)
        assert (left[0, 0] == left[0, 1]).all()
