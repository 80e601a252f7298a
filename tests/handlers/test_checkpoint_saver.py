"""A resumed run has the state of the one before it and the settings of its own, or is refused in one line."""

import pytest
import torch

from scripts.optimizers import MuonAdamW
from tests.tiny_segmentation import Run


def resumed(folder) -> Run:
    """A run of two iterations, to be continued to four."""
    Run(folder, iterations=2, interval=2, untrained=False, loss=False).train()
    return Run(folder, iterations=4, interval=2, resume=True, untrained=False, loss=False)


def test_weight_decay_and_betas_of_the_resumed_run_are_used(tmp_path):
    run = resumed(tmp_path / "run")
    (group,) = run.optimizer.param_groups
    group.update(weight_decay=0.25, betas=(0.5, 0.75))
    run.train()
    (group,) = run.optimizer.param_groups
    assert (group["weight_decay"], group["betas"], group["lr"]) == (0.25, (0.5, 0.75), 0.03)
    assert all(state["step"] == 4 for state in run.optimizer.state.values())


def test_both_parts_of_muon_take_the_weight_decay_of_the_resumed_run(tmp_path):
    def add_muon(run: Run, weight_decay: float) -> MuonAdamW:
        torch.manual_seed(0)
        network = torch.nn.ModuleDict({"blocks": torch.nn.ModuleList([torch.nn.Linear(3, 3)])})
        made = MuonAdamW(network, 0.01, weight_decay)
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
        made.step()
        run.checkpoints.stateful["muon"] = made
        return made

    run = Run(tmp_path / "run", iterations=2, interval=2, untrained=False, loss=False)
    add_muon(run, 0.05)
    run.train()
    run = Run(tmp_path / "run", iterations=2, interval=2, resume=True)
    muon = add_muon(run, 0.5)
    run.checkpoints.attach(run.trainer)
    for group in (*muon.muon.param_groups, *muon.adamw.param_groups):
        assert group["weight_decay"] == (0 if group["name"] == "undecayed" else 0.5)


def test_the_state_of_another_kind_of_optimizer_is_refused(tmp_path):
    run = resumed(tmp_path / "run")
    run.checkpoints.stateful["optimizer"] = torch.optim.SGD(run.network.parameters(), lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=r"its state of 'optimizer' does not fit .*this run's SGD has betas"):
        run.train()


@pytest.mark.parametrize("name", ["heads", "decoder_heads"])
def test_other_attention_heads_are_refused_on_resume_though_their_weights_have_the_same_shapes(tmp_path, name):
    run = Run(tmp_path / "run", iterations=2, interval=2, untrained=False, loss=False)
    run.recipe["sizes"] = {name: 2}
    run.train()
    run = Run(tmp_path / "run", iterations=4, interval=2, resume=True)
    run.recipe["sizes"] = {name: 3}
    with pytest.raises(ValueError, match=rf"last.pt has {name} 2, this run 3 .*choose the --network it was trained"):
        run.checkpoints.attach(run.trainer)
    run.recipe["architecture"] = "residual_unet"  # which has no attention
    run.checkpoints.attach(run.trainer)
