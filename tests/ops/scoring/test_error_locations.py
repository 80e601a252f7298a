"""The place of an error is a voxel between its two pieces."""

import numpy as np
import pytest

from scripts.ops.scoring.contingency import ContingencyTable
from scripts.ops.scoring.error_locations import SegmentationError, largest_errors, locate_errors, worst_errors

TRUTH = np.array([[[1, 1, 1, 2, 2, 2, 0, 3]] * 5], np.uint32)
MERGED = np.where(TRUTH > 0, 9, 0).astype(np.uint32)


def error(kind, identity, first, second, bits=0.5):
    return SegmentationError(kind, identity, first, second, bits)


@pytest.mark.parametrize("block", [(1, 5, 8), (1, 2, 3), (1, 1, 1)])
def test_a_merge_is_at_the_face_of_its_two_objects_whatever_the_blocks(block):
    (found,) = locate_errors([error("merge", 9, 1, 2)], TRUTH, MERGED, block)
    assert found.location == (0, 2, 3)  # in object 2, in the middle of the face to 1
    (found,) = locate_errors([error("split", 9, 2, 1)], MERGED, TRUTH, block)
    assert found.location == (0, 2, 2)


def test_pieces_that_do_not_touch_are_found_in_the_smaller_one():
    (found,) = locate_errors([error("merge", 9, 1, 3)], TRUTH, MERGED)
    assert found.location == (0, 2, 7)


def test_an_error_outside_the_volume_has_no_place():
    assert locate_errors([error("merge", 4, 1, 3), error("split", 1, 4, 5)], TRUTH, MERGED)[0].location is None


def test_errors_are_listed_from_the_worst_on_each_with_a_sentence():
    pieces = [[176, 900], [66, 300], [5, 200]]
    scores = {
        "worst_merges": [{"id": 9, "bits": 0.2249, "pieces": pieces}],
        "worst_splits": [{"id": 7, "bits": 0.4, "pieces": pieces}, {"id": 8, "bits": 0.9, "pieces": pieces[:1]}],
    }
    assert list(map(str, worst_errors(scores))) == [
        "truth 7 is split into ids 176 and 66: 0.40 bits",
        "id 9 merges truth 176 and 66: 0.22 bits",
    ]


def test_the_largest_errors_of_a_table_are_its_worst_merges_and_splits():
    truth = np.repeat([1, 1, 2, 3, 3, 3, 4, 4], 200)[None, None]
    found = np.repeat([9, 9, 9, 5, 5, 6, 7, 8], 200)[None, None]
    table = ContingencyTable.from_arrays(truth, found)
    errors = largest_errors(table, 10)
    assert [(error.kind, error.id, error.first, error.second) for error in errors] == [
        ("merge", 9, 1, 2),
        ("split", 3, 5, 6),
        ("split", 4, 7, 8),
    ]
    assert errors[0].bits == pytest.approx(3 / 8 * (np.log2(3) - 2 / 3))  # H(truth | 9), by its share of the voxels
    assert largest_errors(table, 1) == errors[:1]


def test_what_cannot_be_located_is_refused():
    with pytest.raises(ValueError, match="list no worst_merges and no worst_splits"):
        worst_errors({"scores": []})
    with pytest.raises(ValueError, match=r"shape \(1, 5, 8\) and the segmentation \(1, 5, 7\)"):
        locate_errors([], TRUTH, TRUTH[..., 1:])
