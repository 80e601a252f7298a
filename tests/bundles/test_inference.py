"""Reconstruct a box with inference.json."""

import h5py
import numpy as np
import pytest
from PIL import Image

from scripts.workflow.short_errors import error_text, root_cause
from tests.bundles.conftest import config, run_workflow


@pytest.fixture
def reconstruct(train, volume, tmp_path):
    folder = train(iterations=2)

    def run(**options):
        settings = {
            "volume": str(volume),
            "box": "1:9,3:40,0:45",
            "checkpoint": str(folder / "checkpoints" / "best.pt"),
            "out": str(tmp_path / "box.h5"),
        }
        run_workflow([config("inference")], workflow_type="inference", **{**settings, **options})
        return tmp_path / "box.h5"

    return run


def test_a_box_of_any_size_comes_back_where_visible_and_reconstructed_where_hidden(reconstruct, voxels, capsys):
    with h5py.File(reconstruct()) as file:
        original, masked, reconstruction, pasted = (
            file[name][...] for name in ("original", "masked", "reconstruction", "pasted")
        )
        hidden = file["hidden"][...].astype(bool)
        error = file.attrs["error_grey_rms"]
    np.testing.assert_array_equal(original, voxels[1:9, 3:40, 0:45])
    np.testing.assert_array_equal(pasted[~hidden], original[~hidden])
    np.testing.assert_array_equal(pasted[hidden], reconstruction[hidden])
    np.testing.assert_array_equal(masked[~hidden], original[~hidden])
    assert set(masked[hidden]) == {128}
    assert 0.8 < hidden.mean() < 0.97
    by_hand = np.sqrt(np.mean((pasted[hidden].astype(float) - original[hidden]) ** 2))
    assert error == pytest.approx(by_hand, rel=0.02)  # the file's values are rounded and clipped
    printed = capsys.readouterr().out
    assert f"{error:.2f}" in printed
    assert "units of each token's own deviation" in printed


def test_a_picture_lies_beside_it(reconstruct):
    out = reconstruct()
    assert np.asarray(Image.open(out.with_suffix(".png"))).std() > 10


def test_the_same_seed_hides_the_same_tokens(reconstruct, tmp_path):
    first = reconstruct()
    reconstruct(out=str(tmp_path / "again.h5"), batch=3)
    reconstruct(out=str(tmp_path / "other.h5"), seed=1)
    hidden = [h5py.File(path)["hidden"][...] for path in (first, tmp_path / "again.h5", tmp_path / "other.h5")]
    np.testing.assert_array_equal(hidden[0], hidden[1])
    assert (hidden[0] != hidden[2]).any()


def test_an_earlier_file_is_kept_unless_overwritten(reconstruct):
    out = reconstruct()
    before = out.read_bytes()
    with pytest.raises(RuntimeError) as caught:
        reconstruct(seed=1)
    assert "--overwrite true" in error_text(root_cause(caught.value))
    assert out.read_bytes() == before
    reconstruct(seed=1, overwrite=True)
    assert out.read_bytes() != before


def test_a_name_without_ending_gets_one(reconstruct, tmp_path):
    reconstruct(out=str(tmp_path / "plain"))
    assert {"plain.h5", "plain.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_missing_checkpoint_is_reported(reconstruct, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        reconstruct(checkpoint=str(tmp_path / "none.pt"))
    assert "none.pt" in error_text(root_cause(caught.value))
    assert not (tmp_path / "box.h5").exists()
