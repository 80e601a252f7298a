"""Pictures show the values of the numbers."""

import numpy as np
from PIL import Image

from scripts.data.regions.region import Region
from scripts.data.volumes.volume import ArrayVolume
from scripts.engines.precision_inferer import PrecisionInferer
from scripts.handlers.pictures import Pictures
from scripts.inferers.picture_region import picture_region
from scripts.inferers.reconstruction_windows import BoxWindows
from scripts.networks import Encoder, MaskedAutoencoder
from scripts.ops.box import Box
from scripts.transforms import RandSectionMaskd
from scripts.visualize.curves import draw_pretraining_curve, running_mean
from scripts.visualize.section_grid import RECONSTRUCTION, draw_sections, mosaic
from scripts.workflow.run_results import table


def test_a_running_mean_is_shorter_at_both_ends():
    assert running_mean(np.array([1.0, 2.0, 3.0, 4.0, 10.0]), share=0.5).tolist() == [1.5, 2, 3, 17 / 3, 7]


def test_a_mosaic_has_a_row_for_each_section_and_a_column_for_each_stack():
    stacks = [np.full((2, 3, 5), shade) for shade in (0.0, 0.25, 0.5, 0.75)]
    picture = mosaic(stacks, gap=1)
    assert picture.shape == (2 * 4, 4 * 6)
    assert picture[0, ::6].tolist() == [0, 0.25, 0.5, 0.75]
    assert picture[3].tolist() == [1] * 24


def test_curve_and_reconstruction_become_files(tmp_path):
    log = [{"iteration": k, "loss": 1 / k} for k in range(1, 40)] + [
        {"iteration": 9, "val_loss": 0.3, "token_mean": 1.0}
    ]
    assert np.asarray(Image.open(draw_pretraining_curve(log, tmp_path / "a" / "curve.png"))).std() > 5
    stacks = [np.random.RandomState(0).rand(3, 8, 8)] * 4
    assert (
        np.asarray(
            Image.open(draw_sections(dict(zip(RECONSTRUCTION, stacks, strict=True)), tmp_path / "picture.png", "title"))
        ).std()
        > 5
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "picture.png"]
    draw_pretraining_curve([], tmp_path / "empty.png")


def test_a_picture_is_made_of_crops_and_pasted_where_hidden():
    voxels = np.random.RandomState(0).rand(9, 20, 21).astype(np.float32) * 2 - 1
    region = Region(ArrayVolume(voxels), Box((2, 1, 0), (9, 20, 21)))
    place = picture_region([region], (3, 8, 8))
    assert str(place.box) == "2:8,2:18,2:18"
    network = MaskedAutoencoder(Encoder((1, 4, 4), 24, 1, 2), 24, 1, 2)
    windows = BoxWindows(place, (3, 8, 8), RandSectionMaskd((3, 2, 2), 0.4))
    pictures = Pictures(windows, network, PrecisionInferer())
    assert pictures.sections == [2, 4, 5, 7]
    original, masked, _, pasted = pictures.panels()
    np.testing.assert_allclose(original, (voxels[[2, 4, 5, 7], 2:18, 2:18] + 1) / 2, atol=1e-6)
    hidden = masked == 0.5
    assert 0 < hidden.mean() < 1
    np.testing.assert_allclose(pasted[~hidden], original[~hidden], atol=1e-6)
    np.testing.assert_allclose(masked[~hidden], original[~hidden], atol=1e-6)
    assert not np.allclose(pasted[hidden], original[hidden], atol=1e-3)


def test_the_table_has_first_and_last_losses_baselines_and_speed():
    log = [{"iteration": 0, "token_mean": 1.0, "interpolation": 2.0, "interpolation_fitted": 0.9}]
    log += [{"iteration": 0, "val_loss": 1.5}]
    steps = {"samples_per_s": 8.0, "seconds": 0.5, "waiting": 0.05}
    log += [{"iteration": k, "loss": 1.0 / k, **steps} for k in (1, 2)] + [{"iteration": 2, "val_loss": 0.6}]
    printed = table(log)
    for words in ("iteration 0", "1.5000", "0.6000", "token mean", "0.9000", "8.0 samples/s", "10.0 %"):
        assert words in printed
