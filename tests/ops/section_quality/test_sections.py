"""Section rules: each defect is found by its deviation from the rest of the volume, and named once."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from scripts.ops.section_quality.findings import Finding, label_findings, section_findings
from scripts.ops.section_quality.measures import (
    black_sections,
    blurred_sections,
    displacement,
    gaps,
    jumps,
    likeness,
    misplaced_sections,
    missing_sections,
    odd_brightness_sections,
    repeated_sections,
    saturated_sections,
    section_statistics,
    sharpness,
    slipped_sections,
    swapped_sections,
    texture,
)

NAN = float("nan")


def rows(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def hits(flags: np.ndarray) -> list[int]:
    return np.flatnonzero(flags).tolist()


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """40 sections of 128 x 128: blobs that change over about three sections, grain, brightness that drifts."""
    generator = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(generator.normal(size=(40, 128, 128)), (1.2, 3, 3), mode="wrap")
    grey = 128 + 35 * blobs / blobs.std() + 6 * generator.normal(size=blobs.shape)
    return np.clip(grey + generator.normal(0, 12, (40, 1, 1)), 1, 254).astype(np.uint8)


def findings(volume: np.ndarray, first: int = 0) -> list[Finding]:
    statistics, textures = [section_statistics(section) for section in volume], [texture(section) for section in volume]
    width, pairs = volume.shape[2], list(pairwise(textures))
    near = np.array([likeness(a, b, width) for a, b in pairs])
    far = np.array([likeness(a, b, width) for a, b in zip(textures, textures[2:], strict=False)])
    return section_findings(statistics, near, far, np.array([displacement(a, b, width) for a, b in pairs]), first)


def kinds(volume: np.ndarray) -> dict[int, str]:
    return {finding.section: finding.kind for finding in findings(volume)}


def test_statistics_are_those_of_numpy_for_every_type():
    section = np.random.default_rng(1).integers(0, 256, (40, 50))
    for dtype in (np.uint8, np.uint16, np.int32, np.float32):
        s = section_statistics(section.astype(dtype))
        assert s.mean == pytest.approx(section.mean())
        assert s.std == pytest.approx(section.std())
        assert abs(s.median - np.median(section)) <= 1
        assert s.dark == (section == 0).mean()
    assert section_statistics(section.astype(np.uint8)).bright == (section == 255).mean()
    assert section_statistics(section.astype(np.uint16)).bright == 0


def test_values_that_are_not_finite_are_counted():
    with pytest.raises(ValueError, match="2 values of the section are not finite"):
        section_statistics(np.array([[1.0, NAN], [np.inf, 2.0]]))


def test_a_texture_is_like_itself_whatever_its_brightness(tissue):
    section = tissue[3].astype(np.float32)
    assert likeness(texture(section), texture(section), 128) == pytest.approx(1, abs=1e-5)
    assert likeness(texture(section), texture(0.5 * section + 40), 128) == pytest.approx(1, abs=1e-5)
    assert np.isnan(likeness(texture(section), texture(np.full((128, 128), 7, np.uint8)), 128))


@pytest.mark.parametrize("width", [127, 128])
def test_likeness_is_the_correlation_of_the_filtered_pictures(tissue, width):
    pictures = [np.fft.irfft2(texture(section[:, :width]), s=(128, width)) for section in tissue[3:5]]
    expected = np.corrcoef(*(picture.ravel() for picture in pictures))[0, 1]
    assert likeness(*(texture(section[:, :width]) for section in tissue[3:5]), width) == pytest.approx(
        expected, abs=1e-3
    )


def test_a_displacement_is_found_to_the_pixel(tissue):
    moved = np.roll(tissue[3], (5, -12), (0, 1))
    y, x, peak = displacement(texture(tissue[3]), texture(moved), 128)
    assert (y, x) == (5, -12)
    assert peak > 15


def test_blur_lowers_the_sharpness(tissue):
    assert sharpness(ndimage.gaussian_filter(tissue[3], 2)) < 0.8 * sharpness(tissue[3])
    assert sharpness(np.full((9, 9), 3, np.uint8)) == 0


def test_black_is_black_or_much_blacker_than_the_neighbours():
    assert hits(black_sections(rows(0, 0, 0.3, 0, 0.95, 0))) == [2, 4]
    assert hits(black_sections(np.full(8, 0.4))) == []  # a volume with a black rim has it in every section


def test_saturated_is_at_the_top_unlike_the_neighbours():
    assert hits(saturated_sections(rows(0.01, 0.01, 0.4, 0.01))) == [2]
    assert hits(saturated_sections(np.full(8, 0.4))) == []


def test_missing_is_without_texture():
    assert hits(missing_sections(rows(40, 41, 0, 39, 2))) == [2, 4]
    assert hits(missing_sections(np.zeros(3))) == [0, 1, 2]


def test_brightness_may_vary_as_serial_sections_do():
    mean = rows(144, 157, 125, 122, 170, 124, 145, 104, 112, 135, 171, 197, 93, 137, 120)
    std = np.full(mean.shape, 43.0)
    assert hits(odd_brightness_sections(mean, std)) == []
    steady = rows(128, 129, 128, 127, 250, 128, 129, 127)
    assert hits(odd_brightness_sections(steady, np.full(8, 43.0))) == [4]


def test_blurred_is_duller_than_the_neighbours():
    assert hits(blurred_sections(rows(0.6, 0.62, 0.3, 0.58, 0.61))) == [2]


def test_noise_does_not_pass_for_sharpness(tissue):
    grain = np.random.default_rng(2).normal(0, 6, tissue[3].shape)
    blurred = ndimage.gaussian_filter(tissue[3].astype(float), 2)
    assert sharpness(blurred + grain) < 0.85 * sharpness(tissue[3])


def test_one_section_aside_is_slipped_and_a_step_is_a_jump():
    shifts = np.array([[0, 1], [0, 12], [0, -12], [1, 0], [-9, 9], [0, 0]], float)
    peaks = np.full(6, 50.0)
    assert hits(slipped_sections(shifts, peaks)) == [2]
    assert hits(jumps(shifts, peaks)) == [4]
    assert hits(slipped_sections(shifts, np.full(6, 8.0))) == []  # a peak in the noise is no displacement


def test_of_two_slips_with_a_section_between_the_one_between_is_not_blamed():
    shifts = np.array([[0, 0], [0, 9], [0, -9], [0, 9], [0, -9], [0, 0]], float)
    assert hits(slipped_sections(shifts, np.full(6, 50.0))) == [2, 4]


def test_an_unknown_key_and_a_swap_are_distinguished():
    usual, wide = np.full(10, 50.0), np.full(4, 0.1)
    near = rows(0.4, 0.41, 0.05, 0.05, 0.4, 0.4, 0.39, 0.4, 0.41, 0.4)
    assert hits(misplaced_sections(near, np.r_[0.1, 0.1, 0.3, 0.1, 0.1, wide], usual)) == [3]
    alone = rows(50, 50, 5, 6, 50, 50, 50, 50, 50, 50)  # a gap on both sides
    assert hits(misplaced_sections(np.full(10, 0.4), np.full(9, 0.1), alone)) == [3]
    near, far = rows(0.4, 0.4, 0.1, 0.4, 0.1, 0.4, 0.39, 0.4, 0.41, 0.4), np.r_[0.1, 0.1, 0.4, 0.4, 0.1, wide]
    assert hits(swapped_sections(near, far)) == [3]
    assert hits(misplaced_sections(near, far, usual)) == []


def test_a_gap_and_a_repetition_differ_from_what_is_usual():
    assert hits(gaps(rows(50, 51, 8, 49, NAN))) == [2]
    assert hits(repeated_sections(rows(0.3, 0.35, 0.92, 0.31, NAN))) == [2]
    assert hits(repeated_sections(rows(0.93, 0.94, 0.92, 0.93))) == []  # thin sections are alike


def test_what_is_unknown_is_never_flagged():
    unknown, two = np.full(5, NAN), np.full((5, 2), NAN)
    for flags in (
        gaps(unknown),
        repeated_sections(unknown),
        swapped_sections(unknown, unknown[:4]),
        misplaced_sections(unknown, unknown[:4], unknown),
        jumps(two, unknown),
        slipped_sections(two, unknown),
    ):
        assert hits(flags) == []


def test_whole_tissue_has_no_findings(tissue):
    assert kinds(tissue) == {}


def test_planted_defects_are_found_and_nothing_else(tissue):
    hurt = tissue.copy()
    hurt[4] = 0
    hurt[8] = 120
    hurt[12] = np.roll(hurt[12], 12, axis=1)
    hurt[16] = ndimage.gaussian_filter(hurt[16], 2.5)
    hurt[[20, 21]] = hurt[[21, 20]]
    hurt[25] = 255
    hurt[29] = tissue[2]
    hurt[34] = hurt[33]
    assert kinds(hurt) == {
        4: "black",
        8: "missing",
        12: "slipped",
        16: "blurred",
        20: "swapped",
        21: "swapped",
        25: "saturated",
        29: "misplaced",
        34: "repeated",
    }
    measured = {finding.section: finding.measured for finding in findings(hurt)}
    assert measured[12] == "displaced by (y, x) = (+0, +12) pixels"
    assert measured[20] == "changed places with section 21"


def test_a_step_and_lost_sections_are_named_at_the_later_section(tissue):
    hurt = np.concatenate([tissue[:12], tissue[20:]])
    hurt[20:] = np.roll(hurt[20:], 10, axis=1)
    assert kinds(hurt) == {12: "gap", 20: "jump"}
    assert findings(hurt, first=100)[0].section == 112


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_thin_volumes_are_no_error(tissue, depth):
    assert kinds(tissue[:depth]) == {}


def test_labels_lost_in_one_section_are_named():
    background = rows(0.1, 0.1, 1, 0.1, 0.1, 0.1)
    repeated = np.array([0, 0, 0, 0, 1, 0], bool)
    assert [(f.section, f.kind) for f in label_findings(background, repeated, 10)] == [
        (12, "unlabelled"),
        (14, "repeated"),
    ]
    assert label_findings(np.ones(5), np.zeros(5, bool)) == []
