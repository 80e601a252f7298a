"""A frozen encoder does not change by a bit, whatever the optimizer; then it trains."""

import copy
import socket

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch.nn.parallel import DistributedDataParallel

from scripts.engines.training_step import TrainingStep
from scripts.handlers.freeze_encoder import FreezeEncoder
from scripts.networks import UNETR, Encoder, even_taps
from scripts.optimizers import layer_decay_groups

PATCH = (1, 4, 4)
FROZEN = 3


def build() -> UNETR:
    torch.manual_seed(0)
    return UNETR(Encoder(PATCH, 12, 2, 2), 1, even_taps(2, PATCH), (8, 4, 4))


def optimizer_of(kind: str, network):
    groups = layer_decay_groups(network, 0.01, 0.1, 0.5)
    if kind == "SGD":
        return torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    return torch.optim.AdamW(groups, lr=0.01, fused=kind == "fused AdamW")


def batches(iterations: int, start: int = 0):
    for i in range(start, iterations):
        generator = torch.Generator().manual_seed(i)
        image = torch.randn(2, 1, 2, 8, 8, generator=generator)
        yield {"image": image, "target": (image > 0).float(), "region": torch.zeros(2), "corner": torch.zeros(2, 3)}


def as_batch(batch, device=None, non_blocking=False, **keywords):
    return batch["image"], batch["target"], (), {}


def trainer_of(network, optimizer, iterations, frozen=FROZEN, start=0, wrapped=None, **step):
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        epoch_length=iterations,
        train_data_loader=list(batches(iterations, start)),
        network=wrapped or network,
        optimizer=optimizer,
        loss_function=torch.nn.BCEWithLogitsLoss(),
        prepare_batch=as_batch,
        iteration_update=TrainingStep(**step),
        decollate=False,
    )
    FreezeEncoder(network, frozen).attach(trainer)
    return trainer


def train(*arguments, **keywords):
    trainer_of(*arguments, **keywords).run()


def weights(module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def equal(one, other) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("kind", "step"), [("SGD", {}), ("AdamW", {"accumulation": 2}), ("fused AdamW", {"clip": 0.5})]
)
def test_the_encoder_stays_bit_equal_for_n_iterations_and_then_moves(kind, step):
    network = build()
    start = weights(network)
    seen = {}
    trainer = trainer_of(network, optimizer_of(kind, network), FROZEN + 1, **step)
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: seen.update({engine.state.iteration: weights(network)})
    )
    trainer.run()
    for iteration in range(1, FROZEN + 1):
        inside = {name: value for name, value in seen[iteration].items() if name.startswith("encoder.")}
        assert equal(inside, start)
        assert not torch.equal(seen[iteration]["head.2.weight"], start["head.2.weight"])
    moved = [name for name in start if not torch.equal(seen[FROZEN + 1][name], start[name])]
    assert sorted(moved) == sorted(start)


def test_none_frozen_is_plain_training():
    one, other = build(), build()
    train(one, optimizer_of("AdamW", one), 2, frozen=0)
    optimizer = optimizer_of("AdamW", other)
    for batch in batches(2):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(other(batch["image"]), batch["target"]).backward()
        optimizer.step()
    assert equal(weights(one), weights(other))


def test_clipping_sees_the_decoder_alone_while_the_encoder_is_frozen():
    whole, alone = build(), build()
    train(whole, optimizer_of("SGD", whole), 1, clip=1e-3)
    alone.encoder.requires_grad_(False)
    train(alone, torch.optim.SGD(alone.parameters(), lr=0.01, weight_decay=0.1), 1, frozen=0, clip=1e-3)
    torch.testing.assert_close(whole.head[2].weight, alone.head[2].weight, atol=0, rtol=1e-6)


@pytest.mark.parametrize(("kind", "cut"), [("SGD", 2), ("AdamW", FROZEN), ("AdamW", FROZEN + 1)])
def test_a_resumed_run_thaws_at_the_same_iteration(kind, cut):
    whole = build()
    train(whole, optimizer_of(kind, whole), 5)
    first = build()
    optimizer = optimizer_of(kind, first)
    train(first, optimizer, cut)
    resumed = build()
    resumed.load_state_dict(first.state_dict())
    again = optimizer_of(kind, resumed)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    trainer = trainer_of(resumed, again, 5, start=cut)
    trainer.state.iteration = cut  # as `CheckpointSaver` and `train` do it
    trainer.state.epoch, trainer.state.max_epochs, trainer.state.epoch_length = 0, 1, 5
    trainer.run()
    assert trainer.state.iteration == 5
    assert equal(weights(resumed), weights(whole))


def work(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    network = build()
    train(network, optimizer_of("SGD", network), 5, wrapped=DistributedDataParallel(network))
    torch.save(weights(network), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_freeze_and_thaw_as_one_without_unused_parameters(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    alone = build()
    train(alone, optimizer_of("SGD", alone), 5)  # both processes see the same crops, so their mean is that of one
    assert equal(first, second)
    torch.testing.assert_close(first, weights(alone), atol=1e-6, rtol=1e-5)


def test_what_cannot_be_frozen_is_refused():
    with pytest.raises(ValueError, match="iterations -1"):
        FreezeEncoder(build(), -1)
    with pytest.raises(ValueError, match="Linear has no `encoder`"):
        FreezeEncoder(torch.nn.Linear(2, 2), 3)
