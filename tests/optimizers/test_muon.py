"""Muon steps the matrices of blocks and AdamW the rest, and a restored state continues to the bit."""

import copy

import pytest
import torch

from scripts.networks import Encoder, MaskedAutoencoder, MaskedTrunk, ResidualUNet
from scripts.optimizers import pretraining_optimizer
from scripts.optimizers.muon import ITERATIONS, Muon, orthogonalized


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


def test_a_matrix_moves_as_by_torchs_muon_within_the_error_of_its_bfloat16():
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(6, 10, generator=generator)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    settings = {"momentum": 0.95, "adjust_lr_fn": "match_rms_adamw"}
    optimizers = Muon([{"params": [ours]}], 0.01, 0.5), torch.optim.Muon([theirs], 0.01, 0.5, **settings)
    for _ in range(4):
        ours.grad = torch.randn(6, 10, generator=generator)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    moves = [(matrix.detach() - start).flatten() for matrix in (ours, theirs)]
    assert torch.cosine_similarity(*moves, dim=0) > 0.998
    assert float(moves[0].norm()) == pytest.approx(float(moves[1].norm()), rel=0.02)


def test_what_is_in_no_block_moves_as_by_torchs_adamw():
    together, apart = network(), network()
    steps(together, made(together), 1)
    rest = {name: p for name, p in apart.named_parameters() if "blocks" not in name}
    groups = [{"params": [p for p in rest.values() if (p.ndim > 1) == decayed]} for decayed in (True, False)]
    groups[0]["weight_decay"], groups[1]["weight_decay"] = 0.05, 0.0
    steps(apart, torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), fused=True), 1)
    moved = dict(together.named_parameters())
    assert all(torch.equal(moved[name], parameter) for name, parameter in rest.items())


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (12, 4), (4, 9)])
def test_an_orthogonalized_matrix_keeps_its_singular_vectors_and_has_singular_values_near_1(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ orthogonalized(matrix) @ right.T
    values = inner.diagonal()
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert (inner - values.diag()).abs().max() < 1e-4


def test_a_matrix_without_a_gradient_keeps_its_values():
    frozen, trained = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))
    trained.grad = torch.ones(2, 3)
    Muon([{"params": [frozen, trained]}], lr=0.1, weight_decay=0.0).step()
    assert frozen.eq(1).all()
    assert not trained.eq(1).any()


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


@pytest.mark.parametrize("shape", [(8, 32), (40, 8), (8, 8)])
def test_an_orthogonalized_matrix_is_that_of_the_iterations_as_written(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    wanted = matrix / matrix.norm()
    for _ in range(ITERATIONS):
        gram = wanted @ wanted.T
        wanted = 3.4445 * wanted - 4.7750 * gram @ wanted + 2.0315 * gram @ gram @ wanted
    torch.testing.assert_close(orthogonalized(matrix), wanted, rtol=1e-4, atol=1e-4)
