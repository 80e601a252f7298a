"""Inference with a mask: 0 outside, the same maps inside, and no window without a voxel of the mask."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from scripts.data.files.predictions import read_prediction
from scripts.data.volumes import ArrayVolume
from scripts.inferers.box_mask import BoxMask
from scripts.inferers.volume_inferer import VolumeInferer
from scripts.ops.box import Box
from scripts.ops.decoding.masking import mask_prediction
from scripts.ops.targets.affinity_convention import LONG_RANGE, NEAREST, convention
from scripts.workflow.predict_volume import predict_volume

SHAPE = (5, 40, 52)
WINDOW = {"window": (2, 16, 16), "stride": (1, 8, 8), "pad": (1, 8, 8), "flips": 1, "batch": 3}


class Counting(nn.Module):
    """A map of each grey value by itself, with a given number of channels; counts its windows."""

    def __init__(self, channels=3):
        super().__init__()
        self.channels, self.windows = channels, 0

    def forward(self, image):
        self.windows += len(image)
        return torch.cat([(image * (k + 1)).sigmoid() for k in range(self.channels)], 1)


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(1, 255, SHAPE).astype(np.uint8)


@pytest.fixture
def inside():
    """A disc in the right half of all but the first section, which is masked completely."""
    z, y, x = np.ogrid[:5, :40, :52]
    return (z > 0) & ((y - 18) ** 2 + (x - 38) ** 2 < 100)


def image_of(grey):
    return torch.from_numpy(grey / np.float32(127.5) - 1)[None, None]


def expected_maps(maps, inside, affinity):
    return mask_prediction(maps, inside, convention(affinity)) if affinity else maps * inside


@pytest.mark.parametrize("affinity", [None, NEAREST, LONG_RANGE], ids=["maps", "nearest", "long range"])
def test_maps_are_0_in_the_mask_and_unchanged_elsewhere(grey, inside, affinity):
    channels = 2 if affinity is None else affinity.channels
    every, needed = Counting(channels), Counting(channels)
    inferer = VolumeInferer(**WINDOW, affinity=affinity)
    whole = inferer(image_of(grey), every)[0].numpy()
    masked = inferer(image_of(grey), needed, unmasked=torch.from_numpy(inside)[None, None])[0].numpy()
    np.testing.assert_allclose(masked, expected_maps(whole, inside, affinity), rtol=1e-6, atol=1e-6)
    assert not masked[:, ~inside].any()
    assert needed.windows < every.windows / 2


@pytest.mark.parametrize("affinity", [None, NEAREST], ids=["maps", "affinities"])
def test_on_disk_the_prediction_is_that_in_memory(grey, inside, affinity, tmp_path):
    np.save(tmp_path / "mask.npy", inside)
    network = Counting()
    inferer = VolumeInferer(**WINDOW, affinity=affinity)
    box = "1:5,4:40,:"
    part = (slice(1, 5), slice(4, 40), slice(None))
    out = predict_volume(
        ArrayVolume(grey), network, inferer, tmp_path / "p.h5", box, "float32", mask=tmp_path / "mask.npy"
    )
    seen = network.windows
    whole = predict_volume(ArrayVolume(grey), network, inferer, tmp_path / "whole.h5", box, "float32")
    with h5py.File(out) as masked, h5py.File(whole) as complete:
        (found,), (maps,) = ([data[:] for data in file.values()] for file in (masked, complete))
        assert "mask.npy" in masked.attrs["settings"]
    np.testing.assert_allclose(found, expected_maps(maps, inside[part], affinity), rtol=1e-6, atol=1e-6)
    assert not found[:, ~inside[part]].any()
    assert seen <= (network.windows - seen) / 2


def test_a_box_that_is_masked_completely_is_predicted_as_0(grey, tmp_path):
    np.save(tmp_path / "none.npy", np.zeros(SHAPE, np.uint8))
    network = Counting()
    out = predict_volume(
        ArrayVolume(grey), network, VolumeInferer(**WINDOW), tmp_path / "p.h5", mask=tmp_path / "none.npy"
    )
    with h5py.File(out) as file:
        (maps,) = (data[:] for data in file.values())
    assert maps.shape == (3, *SHAPE)
    assert not maps.any()
    assert network.windows == VolumeInferer(**WINDOW).together  # one batch gives the number of channels


def test_the_rule_nonzero_skips_space_that_was_never_imaged(grey, tmp_path):
    grey[:, :, :30] = 0
    network = Counting()
    out = predict_volume(ArrayVolume(grey), network, VolumeInferer(**WINDOW), tmp_path / "p.h5", mask="nonzero")
    with h5py.File(out) as file:
        (maps,) = (data[:] for data in file.values())
    assert (maps[0] > 0).tolist() == (grey > 0).tolist()


@pytest.mark.parametrize("affinity", [None, LONG_RANGE], ids=["maps", "long range"])
def test_rows_of_a_part_read_what_the_whole_mask_holds(inside, affinity):
    """Of a part of a box: edges that leave the part end in the mask of the box."""
    box, part = Box((1, 2, 8), (5, 40, 50)), Box((2, 10, 20), (5, 40, 50))
    grid = VolumeInferer(**WINDOW).grid(SHAPE, part)
    mask = BoxMask(inside, box, grid, part, affinity)
    counting = inside[box.slices]
    channels = 1 if affinity is None else affinity.channels
    ones = np.ones((channels, *counting.shape), np.float32)
    expected = expected_maps(ones, counting, affinity)[(slice(None), *part.within(box).slices)] > 0
    alone = np.zeros(SHAPE, bool)
    alone[part.slices] = inside[part.slices]
    padded = np.pad(alone, grid.paddings)
    kept = np.zeros((channels, *part.shape), bool)
    for step in grid.steps:
        z, y, x = slice(step.z, step.z + 2), slice(*step.lines), slice(*grid.columns)
        np.testing.assert_array_equal(mask.row(step), padded[z, y, x])
        found = mask.kept(step)
        if found is not None:
            (z0, z1), (y0, y1) = grid.in_box(step.ended_z, 0), grid.in_box(step.ended_y, 1)
            kept[:, z0:z1, y0:y1] = found
    np.testing.assert_array_equal(kept, expected)


def test_blocks_write_what_one_process_writes(grey, inside, tmp_path):
    np.save(tmp_path / "mask.npy", inside)
    inferer = VolumeInferer(**WINDOW, affinity=NEAREST)
    found = []
    for name, options in (("rows", {}), ("blocks", {"blocks": (2, 256, 256)})):
        network, options = Counting(), {"mask": tmp_path / "mask.npy", **options}
        out = predict_volume(
            ArrayVolume(grey), network, inferer, tmp_path / f"{name}.zarr", ":,:,:", "float32", **options
        )
        found.append(read_prediction(out)[0])
    np.testing.assert_array_equal(*found)
    assert not found[0][:, ~inside].any()


@pytest.mark.parametrize("options", [{}, {"blocks": (2, 256, 256)}], ids=["rows", "blocks"])
def test_a_mask_of_larger_voxels_is_that_of_the_image(grey, inside, tmp_path, options):
    larger = inside[:, ::4, ::4]
    np.save(tmp_path / "larger.npy", larger)
    np.save(tmp_path / "mask.npy", np.kron(larger, np.ones((1, 4, 4), bool)))
    found = []
    for name in ("mask", "larger"):
        out, given = tmp_path / f"{name}.zarr", {"mask": tmp_path / f"{name}.npy", **options}
        network, inferer = Counting(), VolumeInferer(**WINDOW, affinity=NEAREST)
        predict_volume(ArrayVolume(grey), network, inferer, out, ":,:,:", "float32", **given)
        found.append(read_prediction(out)[0])
    np.testing.assert_array_equal(*found)
    assert found[0].any()
