"""A training that reads a precomputed volume by worker processes sees the samples of one that reads HDF5."""

import h5py
import numpy as np
import pytest
import tensorstore

from scripts.data.regions.region import Region
from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import CropDataset
from scripts.data.sampling.loader_batches import LoaderBatches
from scripts.data.volumes import downsampled_volume, open_volume
from scripts.ops.box import Box
from scripts.transforms.symmetry import RandSymmetryd

SHAPE = (8, 40, 48)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same voxels as HDF5 and as a precomputed volume."""
    folder = tmp_path_factory.mktemp("sources")
    voxels = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("raw", data=voxels, chunks=(4, 16, 16), compression="gzip")
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/v/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": {"size": SHAPE[::-1], "encoding": "raw", "chunk_size": [16, 16, 4], "resolution": [6, 6, 30]},
    }
    tensorstore.open(spec, create=True).result()[...] = voxels.T[..., None]
    return str(folder / "v.h5"), str(folder / "v")


def batches(path, workers, factors=(1, 1, 1)):
    volume = downsampled_volume(open_volume(path), factors)
    dataset = CropDataset([Region(volume, Box.whole(volume.shape))], (2, 8, 8), 3, transform=RandSymmetryd("image"))
    return list(LoaderBatches(dataset, GlobalBatchSampler(4, iterations=5), workers=workers))


def test_two_spawned_workers_read_from_precomputed_what_is_read_from_hdf5(sources):
    hdf5, precomputed = sources
    expected, seen = batches(hdf5, 0), batches(precomputed, 2)
    assert len(seen) == 5
    for one, other in zip(expected, seen, strict=True):
        assert one.keys() == other.keys()
        assert all(np.array_equal(np.asarray(one[key]), np.asarray(other[key])) for key in one)


def test_a_downsampled_volume_asks_for_spawned_workers_as_its_source_does(sources):
    hdf5, precomputed = map(open_volume, sources)
    assert downsampled_volume(hdf5, (1, 2, 2)).fork_safe
    assert not downsampled_volume(precomputed, (1, 2, 2)).fork_safe
