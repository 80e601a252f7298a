"""MONAI's `--tracking` adds its handlers to those of training and validation."""

import importlib.util
import json
import sqlite3

import pytest
import torch

from tests.bundles.conftest import losses

TRACKING = {
    "handlers_id": {
        "trainer": {"id": "train#trainer", "handlers": "train#handlers"},
        "validator": {"id": "validate#evaluator", "handlers": "validate#handlers"},
    },
    "configs": {
        "save_execute_config": False,
        "trainer": {
            "_target_": "monai.handlers.StatsHandler",
            "tag_name": "tracked_loss",
            "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
        },
        "validator": {
            "_target_": "monai.handlers.StatsHandler",
            "iteration_log": False,
            "key_var_format": "tracked {}: {:.4f} ",
        },
    },
}
"""As MONAI's settings for mlflow, with a handler that needs no other package."""


@pytest.mark.parametrize("run", ["train", "fine_tune"])
def test_tracking_gets_the_loss_and_the_scores_and_the_run_keeps_its_own_handlers(
    run, request, tmp_path, caplog, capsys
):
    caplog.set_level("INFO")
    path = tmp_path / "tracking.json"
    path.write_text(json.dumps(TRACKING))
    folder = request.getfixturevalue(run)(tracking=str(path), iterations=2)
    text = capsys.readouterr().out + caplog.text
    assert "tracked_loss: " in text
    assert "tracked val_loss: " in text or "tracked adapted_rand_snemi3d: " in text
    assert len(losses(folder)) == 2
    assert (folder / "curve.png").exists()


@pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason="the extra tracking is missing: pip install -e '.[tracking]'"
)
@pytest.mark.filterwarnings("default")  # those of mlflow and sqlalchemy
def test_mlflow_keeps_the_metrics_and_changes_no_weight(train, tmp_path):
    weights = []
    for name, options in (("plain", {}), ("tracked", {"tracking": "mlflow"})):
        folder = train(output_dir=tmp_path / name, iterations=2, **options)
        weights.append(torch.load(folder / "checkpoints" / "last.pt", weights_only=False)["network"])
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    with sqlite3.connect(tmp_path / "tracked" / "mlruns.db") as base:
        counted = dict(base.execute("select key, count(*) from metrics group by key"))
        assert base.execute("select status from runs").fetchall() == [("FINISHED",)]
    assert counted["train_loss"] == 2
    assert "val_loss" in counted
    assert not (tmp_path / "plain" / "mlruns.db").exists()
