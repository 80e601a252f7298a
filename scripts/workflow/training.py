"""Run a trainer from wherever its checkpoint left it, and end with pictures and a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from monai.engines import Trainer

from scripts.checkpoints.run_folder import RunFolder
from scripts.checkpoints.run_log import read_log
from scripts.engines.duration import duration
from scripts.handlers.baselines import INTERPOLATION, INTERPOLATION_FITTED, TOKEN_MEAN
from scripts.handlers.metric_logger import MetricLogger
from scripts.handlers.pictures import Pictures
from scripts.visualize.figures import draw_curve

Row = tuple[str, str]
"""Of a table: label and value."""


def train(trainer: Trainer, recorder: MetricLogger, folder: RunFolder) -> None:
    """Train with the folder locked, unless all iterations were done before; always close the sinks.

    Raises:
        BlockingIOError: another process trains in the folder.
    """
    try:
        folder.lock()
        if trainer.state.iteration >= trainer.state.epoch_length:
            print(f"complete: all {trainer.state.epoch_length:,} iterations are done; a larger --iterations N resumes")
        else:
            trainer.run()
            recorder.flush()
    finally:
        recorder.close()
        folder.unlock()


def finish(folder: RunFolder, pictures: Pictures, settings: Mapping[str, Any], rank: int = 0) -> None:
    """Draw `curve.png` and `reconstruction.png` into the folder of the run, and print a table of scores.

    Args:
        folder: of the run; its log is read.
        pictures: of the network as it is now.
        settings: the knobs by name.
        rank: only process 0 draws.
    """
    log = read_log(folder.log) if rank == 0 and folder.log.exists() else []
    if not log:
        return
    title = f"{settings['network']}, {settings['mask']} mask {settings['mask_ratio']:.3g}"
    title += f", iteration {log[-1]['iteration']:,}"
    curve = draw_curve(log, folder.path / "curve.png", title)
    picture = pictures.draw(folder.path / "reconstruction.png", title)
    done, wanted = int(log[-1]["iteration"]), int(settings["iterations"])
    print("\n" + table(log))
    if done < wanted:
        print(f"\nstopped after iteration {done:,} of {wanted:,}; go on with the same command and --resume true")
    print(
        f"\npictures    {curve}\n            {picture}\nlog         {folder.log}\ncheckpoint  {folder.last}", flush=True
    )


def table(log: Sequence[Mapping[str, Any]]) -> str:
    """First and last losses, the baselines on the same hidden tokens, and the speed, from a log."""
    rows = [("error of hidden tokens (1 = predicting each token's mean)", "")]
    rows += first_and_last(log, "loss", "  training loss", span=20) + first_and_last(
        log, "val_loss", "  validation loss"
    )
    for name, label in (
        (TOKEN_MEAN, "token mean"),
        (INTERPOLATION, "linear interpolation"),
        (INTERPOLATION_FITTED, "linear interpolation, brightness and contrast fitted"),
    ):
        value = next((entry[name] for entry in reversed(log) if entry.get(name) is not None), None)
        if value is not None:
            rows.append((f"  baseline: {label}", f"{value:.4f}"))
    return in_columns(rows + speed(log))


def first_and_last(log: Sequence[Mapping[str, Any]], name: str, label: str, span: int = 1) -> list[Row]:
    """Two rows, the first value of a name in a log and the last, or the mean of the last quarter, of `span` at most."""
    found = [entry for entry in log if entry.get(name) is not None]
    if not found:
        return []
    first, last, span = found[0], found[-1], max(1, min(span, len(found) // 4))
    mean = sum(entry[name] for entry in found[-span:]) / span
    over = f", mean of {span}" if span > 1 else ""
    return [
        (f"{label}, iteration {first['iteration']:,}", f"{first[name]:.4f}"),
        (f"{label}, iteration {last['iteration']:,}{over}", f"{mean:.4f}"),
    ]


def speed(log: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows with samples/s and the time of training; validation and saving are left out."""
    steps = [entry for entry in log if "loss" in entry]
    if not steps:
        return []
    seconds = max(sum(entry["seconds"] for entry in steps), 1e-9)
    samples = sum(entry["samples_per_s"] * entry["seconds"] for entry in steps)
    waiting = sum(entry["waiting"] for entry in steps)
    return [
        ("speed", f"{samples / seconds:.1f} samples/s"),
        ("training time", duration(seconds)),
        ("of it waiting for data", f"{100 * waiting / seconds:.1f} %"),
    ]


def in_columns(rows: Sequence[Row]) -> str:
    """A line a row, values under each other."""
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"{label:<{width}}{value}".rstrip() for label, value in rows)
