"""zwatershed against a slow definition written from the paper, plateaus and ties included; its thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import adapted_rand_error

from scripts.ops.decoding.affinity_ranks import affinity_ranks
from scripts.ops.decoding.region_graph import FLOAT_UNIT, largest_affinities, region_graph
from scripts.ops.decoding.zwatershed import (
    AffinityThresholds,
    PercentileThresholds,
    zwatershed,
    zwatershed_fragments,
)
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, AffinityConvention
from scripts.ops.targets.noised_affinities import noised_affinities

KEEP_ALL = AffinityThresholds(0.0, 1.0, 1.0)


def grid_edges(affinities):
    """{(u, v): affinity} with u < v, by flat index."""
    index = np.arange(affinities[0].size).reshape(affinities.shape[1:])
    edges = {}
    for axis in range(3):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        behind = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        for u, v, w in zip(index[behind].flat, index[ahead].flat, affinities[axis][ahead].flat, strict=True):
            edges[int(u), int(v)] = float(w)
    return edges


def slow_basins(edges, vertices, low, high):
    """Vertex -> basin (0: none), basins numbered by the lowest vertex of their maximum."""
    weight = {}
    for (u, v), w in edges.items():
        if w > low:
            weight[u, v] = weight[v, u] = min(w, high)
    around = {v: sorted(u for u in range(vertices) if (v, u) in weight) for v in range(vertices)}
    best = {v: max((weight[v, u] for u in around[v]), default=None) for v in range(vertices)}
    steepest = {v: [u for u in around[v] if weight[v, u] == best[v]] for v in range(vertices)}
    plateau = {v: [u for u in steepest[v] if v in steepest[u]] for v in range(vertices)}
    target, distance = {}, {}
    for v in range(vertices):
        uphill = [u for u in steepest[v] if v not in steepest[u]]
        if uphill:
            target[v], distance[v] = uphill[0], 0
    frontier, steps = list(target), 0
    while frontier:
        steps += 1
        frontier = sorted({u for v in frontier for u in plateau[v] if u not in distance})
        for u in frontier:
            distance[u] = steps
            target[u] = min(v for v in plateau[u] if distance.get(v) == steps - 1)
    basin, count = dict.fromkeys(range(vertices), 0), 0
    for v in range(vertices):
        if around[v] and v not in target and not basin[v]:
            count += 1
            stack = [v]
            while stack:
                u = stack.pop()
                if not basin[u]:
                    basin[u] = count
                    stack += plateau[u]
    for v in list(target):
        end = v
        while end in target:
            end = target[end]
        basin[v] = basin[end]
    return basin


def slow_zwatershed(affinities, low, high, weak, size, dust, join):
    edges = grid_edges(affinities)
    basin = slow_basins(edges, affinities[0].size, low, high)
    border = {}
    for (u, v), w in edges.items():
        a, b = sorted((basin[u], basin[v]))
        if w > low and 0 < a < b:
            border[a, b] = max(border.get((a, b), 0.0), w)
    order = sorted(border, key=lambda pair: (-border[pair], pair))
    segment = dict(basin)

    def voxels(s):
        return sum(1 for v in segment if segment[v] == s)

    def unite(pair, wanted):
        a, b = (min((segment[v] for v in basin if basin[v] == basin_id), default=0) for basin_id in pair)
        if a and b and a != b and wanted(voxels(a), voxels(b)):
            for v in segment:
                if segment[v] == max(a, b):
                    segment[v] = min(a, b)

    for pair in order:
        if border[pair] > weak:
            unite(pair, lambda m, n: m < size or n < size)
    for v in [v for v in segment if voxels(segment[v]) < dust]:
        segment[v] = -1
    segment = {v: max(s, 0) for v, s in segment.items()}
    for pair in order:
        if join is not None and border[pair] >= join:
            unite(pair, lambda m, n: True)
    ids = sorted({s for s in segment.values() if s})
    numbers = {0: 0} | {s: i + 1 for i, s in enumerate(ids)}
    return np.array([numbers[segment[v]] for v in range(len(segment))]).reshape(affinities.shape[1:])


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
tied = shapes.flatmap(lambda s: arrays(np.float32, (3, *s), elements=st.sampled_from([0, 0.125, 0.25, 0.5, 0.75, 1])))
flat = shapes.flatmap(lambda s: arrays(np.float32, (3, *s), elements=st.sampled_from([0.25, 0.5])))
bytes_ = shapes.flatmap(lambda s: arrays(np.uint8, (3, *s), elements=st.integers(0, 255)))
levels = st.sampled_from([0.0, 0.1, 0.125, 0.25, 0.5, 0.75, 1.0])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(tied, flat, bytes_), levels, levels, levels, st.integers(0, 9), st.integers(0, 9), st.none() | levels)
def test_zwatershed_is_its_slow_definition_number_for_number(affinities, a, b, weak, size, dust, join):
    low, high = sorted((a, b))
    exact = affinities / 255 if affinities.dtype == np.uint8 else affinities
    expected = slow_zwatershed(exact, low, high, weak, size, dust, join)
    found = zwatershed(affinities, AffinityThresholds(low, high, weak), size=size, dust=dust, join=join)
    np.testing.assert_array_equal(found, expected)


def test_an_empty_plateau_is_split_evenly_between_two_basins():
    # x: 0 1 2 3 4 5 6 7; maxima at the ends, a plateau of 0.5 between
    along = np.array([0, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9], np.float32)
    affinities = np.zeros((3, 1, 1, 8), np.float32)
    affinities[2, 0, 0] = along
    assert zwatershed_fragments(affinities, KEEP_ALL).tolist() == [[[1, 1, 1, 1, 2, 2, 2, 2]]]


def test_a_tie_in_the_middle_of_a_plateau_goes_to_the_lowest_index():
    affinities = np.zeros((3, 1, 1, 7), np.float32)
    affinities[2, 0, 0] = [0, 0.9, 0.5, 0.5, 0.5, 0.5, 0.9]
    assert zwatershed_fragments(affinities, KEEP_ALL).tolist() == [[[1, 1, 1, 1, 2, 2, 2]]]


def test_small_segments_join_and_all_dust_goes():
    affinities = np.zeros((3, 1, 1, 9), np.float32)
    affinities[2, 0, 0] = [0, 1, 1, 1, 0.5, 1, 0.1, 0, 1]  # 4 voxels, 3 with the one that hangs on by 0.1, 2 alone
    small = zwatershed(affinities, AffinityThresholds(0.05, 1.0, 0.2), size=4, dust=3)
    assert small.tolist() == [[[1, 1, 1, 1, 1, 1, 1, 0, 0]]]
    apart = zwatershed(affinities, AffinityThresholds(0.05, 1.0, 0.6), size=4, dust=3)
    assert apart.tolist() == [[[1, 1, 1, 1, 2, 2, 2, 0, 0]]]
    joined = zwatershed(affinities, AffinityThresholds(0.05, 1.0, 0.6), size=4, dust=3, join=0.5)
    assert joined.tolist() == [[[1, 1, 1, 1, 1, 1, 1, 0, 0]]]


def test_ideal_affinities_of_drawn_cells_decode_to_the_cells():
    cells = np.array([[[1, 1, 0, 2], [1, 1, 0, 2], [3, 3, 3, 3]], [[1, 1, 0, 2], [4, 1, 0, 2], [4, 4, 4, 4]]])
    found = zwatershed(label_affinities(cells).astype(np.float32), size=0, dust=0)
    np.testing.assert_array_equal(found, cells)


def test_ideal_affinities_of_connected_labels_decode_to_the_labels(cells):
    found = zwatershed(label_affinities(cells).astype(np.float32), size=0, dust=0)
    assert adapted_rand_error(cells, found, ignore_labels=(0,))[0] < 1e-3
    np.testing.assert_array_equal(found > 0, cells > 0)


def test_long_range_and_reversed_conventions_decode_alike(cells):
    ahead = AffinityConvention(((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    plain = zwatershed(label_affinities(cells).astype(np.float32), dust=0)
    for convention in (LONG_RANGE, ahead):
        found = zwatershed(label_affinities(cells, convention).astype(np.float32), dust=0, convention=convention)
        np.testing.assert_array_equal(found, plain)


def test_percentiles_are_exact_order_statistics():
    floats = np.random.default_rng(0).random((3, 5, 6, 7), np.float32)
    fractions = (0.0, 0.01, 0.2, 0.5, 0.8, 1.0)
    expected = np.quantile(floats, fractions, method="inverted_cdf")
    assert affinity_ranks(floats, fractions) == tuple(expected.astype(float))
    coarse = (floats * 255).astype(np.uint8)
    expected = np.quantile(coarse, fractions, method="inverted_cdf") / 255
    assert affinity_ranks(coarse, fractions) == tuple(expected.astype(float))


def test_minus_zero_is_the_zero_of_percentiles():
    floats = np.random.default_rng(0).random((3, 3, 4, 5), np.float32)
    floats[floats < 0.4] = 0
    minus = np.where(floats == 0, np.float32(-0.0), floats)
    fractions = (0.0, 0.1, 0.5, 0.9, 1.0)
    assert list(map(str, affinity_ranks(minus, fractions))) == list(map(str, affinity_ranks(floats, fractions)))


def test_percentile_thresholds_decode_as_the_affinities_they_stand_for(cells):
    affinities = noised_affinities(cells, 0.5)
    ranks = PercentileThresholds(0.05, 0.7, 0.3)
    np.testing.assert_array_equal(zwatershed(affinities, ranks), zwatershed(affinities, ranks.of(affinities)))


def test_bytes_decode_as_value_over_255(cells):
    coarse = np.round(noised_affinities(cells, 0.5) * 255).astype(np.uint8)
    fine = coarse.astype(np.float64) / 255
    at = AffinityThresholds(51 / 255, 0.9, 0.3)
    np.testing.assert_array_equal(zwatershed(coarse, at), zwatershed(fine, at))


def test_a_border_has_its_largest_and_summed_affinity_its_faces_and_the_last_of_them():
    segments = np.array([[[1, 2], [1, 2], [3, 0]]], np.uint32)
    affinities = np.zeros((3, 1, 3, 2), np.float32)
    affinities[2, 0, :, 1] = 0.25, 0.75, 1
    affinities[1, 0, 2] = 0.5, 1

    def rows(graph):
        exact = zip(graph.first, graph.second, graph.largest, graph.total, graph.faces, graph.last, strict=True)
        return [tuple(map(float, row)) for row in exact]

    half, one = FLOAT_UNIT // 2, FLOAT_UNIT
    assert rows(region_graph(segments, affinities)) == [
        (1, 2, 0.75, one, 2, 3 * 3 + 2),
        (1, 3, 0.5, half, 1, 3 * 4 + 1),
    ]
    above = largest_affinities(segments, affinities, 0.3)
    assert (above.largest.tolist(), above.faces.size, above.total.size) == ([0.75, 0.5], 0, 0)
    coarse = region_graph(segments, (affinities * 4).astype(np.uint8))
    assert rows(coarse) == [(1, 2, 3, 4, 2, 3 * 3 + 2), (1, 3, 2, 2, 1, 3 * 4 + 1)]
    assert (region_graph(segments, affinities).unit, coarse.unit) == (FLOAT_UNIT, 255)


def test_a_negative_zero_is_the_lowest_affinity():
    graph = region_graph(np.array([[[1, 2, 2]]], np.uint32), np.array([[[[0, -0.0, 0]]]] * 3, np.float32))
    assert (graph.largest.tolist(), graph.total.tolist()) == ([0.0], [0])


def test_a_hub_with_many_neighbours_keeps_all_its_borders():
    segments = np.ones((3, 40, 40), np.uint32)
    segments[1] = np.arange(2, 1602).reshape(40, 40)
    affinities = np.full((3, 3, 40, 40), 0.5, np.float32)
    graph = region_graph(segments, affinities)
    assert graph.pairs == 1600 + 2 * 40 * 39
    assert (graph.faces[graph.first == 1] == 2).all()


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        (lambda: AffinityThresholds(0.9, 0.1), "low 0.9 is above high 0.1"),
        (lambda: AffinityThresholds(1, 80, 20), "high 80 is not an affinity .* PercentileThresholds"),
        (lambda: AffinityThresholds(0.1, 0.9, -0.1), "weak -0.1"),
        (lambda: PercentileThresholds(1, 80, 20), "high 80 is not a fraction .* 80 % as 0.8"),
        (lambda: PercentileThresholds(0.9, 0.8), "low 0.9 is above high 0.8"),
    ],
)
def test_thresholds_out_of_range_or_order_are_errors(thresholds, message):
    with pytest.raises(ValueError, match=message):
        thresholds()


def test_sizes_and_join_out_of_range_are_errors():
    affinities = np.zeros((3, 1, 2, 2), np.float32)
    with pytest.raises(ValueError, match="size -1"):
        zwatershed(affinities, size=-1)
    with pytest.raises(ValueError, match=r"join 2 is outside \[0, 1\]"):
        zwatershed(affinities, join=2)
