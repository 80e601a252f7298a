"""Affinities of labels, voxel by voxel, and the convention that names their channels."""

import numpy as np
import pytest

from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import LONG_RANGE, NEAREST, AffinityConvention, convention

TWO_CELLS = np.array([[[1, 1, 2, 0]]])  # z=1, y=1, x=4
AHEAD = AffinityConvention(((1, 0, 0), (0, 1, 0), (0, 0, 1)))


def test_affinity_breaks_between_cells_and_at_background():
    z, y, x = label_affinities(TWO_CELLS)
    assert x.tolist() == [[[1, 1, 0, 0]]]
    assert z.tolist() == y.tolist() == [[[1, 1, 1, 0]]]  # no neighbour: own foreground


def test_an_affinity_is_stored_at_the_start_of_its_step():
    x = label_affinities(TWO_CELLS, AffinityConvention(((0, 0, 1),)))[0]
    assert x.tolist() == [[[1, 0, 0, 0]]]


def test_every_offset_agrees_with_the_definition_voxel_by_voxel():
    label = np.random.default_rng(0).integers(0, 3, (5, 7, 6))
    channels = AffinityConvention(((-1, 0, 0), (0, 3, -2), (4, -1, 0), (0, 0, -9)))
    found = label_affinities(label, channels)
    for channel, offset in enumerate(channels.offsets):
        for v in np.ndindex(label.shape):
            u = tuple(a + b for a, b in zip(v, offset, strict=True))
            inside = all(0 <= a < size for a, size in zip(u, label.shape, strict=True))
            assert found[channel][v] == (label[v] > 0 and (not inside or label[v] == label[u]))


def test_targets_and_decoders_share_nearest_affinities_whatever_the_direction():
    label = np.random.default_rng(1).integers(0, 3, (3, 4, 5))
    back, ahead = label_affinities(label), AHEAD.nearest(label_affinities(label, AHEAD))
    for axis in range(3):
        inner = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        np.testing.assert_array_equal(back[axis][inner], ahead[axis][inner])


def test_nearest_channels_are_found_among_others_in_any_order():
    label = np.random.default_rng(2).integers(0, 3, (3, 4, 5))
    mixed = AffinityConvention(((0, 0, -1), (0, -3, 0), (-1, 0, 0), (0, -1, 0)))
    np.testing.assert_array_equal(mixed.nearest(label_affinities(label, mixed)), label_affinities(label))


def test_a_convention_in_order_costs_no_copy():
    affinities = np.zeros((12, 2, 2, 2))
    assert np.shares_memory(LONG_RANGE.nearest(affinities), affinities)


def test_a_wrong_number_of_channels_is_an_error():
    with pytest.raises(ValueError, match="12 affinity channels, but the convention has 3"):
        NEAREST.check(np.zeros((12, 2, 2, 2)))
    with pytest.raises(ValueError, match="not 4-D"):
        NEAREST.check(np.zeros((2, 2, 2)))


def test_another_convention_is_an_error():
    NEAREST.require(AffinityConvention(NEAREST.offsets))
    with pytest.raises(ValueError, match="conventions differ"):
        NEAREST.require(AHEAD)


@pytest.mark.parametrize("offsets", [(), ((0, 0, 0),), ((0, 0, 1), (0, 0, -1)), ((1, 0),), ((0.5, 0, 0),)], ids=str)
def test_senseless_offsets_are_errors(offsets):
    with pytest.raises(ValueError, match="offset"):
        AffinityConvention(offsets)


def test_flags_for_other_channels_and_unknown_names_are_errors():
    with pytest.raises(ValueError, match=r"2 repulsive flags for 1 offsets"):
        AffinityConvention(((1, 0, 0),), (True, False))
    with pytest.raises(ValueError, match="unknown affinity convention 'near'; there are: nearest, long_range"):
        convention("near")
    with pytest.raises(ValueError, match=r"no channel of .* along z"):
        AffinityConvention(((0, -1, 0), (0, 0, -1))).nearest(np.zeros((2, 3, 3, 3)))


def test_float_and_negative_labels_are_errors():
    with pytest.raises(ValueError, match="dtype float32"):
        label_affinities(np.ones((1, 2, 2), np.float32))
    with pytest.raises(ValueError, match=r"negative id -3 at \(z, y, x\) = \(0, 1, 0\)"):
        label_affinities(np.array([[[0, 1], [-3, 2]]]))
    with pytest.raises(ValueError, match="empty"):
        label_affinities(np.zeros((0, 2, 2), np.int64))
