"""A GPU computes what the CPU does: a training step, its bf16, a compiled network, inference."""

import pytest
import torch

from scripts.engines import PrecisionInferer
from scripts.inferers import VolumeInferer
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder, ResidualUNet, kept_tokens
from scripts.transforms import RandTokenMask

PATCH, GRID, SHAPE = (1, 8, 8), (2, 4, 4), (2, 32, 32)
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]


@pytest.fixture(autouse=True)
def _exact_products():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
    torch.set_float32_matmul_precision(before)


def steps(device: str, count: int, precision: str = "fp32", compiled: bool = False) -> list[float]:
    """Losses of some steps of a tiny masked autoencoder, each before its step."""
    torch.manual_seed(0)
    network = MaskedAutoencoder(Encoder(PATCH, width=24, depth=2, heads=2), 24, 1, 2).to(device)
    forward = torch.compile(network, dynamic=False) if compiled else network
    image = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(1)).to(device)
    draw = RandTokenMask(GRID, 0.5).set_random_state(seed=2)
    mask = torch.stack([draw() for _ in image])
    kept, mask = kept_tokens(mask).to(device), mask.to(device)
    loss, infer = HiddenTokenLoss(PATCH), PrecisionInferer(precision)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    losses = []
    for _ in range(count):
        value = loss(infer(image, forward, kept), (image, mask))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
    return losses


@pytest.mark.parametrize("device", DEVICES)
def test_steps_lower_the_loss_along_the_curve_of_the_cpu(device):
    found = steps(device, 8)
    assert found[-1] < found[0]
    torch.testing.assert_close(found, steps("cpu", 8), rtol=2e-3, atol=0)


@pytest.mark.parametrize("device", DEVICES)
def test_bf16_follows_float32(device):
    torch.testing.assert_close(steps(device, 4, "bf16"), steps("cpu", 4), rtol=3e-2, atol=0)


@pytest.mark.gpu
@NO_GPU
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores:UserWarning")  # off here on purpose
def test_a_compiled_network_computes_what_the_eager_one_does():
    torch.testing.assert_close(steps("cuda", 4, compiled=True), steps("cuda", 4), rtol=2e-3, atol=0)


@pytest.mark.parametrize("device", DEVICES)
def test_inference_gives_the_maps_of_the_cpu(device):
    torch.manual_seed(0)
    network = ResidualUNet(3, widths=(8, 8), forms=("23", "23"), fold=2).eval()
    image = torch.rand(1, 1, 3, 24, 20, generator=torch.Generator().manual_seed(1))
    inferer = VolumeInferer((2, 16, 16), (1, 8, 8), flips=4, batch=4, affinity="nearest", pad=(1, 8, 8))
    with torch.inference_mode():
        expected = inferer(image, network)
        found = inferer(image.to(device), network.to(device))
    assert found.device.type == device
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)
