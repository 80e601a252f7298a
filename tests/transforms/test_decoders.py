"""Decoders as transforms: array and dictionary form, tensors of every kind, inputs left alone."""

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose

from scripts.ops.decoding.decoders import BinaryWatershed, ZWatershed
from scripts.ops.targets.affinities import label_affinities
from scripts.transforms import CleanInstances, CleanInstancesd, DecodeInstances, DecodeInstancesd

CELLS = np.zeros((2, 8, 12), np.int64)
CELLS[:, 1:7, 1:5] = 1
CELLS[:, 1:7, 6:11] = 2
AFFINITIES = label_affinities(CELLS).astype(np.float32)
DECODER = ZWatershed(size=0, dust=0)


@pytest.mark.parametrize(
    "as_given",
    [
        AFFINITIES,
        torch.from_numpy(AFFINITIES),
        MetaTensor(AFFINITIES),
        torch.from_numpy(AFFINITIES).half(),
        torch.from_numpy(AFFINITIES).bfloat16(),
        torch.from_numpy(AFFINITIES).requires_grad_(),
    ],
    ids=["numpy", "torch", "meta", "half", "bfloat16", "graph"],
)
def test_a_prediction_of_any_kind_becomes_int64_instances(as_given):
    found = DecodeInstances(DECODER)(as_given)
    assert found.dtype == torch.int64
    assert not isinstance(found, MetaTensor)
    np.testing.assert_array_equal(found[0], CELLS)


def test_the_dictionary_form_decodes_its_keys_and_leaves_the_item_alone():
    item = {"pred": torch.from_numpy(AFFINITIES), "label": 5}
    found = DecodeInstancesd("pred", DECODER)(item)
    np.testing.assert_array_equal(found["pred"][0], CELLS)
    assert found["label"] == 5
    assert item["pred"].shape[0] == 3
    np.testing.assert_array_equal(item["pred"], AFFINITIES)


def test_a_config_names_the_decoder():
    parser = ConfigParser(
        {
            "decode": {
                "_target_": "scripts.transforms.DecodeInstancesd",
                "keys": "pred",
                "decoder": {"_target_": "scripts.ops.decoding.decoders.ZWatershed", "size": 0, "dust": 0},
            }
        }
    )
    found = parser.get_parsed_content("decode")({"pred": AFFINITIES})
    np.testing.assert_array_equal(found["pred"][0], CELLS)


def test_cleaning_crops_fills_and_removes():
    instances = np.zeros((1, 3, 7, 9), np.int64)
    instances[0, :, 1:6, 1:6] = 8
    instances[0, 1, 3, 3] = 0
    instances[0, 1, 3, 7] = 5
    found = Compose([CleanInstancesd("pred", smallest=2, holes=True, border=(0, 1, 1))])({"pred": instances})["pred"]
    assert found.shape == (1, 3, 5, 7)
    assert found.unique().tolist() == [0, 8]
    assert found[0, 1, 2, 2] == 8
    assert instances[0, 1, 3, 7] == 5
    np.testing.assert_array_equal(CleanInstances()(instances), instances)


def test_what_the_decoder_refuses_is_an_error_and_so_are_channels_of_instances():
    with pytest.raises(ValueError, match="has 3 channels, expected 1"):
        DecodeInstances(BinaryWatershed())(AFFINITIES)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 8, 12\) are not \(1, z, y, x\)"):
        CleanInstances()(np.stack([CELLS, CELLS]))
