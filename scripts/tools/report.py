"""`python -m scripts report`: one HTML file that shows finished or running runs side by side."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from scripts.data.files.replacing import replacing
from scripts.data.volumes.downsampled import AS_STORED
from scripts.metrics.score_report import check_free
from scripts.tools.command_line.argument_types import ending
from scripts.tools.reporting.commands import known_bundles
from scripts.tools.reporting.evaluation import Evaluation
from scripts.tools.reporting.page import Pictures, labels_of, page, this_command
from scripts.tools.reporting.pictures import picture_file
from scripts.tools.reporting.pretrained import reconstruction_viewer, volume_viewer
from scripts.tools.reporting.runs import Run, read_run
from scripts.tools.reporting.segmentation_viewers import viewers
from scripts.tools.reporting.viewer import Viewer

BUDGET = 4_500_000
"""Characters that pictures of segmentations may take; sections are thinned and shrunk until they fit."""


def report(
    *runs: str,
    out: Annotated[str, ending(".html")],
    title: str = "Pre-training and segmentation",
    overwrite: bool = False,
) -> str:
    """Show runs on one page: volume, curves, reconstructions, instances and their errors, scores, commands.

    Example: python -m scripts report runs/pretrain runs/pretrained_0 runs/scratch_0 --out report.html

    The file holds all it shows and opens in any browser, without a network. Of a run that is not finished or
    not evaluated, the page shows what there is and how to make the rest.

    Args:
        runs: folders of training runs (their --output_dir), pre-training and fine-tuning in any order.
        out: the .html file to write.
        title: of the page.
        overwrite: replace a file that is there.
    """
    target = Path(out)
    if not runs:
        raise ValueError(
            "no run is named; give the folders of training runs: report runs/one runs/two --out report.html"
        )
    check_free(target, overwrite)
    found = [read_run(run) for run in runs]
    with ExitStack() as open_files:
        evaluations = []
        for run, label in zip(found, labels_of(found), strict=True):
            for file in run.evaluations:
                evaluations.append(Evaluation(file, f"{label}: {run.words}"))
                open_files.callback(evaluations[-1].close)
        segmentations = viewers(evaluations, BUDGET)
    pictures = _pictures(found, segmentations)
    whole = page(title, found, pictures, known_bundles(), this_command(found, target))
    with replacing(target, overwrite) as partial:
        partial.write_text(whole, encoding="utf-8")
    return f"written: {target} ({target.stat().st_size / 1e6:.1f} MB)"


def _pictures(runs: Sequence[Run], segmentations: Sequence[Viewer]) -> Pictures:
    """Pictures of what the runs read and reconstruct, and the reasons why some cannot be drawn here."""
    volumes, reconstructions, no_volume, no_reconstruction = [], [], [], []
    for k, run in enumerate(_of_each_volume(runs)):
        try:
            volumes.append(volume_viewer(run, f"volume-{k}"))
        except (ValueError, OSError) as error:
            no_volume.append(f"{run.recipe['volumes']} cannot be shown here: {error}")
    for k, run in enumerate(run for run in runs if run.pretrains):
        if not run.recipe:
            no_reconstruction.append(
                f"{run.name} has no checkpoint yet: wait for its first, then make this page again."
            )
            continue
        try:
            reconstructions.append((run, reconstruction_viewer(run, f"reconstruction-{k}")))
        except (ValueError, OSError) as error:
            no_reconstruction.append(f"{run.name} cannot be drawn here: {error}")
    validated = [(run, picture_file(run.picture)) for run in runs if not run.evaluations and run.picture is not None]
    return Pictures(volumes, reconstructions, segmentations, validated, no_volume, no_reconstruction)


def _of_each_volume(runs: Sequence[Run]) -> list[Run]:
    """One run for each volume and part of it that runs are validated on."""
    firsts: dict[str, Run] = {}
    for run in runs:
        if "volumes" in run.recipe:
            place = [run.recipe.get(key) for key in ("volumes", "train_box", "validation_box")]
            firsts.setdefault(repr([*place, run.recipe.get("downsample", list(AS_STORED))]), run)
    return list(firsts.values())
