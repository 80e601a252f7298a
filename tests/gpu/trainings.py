"""The parts that train: pre-training, then fine-tuning of a U-Net, and of a UNETR from scratch and pre-trained."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch._dynamo  # noqa: F401  optimizers import it; loaded once, before the processes of the parts begin
from monai.bundle import ConfigWorkflow

from scripts.checkpoints.run_files import BEST, CHECKPOINTS, EVALUATION, LAST, LOG, SCORES
from scripts.messages import show_messages
from scripts.ops.box import Box
from tests.gpu.results import Results
from tests.gpu.sizes import Size
from tests.gpu.source import Source

BUNDLES = Path(__file__).parents[2] / "bundles"
PRETRAIN, FINE_TUNE = BUNDLES / "sem_mae_pretrain" / "configs", BUNDLES / "sem_neuron_affinity" / "configs"
PRETRAINING_SHARE, FINE_TUNING_SHARE = 0.8, 0.55
"""Of a part's time that a short run and the iterations may take: it also starts, validates and is evaluated."""
TRIED = (12, 192, 192)
"""Most voxels of the box that a short run validates."""
SCORED = ("adapted_rand_snemi3d", "voi_split", "voi_merge", "voi")


def pretraining(results: Results, size: Size, source: Source, seconds: float) -> None:
    """Pre-train for some seconds; leaves its checkpoint in `pretrain`."""
    files, knobs = _files(PRETRAIN, size.pretraining)
    boxes = source.boxes()
    knobs |= {"volumes": source.volumes, "train_box": boxes["train_box"], "validation_box": boxes["validation_box"]}
    folder = results.folder / "pretrain"
    knobs |= _iterations(results, "pretraining", size, files, knobs, PRETRAINING_SHARE * seconds)
    _run(files, {**knobs, "output_dir": folder})
    _trained(results, "pretraining", "ViT", folder)


def unet(results: Results, size: Size, source: Source, seconds: float) -> None:
    """Fine-tune the residual U-Net from scratch."""
    _fine_tuned(results, "fine_tuning", "U-Net, scratch", size, source, seconds, unet=True)


def unetr_scratch(results: Results, size: Size, source: Source, seconds: float) -> None:
    """Fine-tune the UNETR from scratch."""
    _fine_tuned(results, "fine_tuning", "UNETR, scratch", size, source, seconds)


def unetr_pretrained(results: Results, size: Size, source: Source, seconds: float) -> None:
    """Fine-tune the UNETR from the encoder of the part `pretraining`."""
    checkpoints = results.folder / "pretrain" / CHECKPOINTS
    found = next((path for path in (checkpoints / BEST, checkpoints / LAST) if path.exists()), None)
    if found is None:
        raise FileNotFoundError(f"the pre-training left no checkpoint in {checkpoints}")
    _fine_tuned(results, "fine_tuning", "UNETR, pre-trained", size, source, seconds, pretrained=str(found))


def _fine_tuned(
    results: Results,
    part: str,
    name: str,
    size: Size,
    source: Source,
    seconds: float,
    unet: bool = False,
    pretrained: str | None = None,
) -> None:
    """Train on the training box, choose the threshold on the validation box, score the test box."""
    files, knobs = _files(FINE_TUNE, size.unet if unet else size.fine_tuning, unet)
    boxes = source.boxes()
    knobs |= {"volumes": source.volumes, "labels": source.labels, "pretrained": pretrained}
    knobs |= {"train_box": boxes["train_box"], "validation_box": boxes["validation_box"]}
    folder = results.folder / name.replace(", ", "_").replace("-", "_").lower()
    name_of_count = "unet" if unet else "unetr"
    knobs |= _iterations(results, name_of_count, size, files, knobs, FINE_TUNING_SHARE * seconds)
    _run(files, {**knobs, "output_dir": folder})
    _trained(results, part, name, folder)
    best = folder / CHECKPOINTS / BEST
    _run([str(FINE_TUNE / "evaluate.json")], {"checkpoint": str(best), "box": boxes["test_box"], "overwrite": True})
    scores = json.loads((folder / EVALUATION / SCORES).read_text(encoding="utf-8"))["scores"]
    values = {score["name"]: score["value"] for score in scores if score["name"] in SCORED}
    results.add(part, network=name, measured="scores of the test box", **values)


def _files(configs: Path, settings: Mapping[str, Any], unet: bool = False) -> tuple[list[str], dict[str, Any]]:
    """Config files and knobs of a training; its loss curve and pictures are not drawn."""
    loaded_first = ["@pretrained_encoder"] if configs == FINE_TUNE else []
    knobs = {**settings, "train_and_report": [*loaded_first, "@training"]}
    overlay = knobs.pop("overlay", None)
    files = [
        configs / "train.json",
        *([configs / "residual_unet.json"] if unet else []),
        *([overlay] if overlay else []),
    ]
    return list(map(str, files)), knobs


def _iterations(
    results: Results, name: str, size: Size, files: list[str], knobs: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """Knobs of as many iterations as fit, by the median time of the last ones of a short run; validated at the end.

    Trainings of one name have the same number, which is measured once. The short run validates a box of few voxels;
    what it takes, with compiling, is taken off the seconds.
    """
    began = time.monotonic()
    known = [row["iterations"] for row in results.rows("iterations") if row["of"] == name]
    if not known:
        folder = results.folder / f"trial_{name}"
        every = {"iterations": size.trial, "val_interval": size.trial, **_at_the_end(size.trial)}
        box = Box.parse(knobs["validation_box"], (2**31,) * 3)
        ends = [min(first + most, last) for first, last, most in zip(box.start, box.stop, TRIED, strict=True)]
        small = ",".join(f"{first}:{last}" for first, last in zip(box.start, ends, strict=True))
        short = {**every, "warm_up": 1, "val_batches": 1, "validation_box": small, "output_dir": folder}
        _run(files, {**knobs, **short})
        times = [entry["seconds"] for entry in _log(folder) if "seconds" in entry]
        typical = median(times[len(times) // 2 :])
        left = seconds - (time.monotonic() - began)
        known = [size.iterations or max(size.trial, int(left / typical))]
        results.add("iterations", of=name, iterations=known[0], **{"seconds of one, in a short run": typical})
    count = known[0]
    return {"iterations": count, "warm_up": max(1, count // 20), "val_interval": count, **_at_the_end(count)}


def _at_the_end(count: int) -> dict[str, int]:
    """Intervals that leave checkpoints and pictures to the last iteration."""
    return {"save_interval": count, "keep_interval": 0, "picture_interval": count}


def _run(files: list[str], knobs: Mapping[str, Any]) -> None:
    """Run a bundle in this process, as `monai.bundle run` does, and print the command that repeats it."""
    given = {name: str(value) if isinstance(value, Path) else value for name, value in knobs.items()}
    options = " ".join(f"--{name} '{json.dumps(v) if not isinstance(v, str) else v}'" for name, v in given.items())
    print(f'\npython -m monai.bundle run --config_file "{files}" {options}', flush=True)
    show_messages()
    workflow = ConfigWorkflow(files, logging_file=False, **given)
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def _trained(results: Results, part: str, name: str, folder: Path) -> None:
    """Add first and last losses of a run, and its validation."""
    log = _log(folder)
    losses = [entry["loss"] for entry in log if "loss" in entry]
    speeds = [entry["samples_per_s"] for entry in log if "samples_per_s" in entry]
    held_out = [entry["val_loss"] for entry in log if "val_loss" in entry]
    row = {"network": name, "measured": "training", "iterations": len(losses), "first loss": losses[0]}
    row |= {"last loss": median(losses[-20:]), "held-out loss": held_out[-1] if held_out else None}
    results.add(part, **row, **{"samples/s": median(speeds[len(speeds) // 2 :]) if speeds else None})


def _log(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
