"""Which runs an experiment has, in which order, and what its folder refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.tools.experiments.conditions import KINDS, label_budget, ratio, recipe
from scripts.tools.experiments.grids import Experiment
from scripts.tools.experiments.runner import DONE, check_grid, command, is_complete, remove_experiment
from scripts.tools.experiments.seeds import seed_list
from scripts.tools.experiments.step_checks import check_steps

BOXES = {"train_box": "0:8,0:9,0:9", "validation_box": "8:10,0:9,0:9", "test_box": "10:12,0:9,0:9"}


@pytest.fixture
def experiment(tmp_path):
    return Experiment(
        out=tmp_path / "budget",
        bundle="sem_neuron_affinity",
        bundles=Path(__file__).parents[3] / "bundles",
        volumes="v.h5:raw",
        labels="v.h5:labels",
        boxes=BOXES,
        seeds=(0, 1),
        conditions=label_budget(("2", "6"), ("unetr", "unetr+pretrained")),
    )


def test_every_condition_is_trained_and_scored_with_every_seed(experiment):
    names = [step.name for step in experiment.steps()]
    runs = [f"{m}_{n}_sections_seed{s}" for n in (2, 6) for m in ("unetr", "unetr+pretrained") for s in (0, 1)]
    assert {name for name in names if name.endswith("sections_seed0") or name.endswith("sections_seed1")} == set(runs)
    assert all(names.index(f"{run}_evaluation") == names.index(run) + 1 for run in runs)


def test_all_conditions_of_a_seed_come_before_the_next_seed(experiment):
    seeds = [step.settings.get("seed", 0 if "seed0" in step.name else 1) for step in experiment.steps()]
    assert seeds == sorted(seeds)


def test_a_pretraining_is_shared_by_the_runs_of_its_seed_and_comes_before_them(experiment):
    steps = experiment.steps()
    names = [step.name for step in steps]
    assert [name for name in names if name.startswith("pretrain")] == [
        "pretrain_default_seed0",
        "pretrain_default_seed1",
    ]
    for step in steps:
        if "pretrained" in step.settings:
            source = next(other for other in steps if str(other.result) == step.settings["pretrained"])
            assert names.index(source.name) < names.index(step.name)
            assert source.settings["seed"] == step.settings["seed"]


def test_seeds_share_fewer_pretrainings_in_turn(experiment):
    steps = replace(experiment, seeds=(0, 1, 2), pretrainings=2).steps()
    used = {step.settings["seed"]: step.settings["pretrained"] for step in steps if "pretrained" in step.settings}
    assert [Path(used[seed]).parts[-3] for seed in (0, 1, 2)] == [f"pretrain_default_seed{k}" for k in (0, 1, 0)]
    assert len([step for step in steps if step.name.startswith("pretrain")]) == 2


def test_a_given_checkpoint_takes_the_place_of_the_pretrainings_of_its_architecture(experiment, tmp_path):
    (tmp_path / "vit.pt").touch()
    methods = ("unetr+pretrained", "hybrid+pretrained", "residual_unet+pretrained", "unetr")
    given = replace(experiment, conditions=label_budget(("2",), methods), pretrained={"mae": str(tmp_path / "vit.pt")})
    steps = given.steps()
    check_steps(given, steps)
    assert {step.name for step in steps if step.name.startswith("pretrain")} == {
        "pretrain_residual_unet_seed0",
        "pretrain_residual_unet_seed1",
    }
    starts = {step.name: step.settings.get("pretrained") for step in steps if step.name.endswith("sections_seed1")}
    assert starts["unetr+pretrained_2_sections_seed1"] == str(tmp_path / "vit.pt")
    assert starts["hybrid+pretrained_2_sections_seed1"] == str(tmp_path / "vit.pt")
    assert starts["residual_unet+pretrained_2_sections_seed1"].endswith(
        "pretrain_residual_unet_seed1/checkpoints/best.pt"
    )
    assert starts["unetr_2_sections_seed1"] is None


@pytest.mark.parametrize(
    ("kind", "values", "methods", "architecture", "file", "message"),
    [
        ("label_budget", ("2",), ("unetr+pretrained",), "mae", "none.pt", r"--pretrained '.*none\.pt' is no file"),
        ("label_budget", ("2",), ("unetr",), "mae", "vit.pt", "is used by no method"),
        (
            "label_budget",
            ("2",),
            ("unetr+pretrained",),
            "residual_unet",
            "vit.pt",
            "--pretrained_trunk .* is used by",
        ),
        ("ratio", ("0.5",), ("unetr+pretrained",), "mae", "vit.pt", "pre-trainings that differ in mask_ratio"),
    ],
)
def test_a_checkpoint_that_no_run_starts_from_is_refused(
    experiment, tmp_path, kind, values, methods, architecture, file, message
):
    (tmp_path / "vit.pt").touch()
    given = replace(
        experiment, conditions=KINDS[kind][0](values, methods), pretrained={architecture: str(tmp_path / file)}
    )
    with pytest.raises(ValueError, match=message):
        check_steps(given, given.steps())


def test_two_conditions_of_a_budget_differ_in_the_pretraining_alone(experiment):
    steps = {step.name: step for step in experiment.steps()}
    one, other = (dict(steps[f"{m}_6_sections_seed1"].settings) for m in ("unetr", "unetr+pretrained"))
    assert other.pop("pretrained")
    assert one.pop("output_dir") != other.pop("output_dir")
    assert one == other


def test_the_test_box_is_named_in_evaluations_alone(experiment):
    for step in experiment.steps():
        assert (BOXES["test_box"] in command(step)) == step.name.endswith("_evaluation")


def test_ratios_are_settings_of_the_pretraining(experiment):
    steps = replace(experiment, conditions=ratio(("0.5", "0.9"), ("unetr+pretrained",))).steps()
    assert {step.settings["mask_ratio"] for step in steps if step.name.startswith("pretrain")} == {0.5, 0.9}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_conditions_of_its_own_names(kind):
    conditions, values, methods = KINDS[kind]
    made = conditions(values, methods)
    assert len({condition.name for condition in made}) == len(made) == len(values) * len(methods)


@pytest.mark.parametrize(
    ("values", "methods", "message"),
    [
        (("two",), ("unetr",), "--values 'two' is not a number of labelled"),
        (("2",), ("unetr+tuned",), r"--methods 'unetr\+tuned' is not"),
        (("2",), ("u-net",), "architecture 'u-net' in --methods or --values is not one of unetr"),
    ],
)
def test_a_value_that_no_run_can_have_is_named(values, methods, message):
    with pytest.raises(ValueError, match=message):
        label_budget(values, methods)


def test_the_folder_of_another_experiment_is_refused(experiment):
    check_grid(experiment, experiment.steps())
    more = replace(experiment, seeds=(0, 1, 2))
    check_grid(more, more.steps())  # more seeds continue the same experiment
    other = replace(experiment, volumes="other.h5:raw", seeds=(0, 1, 2))
    with pytest.raises(ValueError, match=r"of another experiment \(it differs in 'unetr_2_sections_seed0'\)"):
        check_grid(other, other.steps())


def test_overwriting_removes_an_experiment_and_nothing_else(experiment):
    check_grid(experiment, experiment.steps())
    run, foreign = experiment.out / "runs" / "unetr_2_sections_seed0", experiment.out / "notes.txt"
    run.mkdir(parents=True)
    foreign.write_text("keep")
    remove_experiment(experiment.out)
    assert [path.name for path in experiment.out.iterdir()] == ["notes.txt"]
    run.mkdir(parents=True)  # without grid.json it is no experiment
    remove_experiment(experiment.out)
    assert run.exists()


def test_a_step_is_complete_when_its_command_ended_well_and_its_result_is_there(experiment):
    step = next(step for step in experiment.steps() if step.name.startswith("pretrain"))
    step.result.parent.mkdir(parents=True)
    step.result.touch()  # best.pt of a validation, of a pre-training that was stopped later
    assert not is_complete(experiment.out, step)
    (experiment.out / DONE).mkdir()
    (experiment.out / DONE / step.name).touch()
    assert is_complete(experiment.out, step)
    step.result.unlink()
    assert not is_complete(experiment.out, step)


def test_a_missing_overlay_is_named_before_anything_runs(experiment):
    broken = replace(experiment, configs=("none.json",))
    with pytest.raises(ValueError, match=r"'none\.json' does not exist"):
        check_steps(broken, broken.steps())
    assert not broken.out.exists()


@pytest.mark.parametrize("option", ["configs", "pretrain_configs"])
def test_an_impossible_value_in_an_overlay_is_refused_before_the_first_run(experiment, tmp_path, option):
    (tmp_path / "wrong.json").write_text('{"iterations": -3}')
    broken = replace(experiment, **{option: (str(tmp_path / "wrong.json"),)})
    with pytest.raises(ValueError, match=r"wrong\.json': iterations -3 is not a whole number of 1 or more"):
        check_steps(broken, broken.steps())
    assert not broken.out.exists()


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", (0, 1, 2)), ("0,3,4", (0, 3, 4)), ("[4, 7]", (4, 7)), ("4,", (4,)), ("[4]", (4,)), ("1", (0,))],
)
def test_seeds_are_a_number_or_a_list(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,3,0", "--seeds 0,3,0: seed 0 is given twice"),
        ("0", "--seeds 0 is not a number of seeds from 1 to 1000"),
        ("-1,2", "--seeds '-1,2' is neither a number of seeds"),
        ("1,,2", "is neither a number of seeds"),
        ("4294967296,", "is neither a number of seeds"),
        ("few", "is neither a number of seeds"),
        ("[0,1", "is neither a number of seeds"),
    ],
)
def test_impossible_seeds_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        seed_list(text)


def test_a_step_comes_after_those_whose_results_it_reads(experiment):
    steps = {step.name: step for step in experiment.steps()}
    assert steps["unetr_2_sections_seed0"].after == ()
    assert steps["unetr+pretrained_2_sections_seed1"].after == ("pretrain_default_seed1",)
    assert steps["unetr_2_sections_seed0_evaluation"].after == ("unetr_2_sections_seed0",)
    for step in steps.values():
        read = {str(other.result) for other in steps.values()} & {str(value) for value in step.settings.values()}
        assert read <= {str(steps[name].result) for name in step.after}


@pytest.mark.parametrize(
    ("kind", "values", "methods", "message"),
    [
        ("label_budget", ("2", "9"), ("unetr",), "labelled_sections 9: the box to train on has the sections 0 to 7"),
        ("ratio", ("0.5", "1.5"), ("unetr+pretrained",), "--mask_ratio 1.5 is not a number"),
        ("mask", ("blocks",), ("unetr+pretrained",), "--token_mask 'blocks' is not"),
        ("decoder", ("published", "deep"), ("unetr",), "'deep' is not one of published, light, small, demo"),
    ],
)
def test_a_value_that_no_run_can_have_is_refused_before_the_first_run(experiment, kind, values, methods, message):
    impossible = replace(experiment, conditions=KINDS[kind][0](values, methods))
    with pytest.raises(ValueError, match=message):
        check_steps(impossible, impossible.steps())
    assert not experiment.out.exists()


def test_a_recipe_is_a_name_an_overlay_or_knobs_and_is_compared_with_the_first(experiment, tmp_path):
    (tmp_path / "wide.json").write_text('{"crop": [6, 96, 96]}')
    values = ("base", str(tmp_path / "wide.json"), "class_balance=none", "erosion=0+crop=[6,96,96]")
    made = replace(experiment, seeds=(0,), conditions=recipe(values, ("residual_unet",)))
    steps = {step.name: step for step in made.steps() if step.trains}
    check_steps(made, made.steps())
    assert list(steps) == [f"residual_unet_{name}_seed0" for name in ("base", "wide", *values[2:])]
    base, wide, balance, both = steps.values()
    assert wide.config == (*base.config, str(tmp_path / "wide.json"))
    assert balance.settings["class_balance"] == "none"
    assert (both.settings["erosion"], both.settings["crop"]) == (0, [6, 96, 96])
    assert {"erosion", "class_balance"}.isdisjoint(base.settings)
    assert [c.against for c in made.conditions] == ["", *["residual_unet_base"] * 3]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("erosion=-1", "--erosion '-1' is not a whole number from 0 to 16"),
        ("erosions=1", "unknown option --erosions; did you mean --erosion"),
        ("erosion=", "--values 'erosion=' is neither a name, such as base, nor an overlay"),
        ("erosion=0+erosion=1", "is neither a name"),
        ("none.json", r"'none\.json' does not exist"),
    ],
)
def test_a_recipe_that_no_run_can_have_is_refused_before_the_first_run(experiment, value, message):
    def check() -> None:
        made = replace(experiment, conditions=recipe(("base", value), ("residual_unet",)))
        check_steps(made, made.steps())

    with pytest.raises(ValueError, match=message):
        check()
    assert not experiment.out.exists()
