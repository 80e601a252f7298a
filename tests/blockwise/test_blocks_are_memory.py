"""Instances decoded in blocks are those of decoding in memory, voxel by voxel and number by number."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scripts.ops.decoding.decoders import decoder
from scripts.ops.labels.label_cleanup import relabel_consecutive
from scripts.ops.targets.noised_affinities import noised_affinities
from tests.blockwise.tiny_volumes import decoded_in_blocks, plan_of

shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5))
blocks = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)).filter(lambda block: block != (1, 1, 1))
few_values = shapes.flatmap(lambda s: arrays(np.uint8, (3, *s), elements=st.sampled_from([0, 60, 120, 120, 180, 255])))
one_value = shapes.flatmap(lambda s: arrays(np.uint8, (3, *s), elements=st.just(120)))
floats = shapes.flatmap(lambda s: arrays(np.float32, (3, *s), elements=st.floats(0, 1, width=16)))
maps = st.one_of(few_values, few_values, one_value, floats)
levels = st.sampled_from([0.0, 0.2, 0.45, 0.5, 0.7, 0.9, 1.0])


def check(affinities, block, name, chosen, thresholds=()):
    with tempfile.TemporaryDirectory() as folder:
        plan_of(Path(folder), affinities, block, name, chosen, thresholds)
        found = decoded_in_blocks(Path(folder))
    made = decoder(name, chosen)
    if thresholds:
        expected = {f"labels_{cut:g}": labels for cut, labels in made.at_each(affinities, thresholds)}
    else:
        expected = {"labels": made(affinities)}
    assert found.keys() == expected.keys()
    for key, labels in expected.items():
        np.testing.assert_array_equal(found[key], labels)
        assert found[key].dtype == relabel_consecutive(labels).dtype


exact = settings(max_examples=16, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@exact
@given(maps, blocks, levels, levels, levels, st.integers(0, 9), st.integers(0, 9), st.none() | levels)
def test_zwatershed(affinities, block, a, b, weak, size, dust, join):
    low, high = sorted((a, b))
    chosen = {"low": low, "high": high, "weak": weak, "size": size, "dust": dust, "join": join}
    check(affinities, block, "zwatershed", chosen)


@exact
@given(maps, blocks, levels, levels, st.integers(0, 5))
def test_zwatershed_at_percentiles(affinities, block, a, b, size):
    low, high = sorted((a, b))
    check(affinities, block, "zwatershed-percentile", {"low": low, "high": high, "size": size, "dust": 2})


@exact
@given(maps, blocks, levels, levels, st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_agglomeration_at_several_thresholds(affinities, block, a, b, size, dust, quantile):
    low, high = sorted((a, b))
    chosen = {"low": low, "high": high, "weak": low, "size": size, "dust": dust}
    if quantile:
        check(affinities, block, "agglomeration-quantile", {**chosen, "percent": 50}, (0.4, 0.9))
    else:
        check(affinities, block, "agglomeration", chosen, (0.2, 0.5, 0.9))


def spiral() -> np.ndarray:
    """(3, 1, 7, 7): a path of equal affinities winds inwards; uphill is only its inner end."""
    turns = [(0, 6), (6, 6), (6, 0), (2, 0), (2, 4), (4, 4), (4, 2)]
    path = [(0, 0)]
    for corner in turns:
        while path[-1] != corner:
            y, x = path[-1]
            path.append((y + int(np.sign(corner[0] - y)), x + int(np.sign(corner[1] - x))))
    affinities = np.zeros((3, 1, 7, 7), np.uint8)
    for (y, x), (v, u) in pairwise(path):
        affinities[1 if x == u else 2, 0, max(y, v), max(x, u)] = 120
    (y, x), (v, u) = path[-2:]
    affinities[1 if x == u else 2, 0, max(y, v), max(x, u)] = 200
    return affinities


@pytest.mark.parametrize("block", [(1, 2, 3), (1, 3, 3), (1, 6, 7), (9, 9, 9)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_spiral_plateau_through_many_blocks_drains_by_its_one_exit(block, turned):
    affinities = spiral()
    if turned:  # the exit is met last
        affinities[1, :, 1:] = affinities[1, :, :0:-1]
        affinities[2] = affinities[2, :, ::-1]
    check(affinities, block, "zwatershed", {"low": 0.1, "high": 0.9, "size": 0, "dust": 0})
    check(affinities, block, "agglomeration", {"low": 0.1, "high": 0.9, "size": 2, "dust": 0}, (0.4, 0.6))


class EveryBlockTwice:
    """As workers of which each is lost with the result of a block that it has finished: the block is done again."""

    def run(self, task, folder, numbers):
        for number in numbers:
            task(folder, number)
            yield number, task(folder, number)


@pytest.mark.parametrize("block", [(1, 2, 3), (1, 6, 7)])
def test_a_spiral_drains_where_every_block_is_done_again_by_another_worker(tmp_path, block):
    chosen = {"low": 0.1, "high": 0.9, "size": 0, "dust": 0}
    plan_of(tmp_path, spiral(), block, "zwatershed", chosen)
    found = decoded_in_blocks(tmp_path, EveryBlockTwice())["labels"]
    np.testing.assert_array_equal(found, decoder("zwatershed", chosen)(spiral()))


@pytest.mark.parametrize("value", [0, 100, 255])
@pytest.mark.parametrize("block", [(2, 2, 2), (3, 3, 4), (1, 4, 1), (1, 1, 1)])
def test_a_map_of_one_value(value, block):
    check(np.full((3, 3, 4, 3), value, np.uint8), block, "zwatershed", {"size": 0, "dust": 0})


@pytest.mark.parametrize("block", [(7, 20, 20), (12, 47, 55), (20, 64, 64)])
def test_predicted_maps_of_cells_with_background(cells, block):
    affinities = noised_affinities(cells, 1.0)
    affinities[:, :, :20, :20] = 0  # a block of nothing
    chosen = {"high": 0.999, "size": 20, "dust": 30}
    coarse = np.round(affinities * 255).astype(np.uint8)
    for maps_ in (affinities.astype(np.float16), coarse // 32 * 36):
        check(maps_, block, "agglomeration", chosen, (0.2, 0.5))
        check(maps_, block, "agglomeration-quantile", {**chosen, "percent": 33.3}, (0.2, 0.5))
        check(maps_, block, "zwatershed", chosen)
