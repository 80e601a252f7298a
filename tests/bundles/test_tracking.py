"""MONAI's `--tracking` adds its handlers to those of training and validation, and keeps them."""

import json

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
            "name": "tracked_training",
            "tag_name": "tracked_loss",
            "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
        },
        "validator": {"_target_": "monai.handlers.StatsHandler", "name": "tracked_validation", "iteration_log": False},
    },
}
"""As MONAI's settings for mlflow, with a handler that needs no other package."""


def settings(folder):
    path = folder / "tracking.json"
    path.write_text(json.dumps(TRACKING))
    return str(path)


def test_tracking_hears_pre_training_and_its_validation(train, tmp_path, caplog):
    folder = train(tracking=settings(tmp_path), iterations=2, val_interval=1)
    assert len(losses(folder)) == 2
    assert "tracked_loss" in caplog.text
    assert any(record.name == "tracked_validation" for record in caplog.records)


def test_tracking_hears_fine_tuning_and_its_validation(fine_tune, tmp_path, caplog):
    folder = fine_tune(tracking=settings(tmp_path), iterations=2)
    assert len(losses(folder)) == 2
    assert "tracked_loss" in caplog.text
    assert any(record.name == "tracked_validation" for record in caplog.records)
    assert (folder / "segmentation.png").exists()
