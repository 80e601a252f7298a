"""Any encoder that satisfies the protocol is built by the name in its preset; what does not is refused."""

import sys

import pytest
import torch
from torch import nn

from scripts.networks import Encoder, build_encoder, register_encoder
from scripts.networks.encoder_protocol import ENCODERS

PRESET = {
    "patch": [1, 4, 4],
    "width": 12,
    "depth": 2,
    "heads": 2,
    "decoder_width": 8,
    "layer_decay": 0.75,
    "_desc_": "",
}


def test_a_preset_without_a_name_is_a_vit_of_its_sizes():
    torch.manual_seed(0)
    built = build_encoder(PRESET).state_dict()
    torch.manual_seed(0)
    plain = Encoder((1, 4, 4), 12, 2, 2).state_dict()
    assert built.keys() == plain.keys()
    assert all(torch.equal(built[name], plain[name]) for name in plain)


def test_a_module_of_the_package_is_found_by_its_name(monkeypatch):
    monkeypatch.delitem(ENCODERS, "vit")
    monkeypatch.delitem(sys.modules, "scripts.networks.vit")
    assert type(build_encoder({**PRESET, "encoder": "vit"})).__name__ == "Encoder"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder": "swin"}, r"encoder 'swin' is not one of .*vit: give `scripts/networks/swin.py` a class with @reg"),
        ({"encoder": "os.path"}, "encoder 'os.path' is not one of"),
        ({"encoder": "tokens"}, "encoder 'tokens' is not one of"),
        ({"windows": 7}, "preset of encoder 'vit': got an unexpected keyword argument 'windows'; it has depth, heads"),
        ({"width": 25}, "width 25 is not divisible by 2 heads"),
    ],
)
def test_a_preset_that_builds_no_encoder_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        build_encoder({**PRESET, **changed})


def test_a_size_is_never_left_to_a_default():
    with pytest.raises(ValueError, match="preset of encoder 'vit' lacks heads; it has depth, patch, width"):
        build_encoder({key: value for key, value in PRESET.items() if key != "heads"})


def test_a_class_that_lacks_something_of_the_protocol_is_refused(monkeypatch):
    monkeypatch.setattr("scripts.networks.encoder_protocol.ENCODERS", dict(ENCODERS))

    @register_encoder("half")
    class Half(nn.Module):
        def __init__(self, patch, width):
            super().__init__()
            self.patch, self.width = patch, width

    with pytest.raises(ValueError, match="encoder 'half', Half, has no depth, in_channels, taps; `VolumeEncoder`"):
        build_encoder({"encoder": "half", "patch": [1, 4, 4], "width": 8})
