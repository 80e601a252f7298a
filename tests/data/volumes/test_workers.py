"""Volumes in worker processes, and what they keep in memory."""

import os
import threading

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from scripts.data.volumes import open_volume
from scripts.data.volumes.chunk_cache import MIB, ChunkCache, process_cache, share_of_budget
from scripts.data.volumes.chunked import ChunkedVolume


class Crops(Dataset):
    """One crop a section, of a volume that the parent has already read from."""

    def __init__(self, volume):
        self.volume = volume
        volume[0]

    def __len__(self):
        return len(self.volume)

    def __getitem__(self, z):
        return z, os.getpid(), self.volume[z, 2:18, 5:29].astype(np.int64)


class Budget(Dataset):
    """The cache that a worker has."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        cache = process_cache(8)
        return cache.limit, len(cache)


def test_forked_workers_read_the_right_voxels(written, voxels):
    volume = open_volume(written)
    loader = DataLoader(Crops(volume), batch_size=None, num_workers=2, multiprocessing_context="fork")
    seen = {z: crop for z, pid, crop in loader if pid != os.getpid()}
    assert sorted(seen) == list(range(7))
    for z, crop in seen.items():
        assert np.array_equal(crop, voxels[z, 2:18, 5:29])
    assert np.array_equal(volume[:], voxels)  # and so does the parent afterwards


def test_spawned_workers_read_the_right_voxels(tmp_path_factory, voxels, writers):
    kinds = sorted(writers)
    volumes = [open_volume(writers[kind](tmp_path_factory.mktemp("spawn"), voxels)) for kind in kinds]
    for volume in volumes:
        volume[0]
    loader = DataLoader(ConcatDataset(volumes), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    sections = [section.to(torch.int64).numpy() for section in loader]
    for number, kind in enumerate(kinds):
        assert np.array_equal(sections[7 * number : 7 * number + 7], voxels), kind


def test_threads_read_the_right_voxels(written, voxels):
    volume, wrong = open_volume(written), []

    def read(seed: int) -> None:
        for z in np.random.default_rng(seed).integers(0, 7, 40):
            if not np.array_equal(volume[z, 3:], voxels[z, 3:]):
                wrong.append(z)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_workers_divide_the_budget_and_begin_with_an_empty_cache():
    assert share_of_budget(8) == 8 * MIB
    process_cache(8).put((-1, 0, 0, 0), np.zeros(9))
    loader = DataLoader(Budget(), batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert list(loader) == [[4 * MIB, 0]] * 2
    process_cache(8).forget(-1)


def test_the_least_recently_used_chunk_leaves_first():
    cache = ChunkCache(300)
    for number in range(3):
        cache.put((0, number, 0, 0), np.zeros(100, np.uint8))
    cache.get((0, 0, 0, 0))
    cache.put((1, 0, 0, 0), np.zeros(60, np.uint8))
    assert [cache.get((0, number, 0, 0)) is None for number in range(3)] == [False, True, False]
    assert cache.bytes == 260
    cache.put((1, 1, 1, 1), np.zeros(301, np.uint8))  # larger than all: not kept, and nothing is lost for it
    assert (cache.bytes, len(cache)) == (260, 3)
    cache.forget(0)
    assert (cache.bytes, len(cache)) == (60, 1)


def test_a_closed_or_forgotten_volume_leaves_nothing_in_the_cache(write, voxels):
    path = write("hdf5 gzip", voxels)
    before = process_cache(1).bytes
    with open_volume(path) as volume:
        volume[:]
        assert process_cache(1).bytes > before
    assert process_cache(1).bytes == before
    volume = open_volume(path)
    volume[:]
    del volume
    assert process_cache(1).bytes == before


def test_a_volume_without_a_cache_keeps_nothing(write, voxels):
    volume = open_volume(write("zarr 3 default", voxels), cache_mib=0)
    before = process_cache(0).bytes
    assert np.array_equal(volume[:], voxels)
    assert process_cache(0).bytes == before


class Counting(ChunkedVolume):
    """Chunks of 4 x 4 x 4 voxels that hold how many were decoded before them."""

    def __init__(self, cache_mib):
        super().__init__("", (8, 8, 8), np.dtype(np.uint8), None, (4, 4, 4), cache_mib)
        self.decoded = []

    def _open_file(self):
        return None

    def _decode(self, file, place):
        self.decoded.append(place)
        return np.full((4, 4, 4), len(self.decoded) - 1, np.uint8)


def test_a_chunk_is_decoded_once_while_the_cache_holds_it():
    volume = Counting(cache_mib=1)
    for _ in range(3):
        assert volume[3:5, 1, 2].tolist() == [0, 1]
    assert volume.decoded == [(0, 0, 0), (1, 0, 0)]
    uncached = Counting(cache_mib=0)
    assert uncached[3:5, 1, 2].tolist() == [0, 1]
    assert uncached[3:5, 1, 2].tolist() == [2, 3]


@pytest.mark.parametrize("shape", [(1280, 4096, 4096), (20, 32768, 32768)])
def test_reading_all_over_twenty_gigabytes_holds_no_more_than_the_budget(tmp_path, shape):
    with open(tmp_path / "v.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))  # a sparse file: all zeros, and no disk
    volume = open_volume(tmp_path / "v.npy", cache_mib=16)
    volume[0:6, 0:96, 0:96]
    process, random = psutil.Process(), np.random.default_rng(0)
    before, most = process.memory_info().rss, 0
    for corner in random.integers(0, np.array(shape) - (6, 96, 96), (60, 3)):
        z, y, x = map(int, corner)
        assert not volume[z : z + 6, y : y + 96, x : x + 96].any()
        most = max(most, process.memory_info().rss)
    assert most - before < 24 * MIB
