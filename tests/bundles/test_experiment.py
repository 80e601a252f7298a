"""An experiment runs the bundles, is scored, and continues where it was stopped."""

import json

import pytest

from scripts.tools.cli import main
from tests.bundles.conftest import ROOT, TINY_SEGMENTATION


@pytest.fixture
def words(labelled, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    boxes = ["--train_box", "0:12,:,:", "--validation_box", "12:16,0:32,0:40", "--test_box", "16:20,0:32,0:40"]
    source = ["--volumes", f"{labelled}:raw", "--labels", f"{labelled}:labels", *boxes]
    return ["experiment", "architecture", str(tmp_path / "exp"), *source, "--values", "unetr", "--seeds", "1"]


def test_an_experiment_is_run_scored_and_not_run_again(words, tmp_path, capsys):
    words += ["--overlays", str(TINY_SEGMENTATION)]
    main(words)
    printed = capsys.readouterr().out
    assert "| unetr_scratch | 0 | " in printed
    assert "step 2 of 2: unetr_scratch_seed0_evaluation" in printed
    scores = tmp_path / "exp/runs/unetr_scratch_seed0/evaluation/scores.json"
    error = next(s["value"] for s in json.loads(scores.read_text())["scores"] if s["name"] == "adapted_rand_snemi3d")
    results = json.loads((tmp_path / "exp/results.json").read_text())
    assert results["conditions"][0]["scores"]["adapted_rand_snemi3d"] == [error]
    written = scores.stat().st_mtime_ns
    main(words)
    assert "step 1 of 2" not in capsys.readouterr().out
    assert scores.stat().st_mtime_ns == written


def test_a_step_that_fails_is_named_with_its_log(words, tmp_path, capsys):
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"lr": 1e30}')  # each setting is possible, the loss is soon not a number
    with pytest.raises(SystemExit):
        main([*words, "--overlays", f"{TINY_SEGMENTATION},{wrong}"])
    message = capsys.readouterr().err
    assert "step 'unetr_scratch_seed0' ended with exit code" in message
    assert "holds NaN" in message
    assert f"in '{tmp_path}/exp/logs/unetr_scratch_seed0.log'" in message


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--test_box", "15:20,:,:"], "shares voxels with the test box"),
        (["--values", "unetr,unetr"], "condition 'unetr_scratch' is given twice"),
        (["--seeds", "0"], "seeds"),
        (["--seeds", "0,3,0"], "seed 0 is given twice"),
        (["--methods", "tuned"], "--methods 'tuned' is not one of scratch, pretrained"),
        (["--volumes", "none.h5:raw"], "none.h5"),
        (["--overlays", "none.json"], "'none.json' does not exist"),
        (["--methods", "pretrained", "--pretrained", "none.pt"], "--pretrained 'none.pt' is no file"),
        (
            ["--overlays", "docs/examples/stronger_augmentation.json"],
            "unetr_scratch_seed0: a crop of 6 x 96 x 96 voxels",
        ),
        (["--bundle", "none"], "bundles/none/configs/train.json' does not exist"),
    ],
)
def test_an_impossible_experiment_is_refused_before_the_first_run(words, changed, message, tmp_path, capsys):
    if changed[0] in words:
        place = words.index(changed[0])
        words = words[:place] + words[place + 2 :]
    with pytest.raises(SystemExit):
        main([*words, *changed])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()
