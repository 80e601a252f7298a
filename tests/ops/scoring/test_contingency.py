"""The contingency table counts what a loop over voxels counts, whatever the ids, types, layouts, blocks and threads."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scripts.ops.box import Box
from scripts.ops.scoring.contingency import ContingencyTable, side_by_side
from scripts.ops.scoring.contingency_blocks import blocks_of, table_of_volumes

GT = np.array([[[1, 1, 2, 0], [1, 1, 2, 2]]])  # (z=1, y=2, x=4)
PRED = np.array([[[5, 5, 5, 0], [5, 6, 6, 6]]])

INTEGERS = [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


def counted(gt, pred):
    return Counter(zip(gt.reshape(-1).tolist(), pred.reshape(-1).tolist(), strict=True))


def as_counter(table):
    return Counter(
        dict(zip(zip(table.gt_ids.tolist(), table.pred_ids.tolist(), strict=True), table.counts.tolist(), strict=True))
    )


def random_pair(seed, shape=(7, 33, 41), ids=9):
    generator = np.random.default_rng(seed)
    return generator.integers(0, ids, shape), generator.integers(0, ids, shape)


def test_every_pair_is_counted():
    table = ContingencyTable.from_arrays(GT, PRED)
    assert as_counter(table) == {(0, 0): 1, (1, 5): 3, (1, 6): 1, (2, 5): 1, (2, 6): 2}
    assert table.voxels == 8
    assert table.gt.ids.tolist() == [0, 1, 2]
    assert table.gt.sizes.tolist() == [1, 4, 3]
    assert table.pred.sizes.tolist() == [1, 4, 3]
    assert table.labelled.voxels == 7
    assert table.swapped() == ContingencyTable.from_arrays(PRED, GT)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 90).flatmap(
        lambda n: st.tuples(
            *[hnp.arrays(np.uint64, n, elements=st.sampled_from([0, 1, 2**53, 2**53 + 1, 2**64 - 1]))] * 2
        )
    )
)
def test_the_table_is_the_loop_over_voxels(pair):
    assert as_counter(ContingencyTable.from_arrays(*pair)) == counted(*pair)


def test_a_table_with_more_pairs_than_it_starts_with_grows():
    gt, pred = random_pair(0, (20, 100, 100), ids=400)
    table = ContingencyTable.from_arrays(gt, pred)
    assert len(table) > 100_000
    assert as_counter(table) == counted(gt, pred)


def test_ids_above_2_to_the_53_stay_apart():
    gt = np.array([2**53, 2**53 + 1, 2**63, 2**64 - 1], np.uint64)
    table = ContingencyTable.from_arrays(gt, gt)
    assert table.gt_ids.tolist() == gt.tolist()
    assert table.counts.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_integer_type_and_byte_order_gives_the_same_table(kind, order):
    gt, pred = random_pair(1)
    expected = ContingencyTable.from_arrays(gt, pred)
    assert ContingencyTable.from_arrays(gt.astype(np.dtype(kind).newbyteorder(order)), pred) == expected


def test_masks_of_bool_are_labels_0_and_1():
    gt, pred = random_pair(2, ids=2)
    assert ContingencyTable.from_arrays(gt.astype(bool), pred) == ContingencyTable.from_arrays(gt, pred)


def test_memory_layout_and_threads_do_not_matter():
    gt, pred = random_pair(3, (6, 30, 40))
    expected = ContingencyTable.from_arrays(gt, pred)
    for view in (lambda a: a.T, lambda a: a[::-1, ::-1], lambda a: np.asfortranarray(a)):
        assert ContingencyTable.from_arrays(view(gt), view(pred)) == expected
    assert ContingencyTable.from_arrays(gt, np.asfortranarray(pred)) == expected
    for threads in (2, 3, 64):
        assert ContingencyTable.from_arrays(gt, pred, threads=threads) == expected
        assert ContingencyTable.from_arrays(gt.T, pred.T, threads=threads) == expected
    doubled = np.repeat(gt, 2, axis=2)[:, :, ::2]
    assert ContingencyTable.from_arrays(doubled, pred) == expected


def test_tables_of_parts_add_up():
    gt, pred = random_pair(4)
    parts = [ContingencyTable.from_arrays(gt[z : z + 2], pred[z : z + 2]) for z in range(0, 7, 2)]
    assert sum(parts[1:], parts[0]) == ContingencyTable.from_arrays(gt, pred)
    assert parts[0] + ContingencyTable.empty() == parts[0]


def test_volumes_side_by_side_keep_their_objects_apart():
    one = ContingencyTable.from_arrays(GT, PRED)
    both = side_by_side([one, one])
    assert both.voxels == 16
    assert (both.gt.ids > 0).sum() == 4
    assert (both.pred.ids > 0).sum() == 4
    assert both.gt.sizes.tolist()[0] == 2  # background is one in all volumes
    assert sorted(both.overlaps.counts.tolist()) == sorted(2 * one.overlaps.counts.tolist())


def test_a_table_cannot_be_changed_and_changes_nothing():
    gt, pred = random_pair(5)
    before = gt.copy(), pred.copy()
    table = ContingencyTable.from_arrays(gt, pred, threads=2)
    assert np.array_equal(gt, before[0])
    assert np.array_equal(pred, before[1])
    with pytest.raises(ValueError, match="read-only"):
        table.counts[0] = 7
    with pytest.raises(AttributeError):
        table.counts = np.ones(3)


@pytest.mark.parametrize("block_voxels", [1, 17, 500, 10**6])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_do_not_change_the_table(block_voxels, threads):
    gt, pred = random_pair(6, (3, 9, 11))
    table = table_of_volumes(gt, pred, block_voxels=block_voxels, threads=threads)
    assert table == ContingencyTable.from_arrays(gt, pred)


@pytest.mark.parametrize(("box", "voxels", "chunk"), [("1:7,3:20,5:33", 100, (2, 8, 16)), (":,:,:", 5, (1, 1, 1))])
def test_blocks_fill_the_box_once(box, voxels, chunk):
    whole = Box.parse(box, (7, 21, 40))
    seen = np.zeros((7, 21, 40), int)
    for block in blocks_of(whole, voxels, chunk):
        assert whole.contains(block)
        assert block.voxels <= max(voxels, np.prod(chunk))
        seen[block.slices] += 1
    assert (seen[whole.slices] == 1).all()
    assert seen.sum() == whole.voxels


def test_box_mask_and_border_leave_voxels_out():
    gt, pred = random_pair(7)
    inside = np.random.default_rng(0).integers(0, 2, gt.shape)
    table = table_of_volumes(gt, pred, box="1:5,2:30,:", mask=inside, block_voxels=300)
    cut = (slice(1, 5), slice(2, 30))
    assert table == ContingencyTable.from_arrays(gt[cut][inside[cut] > 0], pred[cut][inside[cut] > 0])
    assert len(table_of_volumes(gt, pred, mask=np.zeros_like(gt))) == 0


@pytest.mark.parametrize("block_voxels", [13, 200, 10**6])
def test_a_border_is_the_same_in_blocks_and_takes_the_label_only(block_voxels):
    gt = np.kron(np.random.default_rng(8).integers(0, 4, (2, 5, 6)), np.ones((1, 4, 4), int))
    pred = np.ones_like(gt)
    table = table_of_volumes(gt, pred, border=1, block_voxels=block_voxels)
    expected = gt.copy()
    for z, y, x in np.argwhere(gt):
        window = gt[z, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        if len(set(window[window > 0].tolist())) > 1:
            expected[z, y, x] = 0
    assert (expected != gt).any()
    assert table == ContingencyTable.from_arrays(expected, pred)
    assert table.voxels == gt.size


def test_files_are_read_in_blocks(tmp_path):
    import h5py

    gt, pred = random_pair(9, (9, 20, 20))
    with h5py.File(tmp_path / "pair.h5", "w") as file:
        left = file.create_dataset("gt", data=gt, chunks=(4, 8, 8))
        right = file.create_dataset("pred", data=pred.astype(">u2"))
        reads = []
        table = table_of_volumes(left, right, block_voxels=1000, progress=reads.append)
    assert table == ContingencyTable.from_arrays(gt, pred)
    assert sum(reads) == gt.size
    assert len(reads) > 3


@pytest.mark.parametrize(
    ("gt", "pred", "words"),
    [
        (np.ones((2, 3, 4), int), np.ones((2, 3, 5), int), r"\(2, 3, 4\).*\(2, 3, 5\)"),
        (np.ones((2, 3, 4)), np.ones((2, 3, 4), int), "ground truth.*float64"),
        (np.ones((2, 3, 4), int), np.ones((2, 3, 4), np.float32), "prediction.*float32"),
        (np.zeros((0, 3, 4), int), np.zeros((0, 3, 4), int), "empty"),
        (np.full((2, 3, 4), -7, np.int16), np.ones((2, 3, 4), int), "ground truth.*negative id -7"),
        (np.ones((2, 3, 4), int), np.full((2, 3, 4), -1), "prediction.*negative id -1"),
    ],
)
def test_wrong_labels_are_named(gt, pred, words):
    with pytest.raises(ValueError, match=words):
        ContingencyTable.from_arrays(gt, pred)
    with pytest.raises(ValueError, match=words):
        table_of_volumes(gt, pred)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="outside the volume"):
        table_of_volumes(GT, PRED, box="0:2,:,:")
    with pytest.raises(ValueError, match="mask has shape"):
        table_of_volumes(GT, PRED, mask=GT[:, :1])
    with pytest.raises(ValueError, match="threads 0"):
        table_of_volumes(GT, PRED, threads=0)
    with pytest.raises(ValueError, match="threads is 0"):
        ContingencyTable.from_arrays(GT, PRED, threads=0)
    with pytest.raises(ValueError, match="border -1"):
        table_of_volumes(GT, PRED, border=-1)
    with pytest.raises(ValueError, match="2 axes"):
        table_of_volumes(GT[0], PRED[0])
    with pytest.raises(ValueError, match="0 voxels"):
        ContingencyTable(np.ones(1, np.uint64), np.ones(1, np.uint64), np.zeros(1, np.int64))
