"""The first lines of a run: what, where, how long, how to point it elsewhere, how to stop it and go on."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from scripts.handlers.batches import prepare_masked_batch
from scripts.handlers.progress import duration
from scripts.handlers.run_folder import RunFolder

PROBE = 2
"""Crops that a step on the CPU is timed with."""


def announce(
    described: str,
    folder: RunFolder,
    network: torch.nn.Module,
    sample: Mapping[str, Any],
    device: torch.device,
    settings: Mapping[str, Any],
    world: int = 1,
    rank: int = 0,
) -> None:
    """Print what is about to happen; only process 0 does.

    Args:
        described: the regions crops come from, in words.
        folder: of the run.
        network: to be trained.
        sample: one crop with its mask.
        device: where.
        settings: the knobs by name, as in the checkpoint's recipe.
        world: number of processes.
        rank: number of this one.
    """
    if rank:
        return
    iterations, batch = int(settings["iterations"]), int(settings["batch"])
    mask = torch.as_tensor(sample["mask"])
    kept = int((~mask).sum())
    parameters = sum(p.numel() for p in network.parameters()) / 1e6
    counted = f"{parameters:.1f} M" if parameters >= 0.1 else f"{parameters * 1e3:.1f} k"
    grid = " x ".join(map(str, mask.shape))
    lines = [
        f"trains on   {indented(described)}",
        f"device      {device_in_words(device)}{f', {world} processes' if world > 1 else ''}, {settings['precision']}",
        f"network     {settings['network']}, {counted} parameters",
        f"crops       {voxels(settings['crop'])} voxels in tokens of {voxels(settings['patch'])}: {grid} tokens",
        f"mask        {settings['mask']}, ratio {settings['mask_ratio']:.4g}: {kept} of {mask.numel()} tokens kept",
        f"iterations  {iterations:,}, warm-up {settings['warm_up']:,}, effective batch {batch}, learning rate "
        f"{settings['lr']:.3g} ({settings['base_lr']:.3g} x {batch} / 256)",
        f"output      {folder.path}  (TensorBoard: tensorboard --logdir {folder.path})",
        "elsewhere   --volumes my.h5:raw, a .zarr, .tif, .nii.gz or .npy file, a folder of sections, or a data "
        "manifest",
        f"stop        Ctrl-C saves; go on with --resume true --output_dir {folder.path}",
    ]
    if folder.start == 0:
        lines.append("first       the baselines and the validation loss of the untrained network")
    if folder.resume:
        lines.append(
            f"resumes     after iteration {folder.start:,}"
            if folder.start
            else f"resumes     nothing: there is no checkpoint in {folder.path}, so it begins at iteration 0"
        )
    print("\n".join(lines), flush=True)
    if device.type == "cpu" and folder.start < iterations:
        seconds = seconds_per_crop(network, sample) * batch / world
        print(
            f"time        about {duration(seconds)} an iteration on this CPU, "
            f"{duration(seconds * (iterations - folder.start))} "
            "in all"
            + (
                ""
                if seconds * iterations < 1800
                else "; a GPU is meant for this. Minutes here: add the overlay demo.json"
            ),
            flush=True,
        )


def seconds_per_crop(network: torch.nn.Module, sample: Mapping[str, Any]) -> float:
    """Time of one training step on the CPU, for one crop; leaves no gradient behind."""
    batch = {key: torch.stack([torch.as_tensor(sample[key])] * PROBE) for key in ("image", "mask")}
    image, _, (kept,), _ = prepare_masked_batch(batch, "cpu")
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        network(image, kept).square().mean().backward()
        times.append(time.perf_counter() - begin)
    network.zero_grad(set_to_none=True)
    return min(times) / PROBE


def device_in_words(device: torch.device) -> str:
    """`CPU, 2 threads` or the name of the GPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"


def voxels(size: Sequence[int]) -> str:
    """`6 x 96 x 96`."""
    return " x ".join(map(str, size))


def indented(text: str) -> str:
    """Lines after the first under the first."""
    return text.strip().replace("\n", "\n" + " " * 12)
