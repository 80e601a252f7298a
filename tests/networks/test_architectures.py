"""Each architecture is built by its name from plain numbers; a name or sizes that do not fit are refused."""

import pytest
import torch

from scripts.networks import UNETR, HybridUNet, ResidualUNet, segmentation_network
from scripts.networks.architectures import ARCHITECTURES, UNETR_FORMS, last_layer

ENCODER = {"patch": [1, 4, 4], "width": 12, "depth": 2, "heads": 2}
TRUNK = {"_desc_": "smallest", "widths": [4, 8], "forms": ["23", "23"], "fold": 2}


@pytest.mark.parametrize(
    ("architecture", "network"), [("unetr", UNETR), ("residual_unet", ResidualUNet), ("hybrid", HybridUNet)]
)
def test_each_name_builds_its_network(architecture, network):
    made = segmentation_network(architecture, 2, ENCODER, [8, 4, 4], TRUNK)
    assert isinstance(made, network)
    assert made(torch.zeros(1, 1, 2, 8, 8)).shape == (1, 2, 2, 8, 8)


@pytest.mark.parametrize("form", UNETR_FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_last_layer_is_that_of_the_output_channels(architecture, form):
    two, three = (segmentation_network(architecture, n, ENCODER, [8, 4, 4], TRUNK, form).state_dict() for n in (2, 3))
    differing = {name for name in two if two[name].shape != three[name].shape}
    assert differing == {f"{last_layer(architecture, form)}.{kind}" for kind in ("weight", "bias")}


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="architecture 'u-net' is not one of unetr, residual_unet, hybrid"):
        segmentation_network("u-net", 3, ENCODER, [8, 4, 4], TRUNK)
    with pytest.raises(ValueError, match="no sizes of the trunk"):
        segmentation_network("residual_unet", 3, ENCODER, [8, 4, 4], None)
    with pytest.raises(ValueError, match=r'patch \[1, 8, 8\] .* use --patch "\[1,4,4\]"'):
        segmentation_network("residual_unet", 3, {**ENCODER, "patch": [1, 8, 8]}, [8, 4, 4], TRUNK)
