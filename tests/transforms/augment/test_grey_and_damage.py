"""What each augmentation of grey values changes, and what it leaves."""

import itertools

import numpy as np
import pytest

from scripts.transforms.augment import RandCutBlur, RandCutNoise, RandGrey, RandMissingParts, RandMotionBlur


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """(1, 6, 40, 50) grey noise within +-0.5, so that nothing is cut off by small changes."""
    return np.random.RandomState(3).uniform(-0.5, 0.5, (1, 6, 40, 50)).astype(np.float32)


def seeded(augmentation, seed):
    augmentation.set_random_state(seed=seed)
    return augmentation


def changed_sections(before, after):
    return [z for z in range(before.shape[1]) if not np.array_equal(before[:, z], after[:, z])]


def test_grey_follows_its_formula_with_the_numbers_drawn(image):
    change = RandGrey(prob=1.0)
    kinds = set()
    for seed in range(30):
        after = seeded(change, seed)(image)
        contrast, brightness, gamma = change.numbers[:, :, None, None].astype(np.float64)
        kinds.add(change.numbers.shape[1])
        grey = np.clip((image.astype(np.float64) + 1) / 2 * (1 + contrast) + brightness, 0, 1) ** (2.0**gamma)
        np.testing.assert_allclose(after, 2 * grey - 1, atol=2e-6)
        assert (np.abs(change.numbers).max(axis=1) <= np.array([0.15, 0.15, 1.0], np.float32)).all()
    assert kinds == {1, 6}  # one draw for the crop, or one for each section


def test_black_and_white_stay_within_the_range():
    extremes = np.array([-1, 1], np.float32).repeat(2).reshape(1, 1, 2, 2)
    for seed in range(50):
        after = seeded(RandGrey(prob=1.0), seed)(extremes)
        assert after.min() >= -1
        assert after.max() <= 1
        assert np.isfinite(after).all()


def test_missing_parts_hit_bands_and_never_two_neighbours(image):
    hide = RandMissingParts(prob=1.0)
    shares = []
    for seed in range(60):
        after = seeded(hide, seed)(image)
        hit = changed_sections(image, after)
        assert hit == sorted(hide.bands)
        assert all(late - early > 2 for early, late in itertools.pairwise(hit))
        for z in hit:
            band = after[0, z] != image[0, z]
            assert np.unique(after[0, z][band]).tolist() == pytest.approx([image[0, z].mean()])
            shares.append(band.mean())
    assert min(shares) > 0.2  # a band along a border loses half of its width
    assert 0.4 < np.mean(shares) < 0.52


def test_every_section_may_miss_a_part_and_a_gap_of_one_is_allowed(image):
    for gap, expected in ((1, [0, 2, 4]), (2, [0, 3])):
        hide = seeded(RandMissingParts(prob=1.0, section_prob=1.0, gap=gap), 0)
        assert changed_sections(image, hide(image)) == expected
    hide = RandMissingParts(prob=1.0, section_prob=0.3)
    assert {z for seed in range(60) for z in changed_sections(image, seeded(hide, seed)(image))} == set(range(6))


def test_motion_blurs_two_sections_along_one_axis(image):
    blur = RandMotionBlur(prob=1.0)
    axes = set()
    for seed in range(20):
        after = seeded(blur, seed)(image)
        hit = changed_sections(image, after)
        assert len(hit) == 2
        window = after[0, hit[0], 20, 25]
        along = {-1: image[0, hit[0], 20, 20:31], -2: image[0, hit[0], 15:26, 25]}[blur.axis]
        assert window == pytest.approx(along.mean(), abs=1e-6)
        axes.add(blur.axis)
    assert axes == {-1, -2}
    assert len(changed_sections(image[:, :1], seeded(blur, 0)(image[:, :1]))) == 1


def test_cut_blur_coarsens_a_cuboid_in_plane_and_keeps_its_mean(image):
    blur = RandCutBlur(prob=1.0)
    for seed in range(20):
        after = seeded(blur, seed)(image)
        z, y, x = blur.cuboid
        assert (z.stop - z.start, y.stop - y.start, x.stop - x.start) == (2, 16, 20)
        outside = np.ones(image.shape[1:], bool)
        outside[blur.cuboid] = False
        assert np.array_equal(after[0][outside], image[0][outside])
        assert 2 <= blur.factor <= 8
        for section in range(z.start, z.stop):
            tiles = len(np.unique(after[0, section, y, x]))
            assert tiles == round(16 / blur.factor) * round(20 / blur.factor)
            assert after[0, section, y, x].mean() == pytest.approx(image[0, section, y, x].mean(), abs=0.02)


def test_cut_noise_stays_in_its_cuboid_and_its_scale(image):
    noise = RandCutNoise(prob=1.0)
    corners = set()
    for seed in range(20):
        after = seeded(noise, seed)(image)
        outside = np.ones(image.shape[1:], bool)
        outside[noise.cuboid] = False
        assert np.array_equal(after[0][outside], image[0][outside])
        change = (after - image)[0][~outside]
        assert np.abs(change).max() <= 0.6 + 1e-6  # 0.3 of the range from -1 to 1
        assert np.abs(change).max() > 0.5
        corners.add(tuple(part.start for part in noise.cuboid))
    assert len(corners) > 15


def test_a_share_of_one_reaches_the_whole_item(image):
    after = seeded(RandCutNoise(prob=1.0, share=1.0), 0)(image)
    assert (after != image).mean() > 0.99
