"""The last step of correcting: instances of a box, exported as labels, are trained on."""

import math

import h5py

from scripts.tools.cli import main
from tests.bundles.conftest import losses


def test_corrected_instances_of_a_box_are_trained_on_and_validated_with(fine_tune, labelled, cells, tmp_path):
    with h5py.File(tmp_path / "corrected.h5", "w") as file:
        file["labels"] = cells[1][2:18, :, 8:]
        file.attrs["offset"] = (2, 0, 8)
    main(["export_labels", f"{tmp_path}/corrected.h5:labels", f"{labelled}:raw", f"--out={tmp_path}/labels.h5"])
    folder = fine_tune(
        labels=f"{tmp_path}/labels.h5:labels", iterations=2, train_box="2:12,:,8:48", validation_box="12:18,:,8:48"
    )
    found = losses(folder)
    assert len(found) == 2
    assert all(math.isfinite(loss) for loss in found.values())
    assert (folder / "checkpoints" / "best.pt").exists()
