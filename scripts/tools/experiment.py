"""`python -m scripts experiment`: compare conditions over several seeds by a grid of bundle runs."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from scripts.blockwise.cluster import DaskWorkers, open_workers
from scripts.data import open_volume
from scripts.data.files.output_lock import OutputLock
from scripts.metrics.decoder_grid import check_boxes
from scripts.ops.box import Box
from scripts.ops.limits import Limits
from scripts.ops.scoring.scores import directed_scores
from scripts.tools.command_line.argument_types import BoxText, OneOf, Workers
from scripts.tools.experiments.conditions import KINDS
from scripts.tools.experiments.grids import MAE, TRUNK, Experiment, Step
from scripts.tools.experiments.results import write_results
from scripts.tools.experiments.runner import check_grid, command, remove_experiment, run_steps
from scripts.tools.experiments.seeds import seed_list
from scripts.tools.experiments.step_checks import check_steps
from scripts.tools.experiments.step_trials import try_trainings

PRETRAININGS = Limits(1, 1000)


def experiment(
    kind: Annotated[str, OneOf(KINDS)],
    out: str,
    *,
    volumes: str,
    labels: str,
    train_box: BoxText,
    validation_box: BoxText,
    test_box: BoxText,
    seeds: str = "3",
    pretrainings: Annotated[int, PRETRAININGS] | None = None,
    pretrained: str | None = None,
    pretrained_trunk: str | None = None,
    values: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    bundle: str = "sem_neuron_affinity",
    overlays: Sequence[str] = (),
    pretrain_overlays: Sequence[str] = (),
    metric: Annotated[str, OneOf(directed_scores())] = "adapted_rand_snemi3d",
    threads: Annotated[int, Limits(1, 1024)] = 1,
    workers: Workers | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
) -> str:
    """Run a grid of conditions with several seeds, and write one table with mean, spread and every run, and a plot.

    Example: python -m scripts experiment label_budget runs/budget --volumes my.h5:raw --labels my.h5:labels
    --train_box 0:80,:,: --validation_box 80:100,:,0:512 --test_box 80:100,:,512:1024 --values 2,6,20 --seeds 3

    All settings, and the weights that each training starts from, are checked before the first one runs. Decoder
    settings are chosen on the validation box; the test box is scored once, by the evaluation. Complete steps
    are skipped and stopped ones resume, so the same command continues an interrupted experiment. The table is written
    after every evaluation.

    Args:
        kind: label_budget, mask, ratio, decoder, recipe or architecture.
        out: folder of the runs, their logs and the results.
        volumes: the image, as in train.json.
        labels: its instance labels.
        train_box: sections that train, z0:z1,y0:y1,x0:x1.
        validation_box: chooses the checkpoint and the decoder settings.
        test_box: is scored.
        seeds: of each condition: a number, 3 for seeds 0, 1 and 2, or a list with commas, such as 0,3,4 or 4, for 4.
        pretrainings: number of pre-trainings that the seeds share in turn; one of every seed if not given.
        pretrained: checkpoint of an encoder that unetr and hybrid start from, in place of a pre-training of their own.
        pretrained_trunk: the same for residual_unet.
        values: of the axis of this kind, with commas: labelled sections, masks, ratios, decoders, architectures;
            for kind recipe what the fine-tuning changes, the first as the base of the others: a name for nothing, an
            overlay file, or KNOB=VALUE, several joined by +, such as base,erosion=0,crop=[6,96,96]+iterations=4000.
        methods: compared at every value, with commas: ARCHITECTURE or ARCHITECTURE+pretrained; for kind architecture
            scratch, pretrained or both.
        bundle: that fine-tunes.
        overlays: config files after its train.json, with commas: sizes, iterations, batch.
        pretrain_overlays: the same for pre-training.
        metric: the score of the plot.
        threads: of each run.
        workers: runs at once on this machine, by dask; a pre-training is complete before what starts from it begins.
        scheduler: address of a dask scheduler, such as tcp://head:8786, whose workers see the same files.
        scheduler_file: the file that such a scheduler wrote.
        dry_run: print the commands and run nothing.
        overwrite: remove the runs and results of an earlier experiment in OUT, and start anew.

    Returns:
        The table, or the commands.

    Raises:
        ValueError: boxes that overlap, a missing file, an impossible value, a seed twice, a folder of another
            experiment, or a step that failed.
    """
    chosen_seeds = seed_list(seeds)
    conditions, usual_values, usual_methods = KINDS[kind]
    chosen = conditions(tuple(values or usual_values), tuple(methods or usual_methods))
    repeated = [c.name for k, c in enumerate(chosen) if c.name in [earlier.name for earlier in chosen[:k]]]
    if repeated:
        raise ValueError(f"condition '{repeated[0]}' is given twice; name each value and method once")
    with open_volume(volumes, cache_mib=8) as volume, open_volume(labels, cache_mib=8) as truth:
        if volume.shape[-3:] != truth.shape[-3:]:
            raise ValueError(f"--labels {labels} has shape {truth.shape}, --volumes {volumes} has {volume.shape}")
        train, validation, test = (Box.parse(box, truth.shape) for box in (train_box, validation_box, test_box))
    for one, other in ((train, validation), (train, test), (validation, test)):
        check_boxes(one, other)
    grid = Experiment(
        out=Path(out),
        bundle=bundle,
        bundles=Path("bundles"),
        volumes=volumes,
        labels=labels,
        boxes={"train_box": str(train), "validation_box": str(validation), "test_box": str(test)},
        seeds=chosen_seeds,
        configs=tuple(overlays),
        pretrain_configs=tuple(pretrain_overlays),
        conditions=chosen,
        pretrainings=pretrainings,
        pretrained={name: file for name, file in ((MAE, pretrained), (TRUNK, pretrained_trunk)) if file is not None},
    )
    steps = grid.steps()
    check_steps(grid, steps)
    try_trainings(steps)
    if dry_run:
        return "\n".join(shlex.join(["python", *command(step)[1:]]) for step in steps)
    about = f"`python -m scripts experiment {kind}`, {bundle}, test box {test}"

    def on_complete(step: Step) -> None:
        if not step.trains:
            write_results(grid, metric, about)

    lock = OutputLock(Path(out) / ".lock", out)
    try:
        if overwrite:
            remove_experiment(Path(out))
        check_grid(grid, steps)
        environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        with open_workers(workers, scheduler, scheduler_file) as opened:
            workers_there = opened if isinstance(opened, DaskWorkers) else None
            run_steps(grid.out, steps, environment, workers_there, on_complete=on_complete)
        table, files = write_results(grid, metric, about)
    finally:
        lock.release()
    return table + "\n" + "\n".join(map(str, files))
