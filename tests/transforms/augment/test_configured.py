"""The list of the documentation, read from JSON, from a volume to targets."""

import json
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigParser

from scripts.data import CropDataset
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box

CHAIN = Path(__file__).parents[3] / "docs" / "examples" / "augmentations.json"


@pytest.fixture(scope="module")
def parser() -> ConfigParser:
    """The JSON of the page, with a chain that ends in targets."""
    return ConfigParser(json.loads(CHAIN.read_text()))


@pytest.fixture(scope="module")
def volumes() -> tuple[ArrayVolume, ArrayVolume]:
    """12 sections of 190 x 190: grey noise, and ids of cells of 12 x 12 with membranes between them."""
    draw = np.random.RandomState(0)
    cells = np.arange(1, 16 * 16 + 1, dtype=np.int32).reshape(16, 16).repeat(12, axis=0).repeat(12, axis=1)[:190, :190]
    membrane = (np.arange(190) % 12 == 0)[:, None] | (np.arange(190) % 12 == 0)
    label = np.broadcast_to(np.where(membrane, 0, cells), (12, 190, 190)).copy()
    label[5] = -1
    return ArrayVolume(draw.randint(0, 256, (12, 190, 190)).astype(np.uint8)), ArrayVolume(label)


def test_the_list_of_the_page_reads_as_it_states(parser):
    assert parser.get_parsed_content("margin") == (2, 35, 35)


def test_its_samples_have_the_crop_of_the_paper_whole(parser, volumes):
    image, label = volumes
    size = [crop + 2 * more for crop, more in zip((6, 96, 96), parser.get_parsed_content("margin"), strict=True)]
    chain = parser.get_parsed_content("chain")
    crops = CropDataset([Region(image, Box.whole(image.shape), label=label)], size, transform=chain)
    for i in range(8):
        item = crops[i]
        assert item["image"].shape == (1, 6, 96, 96)
        assert item["target"].shape == item["known"].shape == (3, 6, 96, 96)
        assert item["image"].isfinite().all()
        assert item["known"].float().mean() > 0.5
        assert "label" not in item


def test_a_thin_region_gives_the_same_crop_with_less_movement(parser, volumes):
    image, label = (ArrayVolume(volume[1:8, :100, :130]) for volume in volumes)
    chain = parser.get_parsed_content("chain")
    crops = CropDataset([Region(image, Box.whole(image.shape), label=label)], (7, 100, 130), transform=chain)
    for i in range(8):
        assert crops[i]["image"].shape == (1, 6, 96, 96)
        assert crops[i]["target"].shape == (3, 6, 96, 96)
