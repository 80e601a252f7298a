"""Which parameters decay, and how the learning rate follows the batch."""

import pytest
import torch

from scripts.optimizers import parameter_groups, scaled_lr


def test_matrices_decay_and_norms_biases_and_the_mask_token_do_not(network):
    decayed, undecayed = parameter_groups(network, weight_decay=0.05)
    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.05, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert all(names[id(p)].endswith("weight") and "norm" not in names[id(p)] for p in decayed["params"])
    assert all(
        names[id(p)].endswith("bias") or "norm" in names[id(p)] or names[id(p)] == "mask_token"
        for p in undecayed["params"]
    )


def test_every_trained_parameter_is_in_one_group(network):
    network.encoder.patch_embedding.requires_grad_(False)
    grouped = [p for group in parameter_groups(network) for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(network.parameters())) - 2


def test_an_optimizer_takes_the_groups(network):
    optimizer = torch.optim.AdamW(parameter_groups(network), lr=1e-4)
    assert [group["name"] for group in optimizer.param_groups] == ["decayed", "undecayed"]


def test_a_negative_decay_is_refused(network):
    with pytest.raises(ValueError, match=r"-0\.1 is negative"):
        parameter_groups(network, -0.1)


def test_the_rate_counts_processes_and_accumulation():
    assert scaled_lr(1.5e-4, 256) == pytest.approx(1.5e-4)
    assert scaled_lr(1.5e-4, 128) == pytest.approx(7.5e-5)
    assert scaled_lr(1.5e-4, 16, processes=4, accumulation=2) == scaled_lr(1.5e-4, 128)


@pytest.mark.parametrize("wrong", [(0.0, 8, 1, 1), (1e-4, 0, 1, 1), (1e-4, 8, 0, 1), (1e-4, 8, 1, 0)])
def test_a_rate_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        scaled_lr(*wrong)
