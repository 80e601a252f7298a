"""End a run: draw pictures, write the scores of the best network, and print a table."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.checkpoints.file import load_checkpoint
from scripts.checkpoints.run_files import CURVE, RECONSTRUCTION, SCORES, SEGMENTATION
from scripts.checkpoints.run_folder import RunFolder
from scripts.checkpoints.run_log import read_log
from scripts.handlers.baselines import INTERPOLATION, INTERPOLATION_FITTED, TOKEN_MEAN
from scripts.handlers.evaluation_file import EvaluationFile
from scripts.handlers.pictures import Pictures
from scripts.handlers.score_table import ScoreTable
from scripts.handlers.segmentation_pictures import BoxPicture
from scripts.handlers.validation import Validation
from scripts.metrics.decoder_search import DecoderSearch
from scripts.metrics.score_report import as_json, markdown_table, write_reports
from scripts.ops.scoring.scores import declared_scores, headlines
from scripts.visualize.curves import draw_fine_tuning_curves, draw_pretraining_curve
from scripts.workflow.log_table import Row, first_and_last, in_columns, speed
from scripts.workflow.run_summary import network_text

logger = logging.getLogger(__name__)

LAYERS = {"instances": "instances", "truth": "labels", "prediction": "prediction"}
"""What the viewer shows of an evaluation, and the dataset that it is."""


def write_pretraining_results(
    folder: RunFolder, pictures: Pictures, settings: Mapping[str, Any], rank: int = 0
) -> None:
    """Draw the curve and the reconstruction into the folder of a pre-training, and print a table of scores.

    Args:
        folder: of the run; its log is read.
        pictures: of the network as it is now.
        settings: the knobs by name.
        rank: only process 0 draws.
    """
    log = read_log(folder.log) if rank == 0 and folder.log.exists() else []
    if not log:
        return
    title = f"{network_text(settings)}, {settings['token_mask']} mask {settings['mask_ratio']:.3g}"
    title += f", iteration {log[-1]['iteration']:,}"
    curve = draw_pretraining_curve(log, folder.path / CURVE, title)
    picture = pictures.draw(folder.path / RECONSTRUCTION, title)
    done, wanted = int(log[-1]["iteration"]), int(settings["iterations"])
    logger.info("\n" + table(log))
    if done < wanted:
        logger.info(f"\nstopped after iteration {done:,} of {wanted:,}; resume with the same command and --resume true")
    logger.info(f"\npictures    {curve}\n            {picture}\nlog         {folder.log}\ncheckpoint  {folder.last}")


def table(log: Sequence[Mapping[str, Any]]) -> str:
    """Return first and last losses, the baselines on the same hidden tokens, and the speed, from a log."""
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


def write_segmentation_results(
    folder: RunFolder,
    validation: Validation,
    picture: BoxPicture,
    settings: Mapping[str, Any],
    rank: int = 0,
) -> None:
    """Write the curves, the picture and the scores into the folder of a fine-tuning, and print a table.

    Scores are those of `best.pt` on the validation boxes. The picture is of the last validation; without one
    since the last resume, an earlier picture stays.

    Args:
        folder: of the run; its log and best checkpoint are read.
        validation: with a search of decoders.
        picture: a handler of the evaluator that validates.
        settings: the knobs by name: network, iterations.
        rank: only process 0 writes.
    """
    log = read_log(folder.log) if rank == 0 and folder.log.exists() else []
    if not log or validation.decoder_search is None:
        return
    best = load_checkpoint(folder.best) if folder.best.exists() else None
    done, wanted = int(log[-1]["iteration"]), int(settings["iterations"])
    title = f"{network_text(settings)}, iteration {done:,}"
    at = None if best is None else int(best["iteration"])
    files = [draw_fine_tuning_curves(log, folder.path / CURVE, validation.key, at, title)]
    drawn = picture.draw(
        folder.path / SEGMENTATION, f"{title}, {decoder_text(validation.decoder_search.chosen)}: first validation box"
    )
    if drawn is not None:
        files.append(drawn)
    if best is not None:
        files += write_best(folder, validation.decoder_search, best)
    logger.info("\n" + in_columns([*learned(log, validation), *best_scores(best, validation), *speed(log)]))
    if done < wanted:
        logger.info(f"\nstopped after iteration {done:,} of {wanted:,}; resume with the same command and --resume true")
    files += [folder.log, folder.best] if best is not None else [folder.log, folder.last]
    logger.info("\n" + in_columns([(path.name, str(path)) for path in files]))


def report_evaluation(scores: ScoreTable, evaluation: EvaluationFile, picture: str | os.PathLike[str] | None) -> None:
    """Print the table of scores and the paths of all files written."""
    written = scores.path.with_suffix(".md")
    logger.info("\n" + written.read_text(encoding="utf-8").strip() + "\n")
    files = [*evaluation.paths, scores.path, written, *([Path(picture)] if picture is not None else [])]
    logger.info("\n".join(str(path) for path in files if path.exists()))
    for region, path in zip(evaluation.regions, evaluation.paths, strict=True):
        layers = " ".join(f"--{layer} {path}:{name}" for layer, name in LAYERS.items())
        logger.info(f"look at the errors: python -m scripts view {region.image.path} {layers}")


def write_best(folder: RunFolder, decoder_search: DecoderSearch, best: Mapping[str, Any]) -> list[Path]:
    """Write the scores of the best checkpoint with their definitions, as JSON and as a table.

    Returns:
        Their paths.
    """
    values = {name.removeprefix("val_"): value for name, value in best["scores"].items()}
    scores = decoder_search.described(values)
    about = {
        "checkpoint": str(folder.best),
        "iteration": int(best["iteration"]),
        "decoder": best["decoder"],
        "boxes": "validation",
    }
    heading = f"Validation boxes, iteration {best['iteration']:,}, {decoder_text(best['decoder'])}.\n\n"
    path = folder.path / SCORES
    write_reports(path, heading + markdown_table(scores) + "\n", as_json(scores, about))
    return [path, path.with_suffix(".md")]


def learned(log: Sequence[Mapping[str, Any]], validation: Validation) -> list[Row]:
    """Return first and last values of the loss, of its terms, and of the validation."""
    rows = first_and_last(log, "loss", "training loss", span=20)
    for name in dict.fromkeys(name for entry in log for name in entry if name.startswith("loss_")):
        rows += first_and_last(log, name, f"  {name.removeprefix('loss_')}", span=20)
    rows += first_and_last(log, "val_loss", "validation loss")
    return rows + first_and_last(log, validation.key, validation.key.removeprefix("val_"))


def best_scores(best: Mapping[str, Any] | None, validation: Validation) -> list[Row]:
    """Return the best validation, its iteration, its other scores and its decoder."""
    if best is None:
        return [("best", "none yet: no validation after the first iteration")]
    key, scores = validation.key.removeprefix("val_"), best["scores"]
    better = declared_scores()[key].better
    rows = [(f"best {key}, iteration {best['iteration']:,}", f"{scores[validation.key]:.4f} ({better} is better)")]
    for score in headlines():
        value = scores.get(f"val_{score.name}")
        if value is not None and score.name != key:
            rows.append((f"  {score.name}", f"{value:.0f}" if isinstance(score.value, int) else f"{value:.4f}"))
    return [*rows, ("  decoder", decoder_text(best["decoder"]))]


def decoder_text(decoder: Mapping[str, Any] | None) -> str:
    """Return `agglomeration (threshold 0.3, dust 0)`."""
    if decoder is None:
        return "not decoded yet"
    settings = ", ".join(f"{name} {value}" for name, value in decoder["settings"].items())
    return decoder["name"] + (f" ({settings})" if settings else "")
