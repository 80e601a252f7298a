"""Two processes share a step: no unused parameters, and the gradient of one process with both samples."""

import socket

import torch
import torch.distributed
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel

from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder, kept_tokens

PATCH = (1, 4, 4)


def build() -> MaskedAutoencoder:
    torch.manual_seed(0)
    return MaskedAutoencoder(Encoder(PATCH, 12, 1, 2), 12, 1, 2)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 1, 2, 8, 8, generator=generator)
    mask = torch.ones(2, 2, 2, 2, dtype=torch.bool)
    mask[0, 0, 0, 1] = mask[0, 1, 1, 1] = mask[1, 0, 1, 0] = mask[1, 1, 0, 0] = False
    return image, mask


def gradients(network, image, mask, steps=2):
    for _ in range(steps):  # an unused parameter is only noticed at the second step
        network.zero_grad()
        HiddenTokenLoss(PATCH)(network(image, kept_tokens(mask)), (image, mask)).backward()
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def work(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    image, mask = batch()
    shared = DistributedDataParallel(build())
    torch.save(gradients(shared, image[rank : rank + 1], mask[rank : rank + 1]), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_make_the_step_of_one_with_the_doubled_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, gradients(build(), *batch()), atol=1e-6, rtol=1e-5)
