"""A volume at a coarser resolution: means of whole blocks, labels by majority, reads of the blocks of a box alone."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from scripts.data.volumes import ArrayVolume, downsampled_labels, downsampled_volume, open_volume
from scripts.data.volumes import downsampled as reduction
from scripts.data.volumes.downsampled import DownsampledVolume

GREY = np.array([[[0, 2, 10, 11, 99], [4, 6, 11, 11, 99]], [[8, 8, 0, 0, 99], [8, 8, 0, 1, 99]]], np.uint8)
"""(z=2, y=2, x=5); the last column fills no block of two."""


class Watched(ArrayVolume):
    """An array that notes which boxes are read."""

    def __init__(self, array):
        super().__init__(array)
        self.boxes = []

    def _read(self, low, high):
        self.boxes.append((low, high))
        return super()._read(low, high)


class Sections(Dataset):
    """The sections of a volume that the parent has already read from."""

    def __init__(self, volume):
        self.volume = volume
        volume[0]

    def __len__(self):
        return len(self.volume)

    def __getitem__(self, z):
        return z, os.getpid(), self.volume[z].astype(np.int64)


def means(array: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """The definition: mean of every whole block, whole numbers rounded, halves up."""
    blocks = [size // factor for size, factor in zip(array.shape, factors, strict=True)]
    found = np.empty(blocks, array.dtype)
    for place in np.ndindex(*blocks):
        block = array[tuple(slice(at * f, at * f + f) for at, f in zip(place, factors, strict=True))]
        if array.dtype.kind == "f":
            found[place] = block.astype(float).mean()
        else:
            found[place] = (2 * sum(map(int, block.ravel())) + block.size) // (2 * block.size)
    return found


def test_a_voxel_is_the_rounded_mean_of_its_block_and_what_fills_none_is_left_out():
    half = downsampled_volume(ArrayVolume(GREY), (1, 2, 2))
    assert half.shape == (2, 1, 2)
    assert half[...].tolist() == [[[3, 11]], [[8, 0]]]  # 43 / 4 and 1 / 4
    assert downsampled_volume(ArrayVolume(GREY), (2, 2, 2))[...].tolist() == [[[6, 6]]]  # 44 / 8 and 44 / 8, halves up
    assert downsampled_volume(ArrayVolume(GREY), (1, 1, 5))[..., 0].tolist() == [[24, 26], [23, 23]]


def test_a_reduced_volume_states_what_it_is():
    half = downsampled_volume(ArrayVolume(GREY, (30, 8, 8)), (1, 2, 2))
    assert half.dtype == half[...].dtype == np.uint8
    assert half.voxel_size_nm == (30, 16, 16)
    assert len(half) == 2
    assert half.nbytes == 4
    assert downsampled_volume(ArrayVolume(GREY), (1, 2, 2)).voxel_size_nm is None


def test_ones_give_the_volume_itself():
    volume = ArrayVolume(GREY)
    assert downsampled_volume(volume, (1, 1, 1)) is volume
    assert downsampled_labels(volume, [1, 1, 1]) is volume


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_box_equals_that_part_of_the_whole_reduced_array(data):
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * 3), "shape")
    factors = data.draw(st.tuples(*[st.integers(1, size) for size in shape]), "factors")
    dtype = data.draw(st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8", "?"]), "dtype")
    random = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    if dtype == "?":
        array = random.random(shape) < 0.5
    elif dtype.startswith("f"):
        array = random.normal(size=shape).astype(dtype)
    else:
        array = random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    expected, volume = means(array, factors), downsampled_volume(ArrayVolume(array), factors)
    assert volume.shape == expected.shape
    np.testing.assert_allclose(volume[...], expected, rtol=1e-6)
    lows = [data.draw(st.integers(0, size - 1)) for size in expected.shape]
    highs = [data.draw(st.integers(low, size)) for low, size in zip(lows, expected.shape, strict=True)]
    key = tuple(map(slice, lows, highs))
    assert np.array_equal(volume[key], volume[...][key])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int64"])
def test_the_brightest_voxels_do_not_overflow(dtype):
    white = np.full((4, 8, 8), np.iinfo(dtype).max, dtype)
    assert (downsampled_volume(ArrayVolume(white), (4, 8, 8))[...] == np.iinfo(dtype).max).all()


def test_integers_steps_and_an_ellipsis_index_the_larger_voxels():
    array = np.random.default_rng(0).integers(0, 256, (6, 8, 10), np.uint8)
    volume, whole = downsampled_volume(ArrayVolume(array), (2, 2, 2)), means(array, (2, 2, 2))
    for key in (..., 1, (1, 2, 3), np.s_[::2, ::-1], np.s_[:, 1:3, -1], np.s_[2:2]):
        assert np.array_equal(volume[key], whole[key])
    with pytest.raises(IndexError):
        volume[3]


def test_a_read_takes_the_blocks_of_its_box_and_nothing_else():
    watched = Watched(np.zeros((6, 20, 30), np.uint8))
    downsampled_volume(watched, (1, 2, 2))[1:3, 4:6, 5:10]
    assert watched.boxes == [((1, 8, 10), (3, 12, 20))]
    watched.boxes.clear()
    downsampled_labels(watched, (3, 2, 2))[0:2, 4:6, 5:10]  # sections 1 and 4 alone
    assert watched.boxes == [((1, 8, 10), (2, 11, 19)), ((4, 8, 10), (5, 11, 19))]


def test_a_large_box_is_averaged_slab_by_slab(monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (7, 4, 6), np.uint8)
    watched = Watched(array)
    monkeypatch.setattr(reduction, "SLAB_BYTES", 100)  # two larger sections of 48 stored voxels
    assert np.array_equal(downsampled_volume(watched, (2, 2, 2))[...], means(array, (2, 2, 2)))
    assert [low[0] for low, _ in watched.boxes] == [0, 4]


def test_a_label_is_the_voxel_in_the_middle_of_its_block():
    labels = np.arange(5 * 6 * 7, dtype=np.uint32).reshape(5, 6, 7)
    odd = downsampled_labels(ArrayVolume(labels, (30, 8, 8)), (3, 3, 3))
    assert odd[...].tolist() == labels[1:2, 1::3, 1:6:3].tolist()
    assert odd.voxel_size_nm == (90, 24, 24)
    even = downsampled_labels(ArrayVolume(labels), (1, 2, 4))
    assert even[...].tolist() == labels[:, ::2, 1:4:4].tolist()  # of two as near, the first
    assert even.dtype == even[0, 0, 0].dtype == np.uint32


def test_ids_are_never_mixed_and_unknown_stays_unknown():
    labels = np.array([[[-1, 7, 0, 4], [-1, 7, 9, 9], [500, 500, -1, -1], [2, 2, 2, 2]]], np.int32)
    assert downsampled_labels(ArrayVolume(labels), (1, 2, 2))[0].tolist() == [[-1, 0], [500, -1]]
    columns = downsampled_labels(ArrayVolume(labels), (1, 1, 3))
    assert columns[0].tolist() == [[7], [7], [500], [2]]


def test_a_reduced_volume_of_every_format_is_that_of_the_array(written, voxels):
    with downsampled_volume(open_volume(written), (2, 3, 2)) as volume:
        assert np.array_equal(volume[...], means(voxels, (2, 3, 2)))
        assert volume.path == open_volume(written).path
    assert volume[0, 0, 0] == means(voxels, (2, 3, 2))[0, 0, 0]  # a closed volume opens again


def test_forked_workers_and_a_pickled_copy_read_the_same(tmp_path, writers, voxels):
    for kind in ("hdf5 gzip", "npy"):
        (tmp_path / kind).mkdir()
        volume = downsampled_volume(open_volume(writers[kind](tmp_path / kind, voxels)), (1, 2, 2))
        expected = means(voxels, (1, 2, 2))
        loader = DataLoader(Sections(volume), batch_size=None, num_workers=2, multiprocessing_context="fork")
        seen = {z: section for z, pid, section in loader if pid != os.getpid()}
        assert sorted(seen) == list(range(7))
        assert all(np.array_equal(section, expected[z]) for z, section in seen.items())
        packed = pickle.dumps(volume)
        assert len(packed) < 2000
        assert np.array_equal(pickle.loads(packed)[...], expected)
        labels = pickle.loads(pickle.dumps(downsampled_labels(volume, (2, 1, 1))))
        assert np.array_equal(labels[...], expected[:6:2])


@pytest.mark.parametrize(
    "wrong", [(1, 2), (1, 0, 2), (1, -2, 2), (1, 1.5, 2), (1, 2.0, 2), (1, True, 2), "1,2,2", None, 2, (1, "2", 2)]
)
def test_factors_that_are_not_three_whole_numbers_are_named(wrong):
    with pytest.raises(ValueError, match=r"downsample .* of the array is not three whole numbers .*\[1, 2, 2\]"):
        DownsampledVolume(ArrayVolume(GREY), wrong)


def test_a_factor_larger_than_the_volume_is_named_with_its_axis():
    with pytest.raises(
        ValueError, match=r"downsample \[1, 3, 2\]: the array has 2 voxels along y, fewer than the 3 .* give at most 2"
    ):
        downsampled_labels(ArrayVolume(GREY), [1, 3, 2])
