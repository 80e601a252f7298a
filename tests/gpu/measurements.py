"""The parts that test and measure: GPU tests, steps of pre-training and of fine-tuning, the sampler, inference."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scripts.data import GlobalBatchSampler, LoaderBatches
from scripts.data.sampling.device_crops import DeviceBatches
from scripts.data.volumes import ArrayVolume
from scripts.networks import UNETR, Encoder, ResidualUNet, even_taps
from tests.benchmarks import bench_crops, bench_inference, bench_mae_step, bench_unetr
from tests.gpu.results import Results
from tests.gpu.sizes import Size

PATCH = (1, 16, 16)
MARK = "mark.gpu"


class CountOutcomes:
    """A plugin of pytest that counts how tests ended, and adds a row for each that failed."""

    def __init__(self, results: Results) -> None:
        self.results, self.counts = results, dict.fromkeys(("passed", "failed", "skipped"), 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for the set-up, the call and the end of each test."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
        if report.failed:
            self.results.add("tests", test=report.nodeid, error=str(report.longrepr).strip().splitlines()[-1][:200])


def tests(results: Results, size: Size) -> None:
    """Run every test that is marked `gpu`; they are skipped where there is no GPU.

    A warning is no failure here: the machine's torch and Python may be others than those of the usual tests.
    """
    root = Path(__file__).parents[1]
    files = sorted(str(path) for path in root.rglob("test_*.py") if MARK in path.read_text(encoding="utf-8"))
    outcomes = CountOutcomes(results)
    warnings = ["-W", "default", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    code = pytest.main(["-m", "gpu", "-q", "-p", "no:cacheprovider", *warnings, *files], plugins=[outcomes])
    results.add("tests", files=len(files), **outcomes.counts)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise RuntimeError(f"pytest ended with exit code {int(code)}")


def mae_step(results: Results, size: Size) -> None:
    """Samples/s of a step of the masked autoencoder beside MONAI's, in bf16, with the share of the peak."""
    torch.set_float32_matmul_precision("high")
    device, peak = bench_crops.accelerator(), bench_mae_step.peak_tflops()
    image = torch.randn(size.batch, 1, *bench_mae_step.SIZE, device=device)
    ways = bench_mae_step.ways(image, size.autoencoder)
    published = dict(size.autoencoder) == bench_mae_step.VIT_BASE
    for way in size.ways:
        found = bench_mae_step.step_speed(ways[way], size.batch, size.steps)
        if isinstance(found, str):
            results.add("mae_step", way=way, error=found)
            continue
        speed, memory = found
        tflops = speed * bench_mae_step.GFLOP_A_STEP / 1e3 if published else None
        results.add(
            "mae_step",
            **{"way": way, "device": device.type, "batch": size.batch, "samples/s": speed, "peak GiB": memory},
            **{"TFLOP/s": tflops, "MFU": tflops / peak if tflops and peak else None},
        )
    speeds = [row for row in results.rows("mae_step") if "samples/s" in row]
    mine, peer = (
        max((row["samples/s"] for row in speeds if row["way"].startswith(who)), default=float("nan"))
        for who in ("ours", "MONAI")
    )
    results.add("mae_step", way="fastest of ours / fastest of MONAI", ratio=mine / peer)


def sampler(results: Results, size: Size) -> None:
    """Samples/s of crops with masks from worker processes, and gathered on the device."""
    voxels = np.random.default_rng(0).integers(0, 256, (20, 256, 256), np.uint8)
    dataset, device = bench_crops.crops(ArrayVolume(voxels)), bench_crops.accelerator()
    order = GlobalBatchSampler(size.batch, iterations=2 * size.steps + 1)
    workers = 0 if size.steps == 1 else bench_crops.workers_here()
    for name, batches in (("loader", LoaderBatches), ("device", DeviceBatches)):
        speed = bench_crops.per_second(batches(dataset, order, workers, device), size.batch)
        results.add("sampler", **{"sampler": name, "device": device.type, "workers": workers, "samples/s": speed})


def unetr(size: Size) -> nn.Module:
    """The UNETR of the training step, 3 output channels."""
    encoder = Encoder(PATCH, *size.encoder)
    return UNETR(encoder, 3, even_taps(encoder.depth, PATCH), size.decoder)


def unet(size: Size) -> nn.Module:
    """The residual U-Net of the training step, 3 output channels."""
    return ResidualUNet(3, **size.trunk)


def training_steps(results: Results, size: Size) -> None:
    """Samples/s of a step of fine-tuning, of both networks, eager and compiled; in bf16 on a GPU."""
    device, peak = bench_crops.accelerator(), bench_mae_step.peak_tflops()
    for compiled in (False, True)[: 1 + size.compiled]:
        for name, build in (("UNETR", unetr), ("residual U-Net", unet)):
            make = partial(
                bench_unetr.contender,
                partial(build, size),
                **{"batch": size.fine_batch, "bf16": device.type == "cuda", "compiled": compiled},
                **{"device": device.type, "size": size.crop},
            )
            row = {"network": name, "compiled": compiled, "device": device.type, "batch": size.fine_batch}
            found = bench_mae_step.step_speed(make, size.fine_batch, max(1, size.steps // 2))
            if isinstance(found, str):
                results.add("training_steps", **row, error=found)
                continue
            parameters, multiply_adds = bench_unetr.gmac(partial(build, size), size.crop)
            tflops = 6 * multiply_adds * found[0] / 1e3  # multiply and add, forward and twice that backward
            row |= {"M parameters": parameters, "samples/s": found[0], "peak GiB": found[1], "TFLOP/s": tflops}
            results.add("training_steps", **row, MFU=tflops / peak if peak else None)


def inference(results: Results, size: Size) -> None:
    """Mvoxel/s of sliding-window inference of a UNETR beside MONAI's inferer."""
    device = bench_crops.accelerator()
    network = unetr(size).to(device).eval()
    for batch in (4, 16)[: 1 + size.compiled]:
        speeds = bench_inference.device_speeds(network, size.box, size.crop, batch, device)
        for who, speed in speeds.items():
            results.add("inference", **{"who": who, "device": device.type, "windows at once": batch, "Mvoxel/s": speed})
