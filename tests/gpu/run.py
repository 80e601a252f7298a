"""Everything that needs a GPU in one run of at most 12 minutes, without network: `make gpu`.

`python -m tests.gpu.run [--volume my.h5] [--out runs/gpu] [--minutes 12] [--only mae_step,inference] [--tiny]`

Each part is a process with a time limit; one that fails or is stopped does not stop the next. Numbers are in
`results.jsonl` and `results.md` of the folder as soon as they are measured, the output of a part in `logs`. The volume
is an HDF5 file with `raw` and `labels`, by default snemi3d_ac4_train.h5 in the folder that SEM_DATA_DIR names, else a
synthetic one. `--tiny` tries every part in seconds, on a CPU too.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.gpu.results import STATUS, TABLE, Results

ROOT = Path(__file__).parents[2]
GRACE = 20.0
"""Seconds from the request to stop until a part is killed; a training saves meanwhile."""
PRELOADED = ("tests.gpu.measurements", "tests.gpu.trainings", "tests.gpu.preparation")
"""Imported once, before the processes of the parts begin."""


@dataclass(frozen=True)
class Part:
    """A function of this folder.

    Attributes:
        function: `module:name`; gets the results and the size, and with `trains` the volume and the seconds too.
        seconds: its limit in a run of 12 minutes, its start included.
        trains: whether it runs bundles.
    """

    function: str
    seconds: float
    trains: bool = False


PARTS = {
    "tests": Part("measurements:tests", 35),
    "mae_step": Part("measurements:mae_step", 75),
    "sampler": Part("measurements:sampler", 15),
    "training_steps": Part("measurements:training_steps", 45),
    "inference": Part("measurements:inference", 20),
    "pretraining": Part("trainings:pretraining", 240, trains=True),
    "unetr_pretrained": Part("trainings:unetr_pretrained", 75, trains=True),
    "unetr_scratch": Part("trainings:unetr_scratch", 75, trains=True),
    "unet": Part("trainings:unet", 75, trains=True),
}
"""In the order in which they run; together 11 minutes; the rest is for starting and stopping."""
PREPARE = "prepare"
PARTS_BESIDE = {PREPARE: Part("preparation:prepare", 60, trains=True)}
"""Runs on the CPU beside the first parts, and is waited for, so many seconds at most, before the first training."""
KNOWN_VOLUME = "snemi3d_ac4_train.h5"


def run(folder: Path, volume: str | None, tiny: bool, minutes: float, parts: Sequence[str]) -> int:
    """Run the parts; return how many did not complete."""
    results = Results(folder)
    begun = time.monotonic()
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # looks for a GPU without taking it, before a fork
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    incomplete, preparing = 0, None
    if any(PARTS[name].trains for name in parts):
        options = (PREPARE, PARTS_BESIDE[PREPARE], folder.resolve(), volume, tiny, 60 * minutes)
        preparing = context.Process(target=_part, args=options, daemon=True)
        preparing.start()
    for name in parts:
        part = PARTS[name]
        if part.trains and preparing is not None:
            results.add(PREPARE, **{STATUS: _status(preparing, PARTS_BESIDE[PREPARE].seconds), "seconds": None})
            preparing = None
        left = 60 * minutes - (time.monotonic() - begun)
        limit = min(part.seconds * minutes / 12, left)
        began = time.monotonic()
        if limit < 1:
            status = "not begun: no time left"
        else:
            print(f"{name}: at most {limit:.0f} s", flush=True)
            options = (name, part, folder.resolve(), volume, tiny, limit)
            process = context.Process(target=_part, args=options)
            process.start()
            status = _status(process, limit)
        incomplete += status != "complete"
        results.add(name, **{STATUS: status, "seconds": round(time.monotonic() - began, 1)})
        print(f"{name}: {status}, {time.monotonic() - began:.0f} s", flush=True)
    print(f"\n{folder / TABLE}, {time.monotonic() - begun:.0f} s in all")
    return incomplete


def _status(process: Any, limit: float) -> str:
    """Wait for a process and return how it ended; at its limit ask it to stop, then kill it with all it started."""
    try:
        process.join(limit)
        stopped = process.is_alive()
        if stopped:
            os.kill(process.pid, signal.SIGTERM)
            process.join(GRACE)
    finally:
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
    if stopped:
        return f"stopped at its limit of {limit:.0f} s"
    return "complete" if process.exitcode == 0 else f"failed, exit code {process.exitcode}"


def _part(name: str, part: Part, folder: Path, volume: str | None, tiny: bool, seconds: float) -> None:
    """Run one part in a process of its own, its output in a file; an error is a row of the results."""
    os.setsid()
    os.chdir(ROOT)
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    results = Results(folder)
    try:
        sizes = import_module("tests.gpu.sizes")
        size = sizes.TINY if tiny else sizes.PUBLISHED
        module, _, function = part.function.partition(":")
        call = getattr(import_module(f"tests.gpu.{module}"), function)
        if part.trains:
            source = import_module("tests.gpu.source").source
            call(results, size, source(folder, volume, size.volume), seconds)
        else:
            call(results, size)
        print(f"\n{time.process_time():.1f} s of processor time", flush=True)
    except Exception as error:
        traceback.print_exc()
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        results.add(name, error=f"{type(cause).__name__}: {' '.join(str(cause).split())[:300]}", log=str(log))
        sys.exit(1)


def default_volume() -> str | None:
    """The known volume in the folder that SEM_DATA_DIR names; None where it is not there."""
    path = Path(os.environ.get("SEM_DATA_DIR", "")) / KNOWN_VOLUME
    return str(path.resolve()) if path.is_file() else None


def main(words: Sequence[str] | None = None) -> int:
    """Read the options and run; the exit code is the number of parts that did not complete."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--volume", help="an HDF5 file with raw and labels, or 'synthetic'")
    options.add_argument("--out", type=Path, default=Path("runs/gpu"))
    options.add_argument("--minutes", type=float, default=12.0, help="in all; each part gets its share")
    options.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    options.add_argument("--tiny", action="store_true", help="tiny sizes, for a CPU")
    given = options.parse_args(words)
    parts = given.only.split(",")
    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        options.error(f"no part '{unknown[0]}'; there are {', '.join(PARTS)}")
    if (given.out / "results.jsonl").exists():
        options.error(f"'{given.out}' has results; give another --out")
    volume = given.volume or (None if given.tiny else default_volume())
    if volume not in (None, "synthetic") and not Path(volume).is_file():
        options.error(f"--volume '{volume}' is no file")
    return run(
        given.out,
        None if volume in (None, "synthetic") else str(Path(volume).resolve()),
        given.tiny,
        given.minutes,
        parts,
    )


if __name__ == "__main__":
    sys.exit(main())
