"""Two processes share a step of the UNETR: no unused parameters, and the gradient of one process with both samples."""

import socket

import torch
import torch.distributed
import torch.multiprocessing
from torch.nn.parallel import DistributedDataParallel

from scripts.networks import UNETR, Encoder, even_taps

PATCH = (1, 4, 4)


def build() -> UNETR:
    torch.manual_seed(0)
    return UNETR(Encoder(PATCH, 12, 2, 2), 2, even_taps(2, PATCH), (8, 4, 4))


def gradients(network, image, steps=2):
    for _ in range(steps):  # an unused parameter is only noticed at the second step
        network.zero_grad()
        network(image).square().mean().backward()
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def batch() -> torch.Tensor:
    return torch.randn(2, 1, 3, 8, 12, generator=torch.Generator().manual_seed(0))


def work(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.save(gradients(DistributedDataParallel(build()), batch()[rank : rank + 1]), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_make_the_step_of_one_with_the_doubled_batch(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, gradients(build(), batch()), atol=1e-6, rtol=1e-5)
