"""Weights without their auxiliary channels give the same logits of the channels that are left."""

import pytest
import torch

from scripts.checkpoints.auxiliary_channels import auxiliary_count, without_auxiliary
from scripts.networks import segmentation_network

SIZES = {
    "encoder": {"patch": (1, 4, 4), "width": 12, "depth": 2, "heads": 2},
    "decoder_widths": (8, 4, 4),
    "trunk": {"widths": (4, 8), "forms": ("23", "23"), "fold": 2},
}


@pytest.mark.parametrize(
    ("auxiliary", "channels"),
    [
        ({"auxiliary_offsets": [[-2, 0, 0]] * 2}, 2),
        ({"auxiliary_offsets": [], "auxiliary_descriptors": [2, 10, 10]}, 10),
        ({"auxiliary_offsets": [[-2, 0, 0]], "auxiliary_descriptors": [2, 10, 10]}, 11),
    ],
    ids=["offsets", "descriptors", "both"],
)
@pytest.mark.parametrize(
    ("architecture", "form"),
    [("unetr", "published"), ("unetr", "residual"), ("residual_unet", "published"), ("hybrid", "published")],
)
def test_the_channels_that_are_left_keep_their_logits_to_the_bit(architecture, form, auxiliary, channels):
    torch.manual_seed(0)
    trained = segmentation_network(architecture, 3 + channels, **SIZES, unetr_form=form).eval()
    recipe = {"architecture": architecture, "unetr_form": form, "activations": ["sigmoid"] * 3, **auxiliary}
    assert auxiliary_count(recipe) == channels
    weights, kept = without_auxiliary(trained.state_dict(), recipe)
    network = segmentation_network(architecture, 3, **SIZES, unetr_form=form).eval()
    network.load_state_dict(weights)
    image = torch.randn(1, 1, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network(image), trained(image)[:, :3], rtol=1e-6, atol=1e-6)
    assert kept == {**recipe, "auxiliary_offsets": [], "auxiliary_descriptors": None}


def test_weights_without_auxiliary_channels_stay_as_they_are():
    weights = {"head.weight": torch.ones(3)}
    kept, recipe = without_auxiliary(weights, {"activations": ["sigmoid"]})
    assert kept["head.weight"] is weights["head.weight"]
    assert recipe == {"activations": ["sigmoid"]}
