"""Masked voxels are 0, are joined to nothing, and do not change what is inside."""

import numpy as np
import pytest

from scripts.ops.decoding.decoders import BinaryWatershed, ZWatershed
from scripts.ops.decoding.masking import mask_instances, mask_prediction
from scripts.ops.targets.affinities import label_affinities
from scripts.ops.targets.affinity_convention import NEAREST, convention
from scripts.ops.targets.offset_check import better_offsets

CELLS = np.ones((4, 24, 24), np.uint32)
CELLS[:, :, 12:] = 2
CELLS[:, 12:, 4:] += 2
INSIDE = np.ones(CELLS.shape, bool)
INSIDE[:, :, :2] = False
SLANTED = np.stack([np.roll(CELLS[0], (z, z), (0, 1)) for z in range(8)])
"""The same cells, one voxel further along y and x in each section."""
NEXT_XYZ = ((0, 0, 1), (0, 1, 0), (1, 0, 0))


def same_partition(found, expected):
    pairs = set(zip(found.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize("offsets", ["nearest", NEXT_XYZ])
def test_no_edge_reaches_into_the_mask(offsets):
    channels = convention(offsets)
    affinities = label_affinities(CELLS, channels).astype(np.float32)
    masked = mask_prediction(affinities, INSIDE, channels)
    np.testing.assert_array_equal(masked, affinities * (label_affinities(np.uint8(INSIDE), channels) > 0))
    decoder = ZWatershed(size=0, dust=0, offsets=offsets)
    found = mask_instances(decoder(masked), INSIDE)
    same_partition(found, np.where(INSIDE, CELLS, 0))
    assert affinities.max() == 1  # the prediction itself is as it was


def test_foreground_outside_is_no_seed():
    maps = np.ones((1, *CELLS.shape), np.float32)
    found = BinaryWatershed(small=0, small_seed=0)(mask_prediction(maps, INSIDE, None))
    assert not found[~INSIDE].any()
    assert found[INSIDE].all()
    assert found.max() == 1


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"the mask has shape \(2, 24, 24\), the prediction \(4, 24, 24\)"):
        mask_prediction(np.ones((3, *CELLS.shape), np.float32), INSIDE[:2], NEAREST)


@pytest.mark.parametrize("true", ["nearest", NEXT_XYZ, ((1, 0, 0), (0, 1, 0), (0, 0, 1))])
def test_affinities_contradict_all_offsets_but_their_own(true):
    affinities = label_affinities(SLANTED, convention(true)).astype(np.float32)
    assert better_offsets(affinities, convention(true)) is None
    for other in {"nearest", NEXT_XYZ} - {true}:
        assert better_offsets(affinities, convention(other)) == convention(true).offsets


def test_perfect_affinities_decode_exactly_with_the_offsets_that_they_have():
    affinities = label_affinities(CELLS, convention(NEXT_XYZ)).astype(np.float32)
    same_partition(ZWatershed(size=0, dust=0, offsets=[[0, 0, 1], [0, 1, 0], [1, 0, 0]])(affinities), CELLS)
