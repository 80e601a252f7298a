"""Whole held-out boxes: every voxel once, labels in a type that torch takes, and no box that memory cannot hold."""

import dataclasses

import numpy as np
import pytest
import torch
from monai.data import DataLoader

from scripts.data.regions.box_dataset import BoxDataset
from scripts.data.regions.known_labels import KnownLabels
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box

RAW = np.random.default_rng(0).integers(0, 256, (6, 8, 9), dtype=np.uint8)
IDS = RAW.astype(np.uint32) + 5


def region(ids: np.ndarray = IDS, known: list[Box] | None = None) -> Region:
    box = Box((2, 0, 1), (6, 8, 9))
    return Region(ArrayVolume(RAW, (30, 6, 6)), box, KnownLabels(ArrayVolume(ids), known), name="held")


def test_an_item_is_the_whole_box():
    item = BoxDataset([region()])[0]
    assert item["image"].shape == item["label"].shape == (1, 4, 8, 8)
    assert np.array_equal(item["image"][0], RAW[2:, :, 1:])
    assert np.array_equal(item["label"][0], IDS[2:, :, 1:])
    assert item["name"] == "held 2:6,0:8,1:9"
    assert item["label"].dtype == np.int32


def test_ids_beyond_32_bits_and_unknown_voxels_are_kept():
    item = BoxDataset([region(IDS.astype(np.uint64) + 2**40, [Box((0, 0, 0), (3, 8, 9))])])[0]
    assert item["label"].dtype == np.int64
    assert item["label"][0, 0].min() > 2**40
    assert (item["label"][0, 1:] == -1).all()


def test_boxes_go_through_a_transform_and_a_loader():
    boxes = BoxDataset([region(), region()], lambda item: item | {"image": item["image"].astype(np.float32) / 255})
    batch = next(iter(DataLoader(boxes, batch_size=1)))
    assert batch["image"].shape == (1, 1, 4, 8, 8)
    assert batch["label"].dtype == torch.int32
    assert batch["name"] == ["held 2:6,0:8,1:9"]
    assert len(list(boxes)) == len(boxes) == 2


def test_images_without_labels_are_boxes_too():
    assert BoxDataset([dataclasses.replace(region(), label=None)])[0].keys() == {"image", "name"}


def test_a_box_too_large_for_memory_points_to_the_way_in_slabs():
    with pytest.raises(
        ValueError, match=r"box 2:6,0:8,1:9 of held has 256 voxels, more than the 255 .*inference\.json"
    ):
        BoxDataset([region()], most_voxels=255)


def test_a_process_without_a_share_of_the_boxes_has_no_items():
    assert len(BoxDataset([])) == 0
