"""Two processes share a step of every network: no unused parameters, and the gradient of one with both samples."""

import socket
from collections.abc import Callable

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel

from scripts.losses import HiddenTokenLoss
from scripts.networks import (
    UNETR,
    Encoder,
    HybridUNet,
    MaskedAutoencoder,
    MaskedTrunk,
    ResidualUNet,
    even_taps,
    kept_tokens,
)

PATCH = (1, 4, 4)


def encoder() -> Encoder:
    return Encoder(PATCH, 12, 2, 2)


def trunk(channels: int = 2) -> ResidualUNet:
    return ResidualUNet(channels, (4, 8), ("23", "23"), 2)


def hybrid() -> HybridUNet:
    network = HybridUNet(encoder(), trunk())
    torch.nn.init.constant_(network.gate, 0.5)  # at 0, as it starts, the encoder has no gradient
    return network


NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "mae": lambda: MaskedAutoencoder(Encoder(PATCH, 12, 1, 2), 12, 1, 2),
    "masked_trunk": lambda: MaskedTrunk(trunk(1), PATCH),
    "unetr": lambda: UNETR(encoder(), 2, even_taps(2, PATCH), (8, 4, 4)),
    "residual_unet": trunk,
    "hybrid": hybrid,
}


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(2, 1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 2, 2, 2, dtype=torch.bool)
    mask[0, 0, 0, 1] = mask[0, 1, 1, 1] = mask[1, 0, 1, 0] = mask[1, 1, 0, 0] = False
    return image, mask


def gradients(name: str, network: torch.nn.Module, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    for _ in range(2):  # an unused parameter is only noticed at the second step
        network.zero_grad()
        if name in ("mae", "masked_trunk"):
            loss = HiddenTokenLoss(PATCH)(network(image, kept_tokens(mask)), (image, mask))
        else:
            loss = network(image).square().mean()
        loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def work(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    image, mask = (part[rank : rank + 1] for part in batch())
    for name in NETWORKS:
        torch.save(gradients(name, DistributedDataParallel(build(name)), image, mask), f"{folder}/{name}{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The gradients of each network in each of two processes."""
    made = tmp_path_factory.mktemp("gradients")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, str(made)), nprocs=2)
    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_two_processes_make_the_step_of_one_with_the_doubled_batch(folder, name):
    first, second = (torch.load(folder / f"{name}{rank}.pt") for rank in (0, 1))
    assert torch.equal(first, second)
    expected = gradients(name, build(name), *batch())
    assert expected.abs().sum() > 0
    torch.testing.assert_close(first, expected, atol=1e-6, rtol=1e-5)
