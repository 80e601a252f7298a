"""Merges and splits change the segments that they name and no other voxel."""

import numpy as np
import pytest

from scripts.ops.decoding.edits import Edit, apply_edits


def dumbbell():
    """Two lobes of 5 x 5 x 5 joined by a neck of low affinity, id 4, beside a segment 9."""
    labels = np.zeros((5, 5, 16), np.uint8)
    labels[:, :, :11], labels[:, :, 12:] = 4, 9
    affinities = np.ones((3, *labels.shape), np.float32) * 0.9
    affinities[2, :, :, 5] = 0.2  # between x = 4 and x = 5
    affinities[2, :, :, 6] = 0.3
    affinities[:, :, :, 11:] *= labels[:, :, 11:] > 0
    affinities[2, :, :, 11:13] = 0
    return labels, affinities


def test_a_split_cuts_where_the_affinities_sum_up_to_the_least():
    labels, affinities = dumbbell()
    edited = apply_edits(labels, affinities, [Edit("split", (2, 2, 1), (2, 2, 9))])
    assert np.all(edited[:, :, :5] == 4)
    assert np.all(edited[:, :, 5:11] == 10)
    assert np.array_equal(edited[:, :, 11:], labels[:, :, 11:])


def test_a_split_of_bytes_cuts_alike_and_the_first_point_keeps_the_id():
    labels, affinities = dumbbell()
    turned = apply_edits(labels, (affinities * 255).astype(np.uint8), [Edit("split", (2, 2, 9), (2, 2, 1))])
    assert np.all(turned[:, :, 5:11] == 4)
    assert np.all(turned[:, :, :5] == 10)


def test_the_cheaper_of_two_cuts_counts_all_faces():
    labels = np.full((1, 4, 12), 1, np.uint8)
    affinities = np.full((3, *labels.shape), 0.9, np.float32)
    affinities[2, :, :, 4] = 0.4  # four faces: 1.6
    affinities[2, :, :, 8] = [[0.1, 0.1, 0.9, 0.9]]  # four faces: 2.0
    affinities[1, :, :, 6:8] = 0.9
    edited = apply_edits(labels, affinities, [Edit("split", (0, 1, 1), (0, 1, 11))])
    assert edited[0, 0].tolist() == [1] * 4 + [2] * 8


def test_merges_are_by_points_or_ids_and_leave_all_other_voxels():
    labels, affinities = dumbbell()
    for edit in (Edit("merge", (0, 0, 0), (0, 0, 13)), Edit("merge", 4, 9)):
        edited = apply_edits(labels, affinities, [edit])
        assert np.array_equal(edited, np.where(labels == 9, 4, labels))


def test_edits_are_made_one_after_the_other():
    labels, affinities = dumbbell()
    edited = apply_edits(
        labels, affinities, [Edit("split", (2, 2, 1), (2, 2, 9)), Edit("merge", (2, 2, 9), (2, 2, 13))]
    )
    assert np.unique(edited).tolist() == [0, 4, 10]
    assert np.all(edited[:, :, 12:] == 10)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([Edit("split", (2, 2, 1), (2, 2, 11))], r"edit 1, split of .*: \(2, 2, 11\) \(z, y, x\) is background"),
        (
            [Edit("merge", (2, 2, 1), (2, 2, 16))],
            r"\(2, 2, 16\) \(z, y, x\) is outside the volume of shape \(5, 5, 16\)",
        ),
        ([Edit("merge", 4, 5)], "edit 1, merge of 4 and 5: there is no id 5"),
        ([Edit("merge", (2, 2, 1), (2, 2, 9))], "both sides are id 4 already"),
        ([Edit("split", (2, 2, 1), (2, 2, 13))], "the sides are ids 4 and 9 already"),
        ([Edit("split", 4, 4)], "a split is given by two points"),
        ([Edit("split", (2, 2, 1), (2, 2, 1))], "the two points are in one fragment; choose points further apart"),
        (
            [Edit("split", (2, 2, 1), (2, 2, 9)), Edit("merge", (2, 3, 1), (2, 3, 9))],
            r"edit 1, split of .*, is undone by a later one: they contradict each other",
        ),
    ],
)
def test_an_edit_that_cannot_be_made_is_refused(edits, message):
    labels, affinities = dumbbell()
    with pytest.raises(ValueError, match=message):
        apply_edits(labels, affinities, edits)
