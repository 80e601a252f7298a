"""Windows cover every voxel, in steps that each end their own part of the box, once."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.ops.blending import BLENDS, TotalWeights, blend_weights, gaussian_weights
from scripts.ops.box import Box
from scripts.ops.windows import WindowGrid, mirrored, padding, window_starts


@pytest.mark.parametrize(
    ("size", "window", "stride", "starts"),
    [
        (6, 6, 3, [0]),
        (7, 6, 3, [0, 1]),
        (12, 6, 3, [0, 3, 6]),
        (13, 6, 3, [0, 3, 6, 7]),
        (5, 2, 2, [0, 2, 3]),
        (4, 1, 1, [0, 1, 2, 3]),
    ],
)
def test_windows_start_every_stride_and_the_last_ends_with_the_axis(size, window, stride, starts):
    assert window_starts(size, window, stride) == starts


@pytest.mark.parametrize(
    ("first", "stop", "size", "indices"),
    [
        (-3, 6, 4, [3, 2, 1, 0, 1, 2, 3, 2, 1]),
        (-2, 3, 1, [0, 0, 0, 0, 0]),
        (-5, 6, 2, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
        (1, 3, 9, [1, 2]),
    ],
)
def test_beyond_its_ends_an_axis_is_mirrored_as_often_as_it_takes(first, stop, size, indices):
    assert mirrored(first, stop, size).tolist() == indices


def test_mirroring_is_numpys_reflection():
    line = np.arange(7)
    assert np.array_equal(line[mirrored(-20, 30, 7)], np.pad(line, (20, 23), mode="reflect"))


def test_a_thin_axis_is_padded_until_a_window_fits():
    assert padding(100, 6, 3) == (3, 3)
    assert padding(1, 6, 0) == (2, 3)
    assert padding(1, 6, 2) == (2, 3)


SIZES = st.tuples(*[st.integers(1, 9)] * 3)


@settings(max_examples=60, deadline=None)
@given(shape=SIZES, window=SIZES, part=SIZES, pad=st.tuples(*[st.integers(0, 4)] * 3), together=st.integers(1, 9))
def test_steps_compute_each_window_once_and_end_each_voxel_once_when_nothing_more_comes(
    shape, window, part, pad, together
):
    stride = tuple(1 + (a - 1) % b for a, b in zip(part, window, strict=True))
    grid = WindowGrid(shape, window, stride, pad, together)
    covered = np.zeros(grid.padded, int)
    ended = np.zeros(grid.padded, int)
    seen = set()
    for step in grid.steps:
        for y in step.ys:
            assert step.lines[0] <= y
            assert y + window[1] <= step.lines[1]
            for x in grid.starts[2]:
                assert (step.z, y, x) not in seen
                seen.add((step.z, y, x))
                box = tuple(slice(a, a + b) for a, b in zip((step.z, y, x), window, strict=True))
                assert not ended[box].any()
                covered[box] += 1
        ended[slice(*step.ended_z), slice(*step.ended_y)] += 1
    assert len(seen) == grid.windows
    inside = tuple(slice(a, a + b) for a, b in zip(grid.before, shape, strict=True))
    assert (ended[inside] == 1).all()
    assert (covered[inside] > 0).all()


@settings(max_examples=60, deadline=None)
@given(volume=SIZES, window=SIZES, share=SIZES, pad=st.tuples(*[st.integers(0, 4)] * 3), ends=st.tuples(SIZES, SIZES))
def test_a_box_is_in_the_windows_of_the_whole_volume_and_each_of_its_voxels_ends_once(volume, window, share, pad, ends):
    stride = tuple(1 + (a - 1) % b for a, b in zip(share, window, strict=True))
    start, extent = ([(end - 1) % size for end, size in zip(chosen, volume, strict=True)] for chosen in ends)
    stop = [min(low + more + 1, size) for low, more, size in zip(start, extent, volume, strict=True)]
    box = Box(tuple(start), tuple(stop))
    grid, whole = WindowGrid(volume, window, stride, pad, 2, box), WindowGrid(volume, window, stride, pad)
    covered, ended = np.zeros(box.shape, int), np.zeros(box.shape, int)
    for step in grid.steps:
        for y in step.ys:
            for x in grid.starts[2]:
                place = [
                    grid.in_box((a, a + b), n) for n, (a, b) in enumerate(zip((step.z, y, x), window, strict=True))
                ]
                assert all(low < high for low, high in place)
                covered[tuple(slice(*ends) for ends in place)] += 1
        ended[slice(*grid.in_box(step.ended_z, 0)), slice(*grid.in_box(step.ended_y, 1))] += 1
    of_whole = np.zeros(whole.padded, int)
    for z, y, x in itertools.product(*whole.all_starts):
        of_whole[z : z + window[0], y : y + window[1], x : x + window[2]] += 1
    first = grid.before
    assert (covered == of_whole[tuple(slice(a, a + b) for a, b in zip(first, box.shape, strict=True))]).all()
    assert (ended == 1).all()


def test_work_begins_again_with_the_first_windows_that_reach_a_section():
    grid = WindowGrid((12, 8, 8), (6, 8, 8), (3, 8, 8), (3, 0, 0))
    assert [step.z for step in grid.steps] == [0, 3, 6, 9, 12]
    assert [grid.first_step_for(section) for section in (0, 2, 3, 5, 6, 11)] == [0, 0, 1, 1, 2, 3]


def test_a_step_takes_the_rows_that_fill_its_batches():
    for columns, together, rows in ((6, 4, 2), (22, 4, 2), (22, 1, 1), (4, 4, 1), (3, 64, 9), (86, 24, 3)):
        grid = WindowGrid((1, 9, columns), (1, 1, 1), (1, 1, 1), (0, 0, 0), together)
        assert len(grid.steps[0].ys) == rows


@pytest.mark.parametrize("blend", BLENDS)
@settings(max_examples=30, deadline=None)
@given(shape=SIZES, window=SIZES, part=SIZES)
def test_the_sum_of_weights_at_a_voxel_is_that_of_all_windows_over_it(blend, shape, window, part):
    stride = tuple(1 + (a - 1) % b for a, b in zip(part, window, strict=True))
    grid = WindowGrid(shape, window, stride, (1, 2, 0))
    weights = blend_weights(blend, window)
    slow = np.zeros(grid.padded)
    for z in grid.all_starts[0]:
        for y in grid.all_starts[1]:
            for x in grid.all_starts[2]:
                slow[z : z + window[0], y : y + window[1], x : x + window[2]] += weights
    whole = tuple((0, size) for size in grid.padded)
    totals = TotalWeights(weights, grid.all_starts, grid.padded)
    np.testing.assert_allclose(totals.at(*whole), slow, rtol=1e-6)
    part_of_it = totals.at((0, 1), (grid.padded[1] - 1, grid.padded[1]), whole[2])
    np.testing.assert_allclose(part_of_it, slow[:1, -1:], rtol=1e-6)


def test_gaussian_weights_fall_from_the_middle_and_never_to_nothing():
    weights = gaussian_weights((6, 96, 96))
    assert weights.min() == np.float32(1e-3)
    assert weights[2:4, 47:49, 47:49].min() == weights.max() > 0.7
    assert np.array_equal(weights, weights[::-1, ::-1, ::-1])
    assert weights[3, 48, 48 + 12] / weights[3, 48, 48] == pytest.approx(np.exp(-(12.5**2 - 0.5**2) / 288), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": (3, 97, 48)}, r"stride \(3, 97, 48\) exceeds window \(6, 96, 96\) along y"),
        ({"window": (6, 96)}, r"window \(6, 96\) is not three whole numbers"),
        ({"stride": (0, 1, 1)}, "of at least 1"),
        ({"pad": (3, -1, 0)}, "of at least 0"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(values, message):
    sizes = {"volume": (9, 99, 99), "window": (6, 96, 96), "stride": (3, 48, 48), "pad": (0, 0, 0), **values}
    with pytest.raises(ValueError, match=message):
        WindowGrid(**sizes)


def test_an_unknown_blend_is_refused():
    with pytest.raises(ValueError, match="unknown blend 'linear'; there are: gaussian, constant"):
        blend_weights("linear", (1, 2, 3))
    with pytest.raises(ValueError, match="shorter than a window of 6"):
        window_starts(5, 6, 3)
    with pytest.raises(ValueError, match="a stride of 7 leaves voxels out"):
        window_starts(9, 6, 7)
