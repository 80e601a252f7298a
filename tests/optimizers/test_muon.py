"""Muon steps the matrices of blocks and AdamW the rest, and a restored state continues to the bit."""

import copy

import pytest
import torch

from scripts.networks import Encoder, MaskedAutoencoder, MaskedTrunk, ResidualUNet
from scripts.optimizers import pretraining_optimizer
from scripts.optimizers.muon import block_matrices


def network() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(Encoder((1, 4, 4), 12, 2, 2), 12, 1, 2)


def made(model, name="muon", lr=0.01):
    return pretraining_optimizer(name, model, lr, weight_decay=0.05, betas=(0.9, 0.95))


def steps(model, optimizer, count, seed=0):
    image = torch.randn(2, 1, 2, 8, 8, generator=torch.Generator().manual_seed(seed))
    for _ in range(count):
        optimizer.zero_grad()
        (model(image) - image).square().mean().backward()
        optimizer.step()


def test_only_the_matrices_in_blocks_are_of_muon_and_each_parameter_is_in_one_group():
    model = network()
    optimizer = made(model)
    first, *others = optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    of_muon = {names[id(parameter)] for parameter in first["params"]}
    blocks = ("encoder.blocks.0", "encoder.blocks.1", "decoder_blocks.0")
    matrices = ("attention.qkv", "attention.out", "widen", "narrow")
    assert of_muon == {f"{block}.{matrix}.weight" for block in blocks for matrix in matrices}
    listed = [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(listed) == sorted(names.values())
    assert [group["weight_decay"] for group in others] == [0.05, 0.0]
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}


def test_a_step_is_that_of_torchs_muon_and_torchs_adamw_apart():
    together, apart = network(), network()
    steps(together, made(together), 3)
    hidden = block_matrices(apart)
    in_blocks = {id(matrix) for matrix in hidden}
    rest = [p for p in apart.parameters() if id(p) not in in_blocks]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    muon = torch.optim.Muon(hidden, lr=0.01, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), fused=True)
    image = torch.randn(2, 1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        apart.zero_grad()
        (apart(image) - image).square().mean().backward()
        muon.step()
        adamw.step()
    assert all(torch.equal(a, b) for a, b in zip(together.parameters(), apart.parameters(), strict=True))


def test_a_restored_state_continues_to_the_bit():
    whole = network()
    optimizer = made(whole)
    steps(whole, optimizer, 2)
    saved = copy.deepcopy((whole.state_dict(), optimizer.state_dict()))
    steps(whole, optimizer, 3)
    again = network()
    again.load_state_dict(saved[0])
    restored = made(again, lr=0.5)
    restored.load_state_dict(saved[1])
    steps(again, restored, 3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    restored.param_groups[0]["lr"] = restored.param_groups[1]["lr"] = restored.param_groups[2]["lr"] = 0.0
    before = [parameter.clone() for parameter in again.parameters()]
    steps(again, restored, 1)  # a schedule that changes the groups reaches both
    assert all(torch.equal(a, b) for a, b in zip(before, again.parameters(), strict=True))


def test_a_network_without_blocks_and_an_unknown_name_are_refused():
    trunk = MaskedTrunk(ResidualUNet(1, (4, 8), ("23", "23"), 2), (1, 4, 4))
    with pytest.raises(ValueError, match="which MaskedTrunk has not; use --optimizer_name adamw"):
        made(trunk)
    with pytest.raises(ValueError, match="'sgd' is not one of adamw, muon"):
        made(network(), "sgd")
