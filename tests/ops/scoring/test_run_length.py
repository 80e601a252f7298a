"""Skeletons and expected run length: files read, drawn through labels, and the merge rule as stated."""

import numpy as np
import pytest

from scripts.data.files.swc import read_swc
from scripts.ops.scoring.expected_run_length import expected_run_length, node_segments
from scripts.ops.scoring.skeletonize import skeletons_from_labels
from scripts.ops.scoring.skeletons import Skeleton


def line(number, length, y=0.5):
    """A straight neurite along x, one node an nm."""
    nodes = np.stack([np.full(length + 1, 0.5), np.full(length + 1, y), np.arange(length + 1) + 0.5], axis=1)
    return Skeleton(number, nodes, np.stack([np.arange(length), np.arange(length) + 1], axis=1))


def test_a_perfect_segmentation_runs_as_far_as_the_neurites():
    found = expected_run_length([line(1, 10), line(2, 30)], [np.full(11, 7), np.full(31, 8)])
    assert found.erl_nm == found.perfect_nm == (100 + 900) / 40
    assert found.nerl == 1
    assert found.merging == ()


def test_a_split_ends_the_run_and_its_edge_belongs_to_no_segment():
    found = expected_run_length([line(1, 10)], [np.repeat([5, 6], [5, 6])])
    assert found.erl_nm == (4**2 + 5**2) / 10
    assert (found.split_edges, found.omitted_edges) == (1, 0)


def test_what_is_not_segmented_has_no_run():
    found = expected_run_length([line(1, 10)], [np.repeat([0, 6], [5, 6])])
    assert found.erl_nm == 5**2 / 10
    assert (found.split_edges, found.omitted_edges) == (0, 5)
    assert expected_run_length([line(1, 10)], [np.zeros(11, int)]).nerl == 0


def test_a_merge_costs_both_neurites_and_a_threshold_forgives_few_nodes():
    skeletons = [line(1, 10), line(2, 10)]
    segments = [np.full(11, 7), np.repeat([7, 8], [2, 9])]
    found = expected_run_length(skeletons, segments)
    assert found.merging == (7,)
    assert found.erl_nm == 8**2 / 20
    forgiven = expected_run_length(skeletons, segments, merge_threshold=2)
    assert forgiven.merging == ()
    assert forgiven.erl_nm == (10**2 + 1**2 + 8**2) / 20
    assert "more than 2 nodes" in forgiven.definition


def test_segments_are_read_at_the_nodes_whatever_the_blocks():
    volume = np.random.default_rng(0).integers(0, 2**62, (4, 20, 30)).astype(np.uint64)
    generator = np.random.default_rng(1)
    nodes = generator.uniform((0, 0, 0), (4 * 30, 20 * 6, 30 * 6), (50, 3))
    skeletons = [Skeleton(1, nodes[:20], []), Skeleton(2, nodes[20:], []), Skeleton(3, np.empty((0, 3)), [])]
    z, y, x = (nodes // (30, 6, 6)).astype(int).T
    for block_voxels in (10, 1000, 10**7):
        found = node_segments(skeletons, volume, (30, 6, 6), block_voxels=block_voxels)
        assert [len(own) for own in found] == [20, 30, 0]
        assert np.concatenate(found).tolist() == volume[z, y, x].tolist()
    inside = node_segments(skeletons, volume, (30, 6, 6), box="1:3,:,:")
    assert np.concatenate(inside).tolist() == np.where((z >= 1) & (z < 3), volume[z, y, x], 0).tolist()


@pytest.mark.parametrize(("edge", "node"), [((0, 3), 3), ((-1, 2), -1)])
def test_an_edge_to_a_node_that_is_not_there_is_named(edge, node):
    with pytest.raises(ValueError, match=f"skeleton 7: an edge names node {node}, but there are 3, from 0 on"):
        Skeleton(7, np.zeros((3, 3)), np.array([[0, 1], edge]))


def test_without_a_skeleton_there_are_no_segments_and_no_run_length():
    assert node_segments([], np.ones((2, 3, 4), np.uint32), (30, 6, 6)) == []
    found = expected_run_length([], [])
    assert np.isnan([found.erl_nm, found.perfect_nm, found.nerl]).all()


def test_swc_is_read_with_its_axes_turned_and_its_unit(tmp_path):
    (tmp_path / "42.swc").write_text("# a neurite\n1 0 1 2 3 0.5 -1\n7 0 4 2 3 0.5 1  # second\n9 0 4 6 3 0.5 7\n\n")
    skeleton = read_swc(tmp_path / "42.swc", unit_nm=1000)
    assert skeleton.id == 42
    assert skeleton.nodes_nm.tolist() == [[3000, 2000, 1000], [3000, 2000, 4000], [3000, 6000, 4000]]
    assert skeleton.edges.tolist() == [[1, 0], [2, 1]]
    assert skeleton.edge_lengths_nm.tolist() == [3000, 4000]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 0 1 2 3 -1\n", "line 1: '1 0 1 2 3 -1' is not SWC"),
        ("1 0 1 2 three 1 -1\n", "not SWC"),
        ("1 0 1 2 3 1 -1\n2 0 1 2 3 1 8\n", "parent 8"),
        ("1 0 1 2 3 1 -1\n1 0 1 2 3 1 -1\n", "given twice"),
    ],
)
def test_a_broken_swc_is_named(tmp_path, text, words):
    (tmp_path / "n.swc").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_swc(tmp_path / "n.swc")


def lengths(skeleton):
    return skeleton.edge_lengths_nm.sum()


def test_a_skeleton_is_a_tree_in_the_middle_of_its_object_with_its_length():
    labels = np.zeros((9, 11, 60), np.uint32)
    labels[2:7, 3:8, 5:55] = 9  # a bar of 50 voxels along x
    labels[0, 0, :5] = 4  # too small
    (skeleton,) = skeletons_from_labels(labels, (10, 10, 10), min_voxels=100)
    assert skeleton.id == 9
    assert len(skeleton.edges) == len(skeleton.nodes_nm) - 1
    assert 49 * 10 <= lengths(skeleton) <= 55 * 10
    assert set(node_segments([skeleton], labels, (10, 10, 10))[0].tolist()) == {9}
    inner = skeleton.nodes_nm[(skeleton.nodes_nm[:, 2] > 150) & (skeleton.nodes_nm[:, 2] < 450)]
    assert np.all(inner[:, :2] == (45, 55))  # section 4, row 5


def test_anisotropic_voxels_count_in_nm():
    labels = np.ones((20, 3, 3), int)
    (skeleton,) = skeletons_from_labels(labels, (30, 6, 6), min_voxels=1)
    assert 19 * 30 <= lengths(skeleton) <= 19 * 30 + 4 * 9


def test_a_ring_gives_no_loop_and_a_cavity_no_surface():
    ring = np.zeros((3, 30, 30), int)
    ring[:, 5:25, 5:25] = 2**40
    ring[:, 9:21, 9:21] = 0
    (skeleton,) = skeletons_from_labels(ring, (6, 6, 6), min_voxels=1, reach_nm=20)
    assert skeleton.id == 2**40
    assert len(skeleton.edges) == len(skeleton.nodes_nm) - 1
    hollow = np.ones((15, 15, 15), int)
    hollow[5:10, 5:10, 5:10] = 0
    (skeleton,) = skeletons_from_labels(hollow, (6, 6, 6), min_voxels=1)
    assert len(skeleton.edges) == len(skeleton.nodes_nm) - 1 < 40


def test_branches_are_followed_and_twigs_shorter_than_the_reach_are_not():
    comb = np.zeros((3, 40, 80), int)
    comb[:, 30:33, :] = 3
    comb[:, :30, 40:43] = 3  # a branch of 30
    comb[:, 33:36, 20:23] = 3  # a twig of 3
    (skeleton,) = skeletons_from_labels(comb, (10, 10, 10), min_voxels=1, reach_nm=60)
    assert lengths(skeleton) == pytest.approx((80 + 30) * 10, abs=60)


def test_an_object_in_parts_is_one_skeleton_of_several_trees():
    parts = np.zeros((3, 3, 50), int)
    parts[:, :, :20] = parts[:, :, 25:] = 5
    (skeleton,) = skeletons_from_labels(parts, (10, 10, 10), min_voxels=1)
    assert len(skeleton.edges) == len(skeleton.nodes_nm) - 2
    assert lengths(skeleton) == pytest.approx((19 + 24) * 10, abs=40)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="edge names node 3, but there are 2"):
        Skeleton(1, np.zeros((2, 3)), [[0, 3]])
    with pytest.raises(ValueError, match="skeleton 1 has 11 nodes, but 3"):
        expected_run_length([line(1, 10)], [np.ones(3)])
    with pytest.raises(ValueError, match="two skeletons have one id"):
        expected_run_length([line(1, 10), line(1, 10)], [np.ones(11), np.ones(11)])
    with pytest.raises(ValueError, match="merge_threshold -1"):
        expected_run_length([line(1, 10)], [np.ones(11)], merge_threshold=-1)
