"""Layers far from the output have the lowest rate, and a schedule scales all rates alike."""

import pytest
import torch
from monai.optimizers import WarmupCosineSchedule

from scripts.handlers.learning_rate import LearningRate
from scripts.networks import UNETR, Encoder, even_taps
from scripts.optimizers import group_table, layer_decay_groups

DEPTH = 3


@pytest.fixture
def unetr() -> UNETR:
    torch.manual_seed(0)
    return UNETR(Encoder((1, 8, 8), 12, DEPTH, 2), 2, even_taps(DEPTH, (1, 8, 8)), (8, 4, 4, 4))


def rates(network, groups) -> dict[str, tuple[float, float]]:
    """Name of each parameter -> (learning rate, weight decay)."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}


def test_each_layer_learns_at_half_the_rate_of_the_next(unetr):
    found = rates(unetr, layer_decay_groups(unetr, lr=1.0, weight_decay=0.05, layer_decay=0.5))
    assert found["head.2.weight"] == (1.0, 0.05)
    assert found["encoder.norm.weight"] == (1.0, 0.0)
    assert found["encoder.blocks.2.widen.weight"] == (0.5, 0.05)
    assert found["encoder.blocks.1.norm1.weight"] == (0.25, 0.0)
    assert found["encoder.blocks.0.widen.bias"] == (0.125, 0.0)
    assert found["encoder.patch_embedding.weight"] == (0.0625, 0.05)
    assert found["encoder.patch_embedding.bias"] == (0.0625, 0.0)


def test_every_parameter_is_in_one_group_and_matrices_alone_decay(unetr):
    groups = layer_decay_groups(unetr, 0.1, 0.05, 0.75)
    assert sum(len(group["params"]) for group in groups) == len(list(unetr.parameters()))
    found = rates(unetr, groups)
    assert found.keys() == {name for name, _ in unetr.named_parameters()}
    assert all((found[name][1] == 0.05) == (p.ndim > 1) for name, p in unetr.named_parameters())


def test_frozen_parameters_are_left_out(unetr):
    unetr.encoder.blocks[0].requires_grad_(False)
    found = rates(unetr, layer_decay_groups(unetr, 0.1, 0.05, 0.75))
    assert not any(name.startswith("encoder.blocks.0.") for name in found)
    assert len(found) == sum(p.requires_grad for p in unetr.parameters())


def test_no_decay_of_rates_gives_two_plain_groups(unetr):
    groups = layer_decay_groups(unetr, 0.1, 0.05, 1.0)
    assert [(g["name"], g["lr"], g["weight_decay"]) for g in groups] == [
        ("all, decayed", 0.1, 0.05),
        ("all, undecayed", 0.1, 0.0),
    ]


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_a_schedule_scales_all_groups_alike_and_a_resumed_one_finds_its_place(unetr, kind):
    def build():
        optimizer = kind(layer_decay_groups(unetr, 0.1, 0.05, 0.5), lr=0.1)
        return optimizer, LearningRate(WarmupCosineSchedule(optimizer, warmup_steps=2, t_total=8))

    optimizer, rate = build()
    first = [group["lr"] for group in layer_decay_groups(unetr, 0.1, 0.05, 0.5)]
    seen = []
    for _ in range(6):
        seen.append([group["lr"] for group in optimizer.param_groups])
        assert seen[-1] == pytest.approx([seen[-1][0] * lr / 0.1 for lr in first])
        optimizer.step()
        rate.schedule.step()
    assert seen[0][0] == 0
    assert seen[2] == pytest.approx(first)
    assert seen[5][0] < seen[2][0]
    resumed, again = build()
    resumed.load_state_dict(optimizer.state_dict())
    again.load_state_dict(rate.state_dict())
    assert [g["lr"] for g in resumed.param_groups] == [g["lr"] for g in optimizer.param_groups]


def test_the_first_group_has_the_full_rate_that_a_log_shows(unetr):
    assert layer_decay_groups(unetr, 0.1, 0.05, 0.5)[0]["name"] == "decoder, decayed"


def test_the_table_has_a_line_for_each_group(unetr):
    groups = layer_decay_groups(unetr, 0.1, 0.05, 0.5)
    lines = group_table(groups).splitlines()
    assert len(lines) == 1 + len(groups) == 1 + 2 * (DEPTH + 2)
    assert lines[0].split() == ["group", "parameters", "learning", "rate", "weight", "decay"]
    assert lines[1].split()[0] == "decoder,"
    assert lines[-2].split() == ["patch", "embedding,", "decayed", "768", "0.00625", "0.05"]


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"weight_decay": -0.1}, {"layer_decay": 0}, {"layer_decay": 1.1}, {"lr": -1.0}]
)
def test_a_number_out_of_its_range_is_refused(unetr, wrong):
    with pytest.raises(ValueError, match=r"layer_decay .* above 0 and at most 1"):
        layer_decay_groups(unetr, **{"lr": 0.1, "weight_decay": 0.05, "layer_decay": 0.5, **wrong})


def test_a_network_without_an_encoder_is_refused():
    with pytest.raises(ValueError, match="Linear has no `encoder`"):
        layer_decay_groups(torch.nn.Linear(2, 2), 0.1, 0.05, 0.5)
