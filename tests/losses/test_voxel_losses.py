"""Losses of fine-tuning: values calculated by hand, ignored voxels, weighted sums."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from scripts.losses import LossTerm, OnChannels, SigmoidMSE, SoftDice, TanhMSE, WeightedBCE, WeightedSum

LOSSES = [WeightedBCE(), WeightedBCE("channel"), WeightedBCE("none"), SoftDice(), TanhMSE(), SigmoidMSE()]


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, target and known of 3 samples with 2 channels of 3x4x5 voxels."""
    generator = torch.Generator().manual_seed(0)
    shape = (3, 2, 3, 4, 5)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    target = (torch.rand(shape, generator=generator) < torch.tensor([0.2, 0.5, 0.9]).view(3, 1, 1, 1, 1)).float()
    return logits, target, torch.rand(shape, generator=generator) < 0.7


def volume(*values: float) -> torch.Tensor:
    """(1, 1, 1, 1, n)."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, 1, -1)


def slow_bce(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Voxel by voxel, sample by sample, from the definition."""
    losses = []
    for x, t, k in zip(logits, target, known, strict=True):
        r = min(max(float(t[k].mean()), 0.05), 0.95)
        ratio = max(r, 1 - r) / min(r, 1 - r)
        rarer = 1.0 if r < 0.5 else 0.0
        terms = []
        for x_v, t_v in zip(x[k], t[k], strict=True):
            p = 1 / (1 + torch.exp(-x_v))
            terms.append(-torch.log(p if t_v == 1 else 1 - p) * (ratio if t_v == rarer else 1.0))
        losses.append(torch.stack(terms).mean())
    return torch.stack(losses).mean()


def slow_bce_of_channels(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """That of each channel alone, in the share of known voxels that the channel has of its sample."""
    losses = []
    for x, t, k in zip(logits, target, known, strict=True):
        channels = [
            slow_bce(x[None, c], t[None, c], k[None, c]) * (k[c].sum() / k.sum()) for c in range(logits.shape[1])
        ]
        losses.append(torch.stack(channels).sum())
    return torch.stack(losses).mean()


def slow_plain_bce(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = []
    for x, t, k in zip(logits, target, known, strict=True):
        p = 1 / (1 + torch.exp(-x[k]))
        losses.append(-torch.log(torch.where(t[k] == 1, p, 1 - p)).mean())
    return torch.stack(losses).mean()


def slow_sigmoid_mse(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = [(1 / (1 + torch.exp(-x[k])) - t[k]).pow(2).mean() for x, t, k in zip(logits, target, known, strict=True)]
    return torch.stack(losses).mean()


def slow_dice(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = []
    for x, t, k in zip(logits, target, known, strict=True):
        p = 1 / (1 + torch.exp(-x[k]))
        losses.append(1 - (2 * (p * t[k]).sum() + 100) / (p.sum() + t[k].sum() + 100))
    return torch.stack(losses).mean()


def slow_mse(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    losses = []
    for x, t, k in zip(logits, target, known, strict=True):
        channels = [(torch.tanh(x[c][k[c]]) - t[c][k[c]]).pow(2).mean() for c in range(len(x))]
        losses.append(torch.stack(channels).sum())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(
    ("loss", "slow"),
    [
        (WeightedBCE(), slow_bce),
        (WeightedBCE("channel"), slow_bce_of_channels),
        (WeightedBCE("none"), slow_plain_bce),
        (SoftDice(), slow_dice),
        (TanhMSE(), slow_mse),
        (SigmoidMSE(), slow_sigmoid_mse),
    ],
    ids=["bce", "bce of channels", "bce of none", "dice", "mse", "sigmoid mse"],
)
def test_a_loss_and_its_gradient_are_the_definition_written_out(loss, slow, batch):
    logits, target, known = batch
    fast = logits.float().requires_grad_()
    exact = logits.clone().requires_grad_()
    value, expected = loss(fast, (target, known)), slow(exact, target, known)
    value.backward()
    expected.backward()
    torch.testing.assert_close(value, expected.float())
    torch.testing.assert_close(fast.grad, exact.grad.float())


def test_the_rarer_class_weighs_as_the_ratio_states():
    # r = 1/4: the one positive voxel weighs (3/4)/(1/4) = 3; ln 2 each at logit 0, over 4 voxels
    loss = WeightedBCE()(volume(0, 0, 0, 0), (volume(1, 0, 0, 0), torch.ones(1, 1, 1, 1, 4).bool()))
    assert loss.item() == pytest.approx((3 + 3) / 4 * math.log(2))
    loss = WeightedBCE()(volume(0, 0, 0, 0), (volume(1, 1, 1, 0), torch.ones(1, 1, 1, 1, 4).bool()))
    assert loss.item() == pytest.approx((3 + 3) / 4 * math.log(2))


def test_dice_by_hand():
    # p = 1/2 and 1/2, t = 1 and 0: 1 - (2 * 1/2 + 100) / (1 + 1 + 100)
    loss = SoftDice()(volume(0, 0), (volume(1, 0), torch.ones(1, 1, 1, 1, 2).bool()))
    assert loss.item() == pytest.approx(1 - 101 / 102)
    assert SoftDice(1)(volume(0, 0), (volume(1, 0), torch.ones(1, 1, 1, 1, 2).bool())).item() == pytest.approx(1 / 3)


def test_the_error_of_distances_sums_channels_and_averages_voxels():
    logits = torch.zeros(1, 2, 1, 1, 2)
    target = torch.tensor([[[[[1.0, 0.0]]], [[[-0.5, 0.5]]]]])
    loss = TanhMSE()(logits, (target, torch.ones_like(target).bool()))
    assert loss.item() == pytest.approx((1 + 0) / 2 + (0.25 + 0.25) / 2)


def test_a_perfect_prediction_costs_almost_nothing(batch):
    _, target, known = batch
    sure = (target * 2 - 1) * 100
    for loss in LOSSES[:2]:
        assert loss(sure, (target, known)).item() == pytest.approx(0, abs=1e-6)
    assert TanhMSE()(sure, (target * 2 - 1, known)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_an_unknown_voxel_has_no_weight_and_no_gradient(loss, batch):
    logits, target, known = batch
    logits = logits.float().requires_grad_()
    value = loss(logits, (target, known))
    value.backward()
    assert torch.all(logits.grad[~known] == 0)
    assert torch.all(logits.grad[known] != 0)
    spoiled = torch.where(known, logits.detach(), torch.tensor(float("nan")))
    assert torch.equal(loss(spoiled, (torch.where(known, target, 7), known)), value.detach())


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_batch_without_known_voxels_has_no_loss(loss, batch):
    logits, target, known = batch
    logits = logits.float().requires_grad_()
    value = loss(logits, (target, torch.zeros_like(known)))
    value.backward()
    assert value.item() == 0
    assert torch.all(logits.grad == 0)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_batch_costs_the_mean_of_its_samples(loss, batch):
    logits, target, known = batch
    known[1] = False  # a sample without a label counts as one that costs 0
    alone = [loss(logits[i : i + 1], (target[i : i + 1], known[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(loss(logits, (target, known)), torch.stack(alone).mean())


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_half_precision_is_judged_in_float32(loss, batch):
    logits, target, known = batch
    rough = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(rough, (target, known))
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(rough.float(), (target, known)))


def test_huge_logits_stay_finite(batch):
    logits, target, known = batch
    for loss in LOSSES:
        huge = (logits.float() * 1e4).requires_grad_()
        loss(huge, (target, known)).backward()
        assert torch.isfinite(huge.grad).all()


def three_terms() -> WeightedSum:
    return WeightedSum(
        [
            LossTerm("binary_bce", WeightedBCE(), channels=[0]),
            LossTerm("binary_dice", SoftDice(), weight=0.5, channels=[0]),
            LossTerm("distance", TanhMSE(), weight=5, channels=[1]),
        ]
    )


def test_a_sum_adds_its_weighted_parts_and_keeps_each_for_the_log(batch):
    logits, target, known = batch
    logits = logits.float().requires_grad_()
    total = three_terms()
    value = total(logits, (target, known))
    first, second = (logits[:, :1], (target[:, :1], known[:, :1])), (logits[:, 1:], (target[:, 1:], known[:, 1:]))
    parts = {"binary_bce": WeightedBCE()(*first), "binary_dice": SoftDice()(*first), "distance": TanhMSE()(*second)}
    torch.testing.assert_close(value, parts["binary_bce"] + 0.5 * parts["binary_dice"] + 5 * parts["distance"])
    assert list(total.parts) == list(parts)
    assert all(torch.equal(total.parts[name], part.detach()) for name, part in parts.items())
    assert not any(part.requires_grad for part in total.parts.values())
    assert list(total.parameters()) == []


def test_a_sum_compiles_to_one_graph(batch):
    logits, target, known = batch
    total = three_terms()
    compiled = torch.compile(total, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(logits.float(), (target, known)), total(logits.float(), (target, known)))


def test_channels_may_be_any_and_in_any_order(batch):
    logits, target, known = batch
    swapped = (logits.flip(1), (target.flip(1), known.flip(1)))
    torch.testing.assert_close(OnChannels(TanhMSE(), [1, 0])(logits, (target, known)), TanhMSE()(*swapped))


def test_a_class_weight_sees_its_channels_only(batch):
    logits, target, known = batch
    target = torch.cat([target[:, :1], torch.ones_like(target[:, 1:])], 1)
    alone = WeightedBCE()(logits[:, :1], (target[:, :1], known[:, :1]))
    assert torch.equal(OnChannels(WeightedBCE(), [0])(logits, (target, known)), alone)


def test_one_step_downhill_costs_less(batch):
    logits, target, known = batch
    for loss in LOSSES:
        start = logits.float().requires_grad_()
        value = loss(start, (target, known))
        (slope,) = torch.autograd.grad(value, start)
        assert loss(start - 0.1 * slope, (target, known)) < value


@pytest.mark.parametrize("loss", [*LOSSES, OnChannels(SoftDice(), [0])], ids=str)
def test_shapes_that_differ_are_errors(loss, batch):
    logits, target, known = batch
    with pytest.raises(ValueError, match=r"prediction \[3, 1, 3, 4, 5\]"):
        loss(logits[:, :1], (target, known))
    with pytest.raises(ValueError, match="known"):
        loss(logits, (target, known.float()))


def test_senseless_settings_are_errors(batch):
    logits, target, known = batch
    with pytest.raises(ValueError, match="smooth 0"):
        SoftDice(0)
    with pytest.raises(ValueError, match="balance 'batch' of the classes is not one of sample, channel, none"):
        WeightedBCE("batch")
    for channels in ([], [-1], [0, 0]):
        with pytest.raises(ValueError, match="different numbers from 0"):
            OnChannels(TanhMSE(), channels)
    with pytest.raises(ValueError, match=r"channels \[2\] .* channels 0 to 1"):
        OnChannels(TanhMSE(), [2])(logits, (target, known))
    with pytest.raises(ValueError, match="name of its own"):
        WeightedSum([])
    with pytest.raises(ValueError, match="name of its own"):
        WeightedSum([LossTerm("a", TanhMSE()), LossTerm("a", SoftDice())])


def test_any_loss_of_logits_and_truth_may_be_a_part(batch):
    class FirstVoxel(nn.Module):
        def forward(self, prediction: torch.Tensor, truth: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return prediction.flatten()[0]

    logits, target, known = batch
    assert WeightedSum([LossTerm("first", FirstVoxel(), 2)])(logits, (target, known)) == 2 * logits.flatten()[0]
    assert np.isclose(WeightedSum([LossTerm("d", TanhMSE(), 0)])(logits, (target, known)).item(), 0)
