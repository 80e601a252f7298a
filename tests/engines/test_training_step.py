"""One optimizer step, however the batch is divided."""

import pytest
import torch
from monai.engines import SupervisedTrainer

from scripts.engines.precision_inferer import PrecisionInferer
from scripts.engines.prepare_batch import microbatches, prepare_masked_batch
from scripts.engines.training_step import TrainingStep
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder


def batch(size: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(size, 3, 2, 2, dtype=torch.bool)
    mask[:, :, 0, 0] = False
    return {"image": torch.rand(size, 1, 3, 8, 8, generator=generator), "mask": mask}


def one_step(precision: str = "fp32", **options) -> tuple[float, torch.Tensor]:
    torch.manual_seed(0)
    network = MaskedAutoencoder(Encoder((1, 4, 4), 24, 1, 2), 24, 1, 2)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch()],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=HiddenTokenLoss((1, 4, 4)),
        inferer=PrecisionInferer(precision),
        prepare_batch=prepare_masked_batch,
        iteration_update=TrainingStep(**options),
        decollate=False,
    )
    trainer.run()
    return float(trainer.state.output[0]["loss"]), network.head.weight.detach().clone()


def test_a_batch_in_microbatches_makes_the_same_step():
    loss, weight = one_step()
    for parts in (2, 4):
        parted_loss, parted_weight = one_step(accumulation=parts)
        assert parted_loss == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(parted_weight, weight, rtol=1e-5, atol=1e-7)


def test_a_clipped_step_is_shorter():
    _, weight = one_step()
    _, clipped = one_step(clip=1e-6)
    _, start = one_step(clip=1e-30)
    assert (clipped - start).norm() < 1e-3 * (weight - start).norm()


def test_bf16_comes_close_and_hands_back_float32():
    loss, _ = one_step()
    bf16, weight = one_step("bf16")
    assert bf16 == pytest.approx(loss, rel=0.02)
    assert weight.dtype == torch.float32
    assert PrecisionInferer("bf16")(torch.rand(2, 4), torch.nn.Linear(4, 4)).dtype == torch.float32


def test_parts_that_do_not_divide_a_batch_are_refused():
    with pytest.raises(ValueError, match="batch of 4 crops cannot be divided into 3"):
        list(microbatches(batch(), 3))
    with pytest.raises(ValueError, match="fp16"):
        PrecisionInferer("fp16")
    with pytest.raises(ValueError, match="accumulation 0"):
        TrainingStep(accumulation=0)


def test_kept_tokens_come_from_the_loader_or_from_the_mask():
    plain = batch()
    _, (image, mask), (kept,), keywords = prepare_masked_batch(plain, "cpu")
    assert kept.tolist() == [[0, 4, 8]] * 4
    assert image is not None
    assert keywords == {}
    listed = prepare_masked_batch({**plain, "kept": torch.tensor([[8, 4, 0]] * 4)}, "cpu")[2][0]
    assert listed.tolist() == [[8, 4, 0]] * 4
    assert torch.equal(mask, plain["mask"])
