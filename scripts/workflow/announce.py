"""The first lines of a pre-training: what, where, how long, how to point it elsewhere, how to stop it and go on."""

from collections.abc import Mapping
from typing import Any

import torch

from scripts.checkpoints.run_folder import RunFolder
from scripts.engines.prepare_batch import prepare_masked_batch
from scripts.workflow.first_lines import (
    counted,
    device_in_words,
    fastest,
    indented,
    output_lines,
    time_line,
    voxels,
)

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
    grid = " x ".join(map(str, mask.shape))
    lines = [
        f"trains on   {indented(described)}",
        f"device      {device_in_words(device)}{f', {world} processes' if world > 1 else ''}, {settings['precision']}",
        f"network     {settings['network']}, {counted(network)}",
        f"crops       {voxels(settings['crop'])} voxels in tokens of {voxels(settings['patch'])}: {grid} tokens",
        f"mask        {settings['mask']}, ratio {settings['mask_ratio']:.4g}: {kept} of {mask.numel()} tokens kept",
        f"iterations  {iterations:,}, warm-up {settings['warm_up']:,}, effective batch {batch}, learning rate "
        f"{settings['lr']:.3g} ({settings['base_lr']:.3g} x {batch} / 256)",
        *output_lines(
            folder,
            elsewhere="--volumes my.h5:raw, a .zarr, .tif, .nii.gz or .npy file, a folder of sections, or a data "
            "manifest",
            first="the baselines and the validation loss of the untrained network",
        ),
    ]
    print("\n".join(lines), flush=True)
    if device.type == "cpu" and folder.start < iterations:
        seconds = seconds_per_crop(network, sample) * batch / world
        print(time_line(seconds, iterations - folder.start, iterations), flush=True)


def seconds_per_crop(network: torch.nn.Module, sample: Mapping[str, Any]) -> float:
    """Time of one training step on the CPU, for one crop; leaves no gradient behind."""
    batch = {key: torch.stack([torch.as_tensor(sample[key])] * PROBE) for key in ("image", "mask")}
    image, _, (kept,), _ = prepare_masked_batch(batch, "cpu")
    return fastest(lambda: network(image, kept), network, enough=float("inf")) / PROBE
