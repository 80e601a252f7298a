"""Decoded chunks of a training are kept in a share of the free memory, and a line states where they do not fit."""

import numpy as np
import pytest

from scripts.data import CropDataset
from scripts.data.free_memory import free_memory
from scripts.data.regions.chunk_memory import LEAST_MIB, SHARE, chunk_budget_mib, chunk_bytes, chunk_note
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.data.volumes.chunk_cache import MIB, process_cache
from scripts.data.volumes.chunked import ChunkedVolume
from scripts.data.volumes.downsampled import downsampled_volume
from scripts.ops.box import Box


class Recorded(ChunkedVolume):
    """Chunks of 4 x 16 x 16 voxels, and which of them were decoded."""

    def __init__(self, name, shape=(10, 40, 48), dtype=np.uint8):
        super().__init__(name, shape, np.dtype(dtype), None, (4, 16, 16), 0)
        self.decoded = set()

    def _open_file(self):
        return None

    def _decode(self, file, place):
        self.decoded.add(place)
        return np.ones((4, 16, 16), self.dtype)


@pytest.mark.parametrize("box", ["0:10,0:40,0:48", "4:8,16:32,16:32", "3:9,15:17,0:1"])
def test_the_chunks_of_a_box_are_those_that_reading_it_decodes(box):
    image, labels = Recorded("a"), Recorded("b", dtype=np.uint32)
    region = Region(image, Box.parse(box, image.shape), KnownLabels(labels))
    assert chunk_bytes([region]) > 0
    volumes = (image, labels)
    for volume in volumes:
        volume.decoded.clear()
        volume[region.box.slices]
    read = sum(len(volume.decoded) * 4 * 16 * 16 * volume.dtype.itemsize for volume in volumes)
    assert chunk_bytes([region]) == read
    assert chunk_bytes([region] * 50) <= 3 * 3 * 3 * 4 * 16 * 16 * 5  # of one volume no more than all of it


def test_a_down_sampled_volume_is_counted_as_it_is_stored():
    stored = Recorded("a", (8, 64, 64))
    image = downsampled_volume(stored, (1, 2, 2))
    region = Region(image, Box.parse("0:4,0:16,8:16", image.shape))
    stored.decoded.clear()
    image[region.box.slices]
    assert chunk_bytes([region]) == len(stored.decoded) * 4 * 16 * 16


def test_voxels_in_memory_have_no_chunks():
    image = ArrayVolume(np.zeros((4, 8, 8), np.uint8))
    assert chunk_bytes([Region(image, Box.whole(image.shape))]) == 0


def test_the_budget_is_a_share_of_the_free_memory_that_processes_divide(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    expected = SHARE * free_memory() / MIB
    assert chunk_budget_mib() == pytest.approx(max(expected, LEAST_MIB), rel=0.2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert chunk_budget_mib() == pytest.approx(max(expected / 4, LEAST_MIB), rel=0.2)


def test_a_line_states_what_does_not_fit_in_each_worker():
    image = Recorded("a", (400, 1024, 1024))
    regions = [Region(image, Box.whole(image.shape))]
    assert chunk_note(regions, 2, budget_mib=800) is None
    assert chunk_note(regions, 0, budget_mib=400) is None
    line = chunk_note(regions, 4, budget_mib=800)
    assert "400 MiB of decoded chunks and each of 4 workers keeps 200" in line
    assert "use fewer --workers, a smaller --train_box" in line
    assert "and 399 are kept" in chunk_note(regions, 1, budget_mib=399)


def test_crops_raise_the_limit_of_the_process_that_reads_them():
    image = Recorded("a")
    crops = CropDataset([Region(image, Box.whole(image.shape))], (2, 8, 8))
    crops.cache_mib = process_cache(0).limit / MIB + 1
    crops[0]
    assert process_cache(0).limit == int(crops.cache_mib * MIB)
