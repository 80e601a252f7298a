"""Pictures say what the numbers say."""

import numpy as np
import torch
from PIL import Image

from scripts.handlers.figures import draw_curve, draw_reconstruction, mosaic, running_mean
from scripts.handlers.pictures import reconstruction_panels
from scripts.handlers.training import table
from scripts.networks import Encoder, MaskedAutoencoder


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
    assert np.asarray(Image.open(draw_curve(log, tmp_path / "a" / "curve.png"))).std() > 5
    stacks = [np.random.RandomState(0).rand(3, 8, 8)] * 4
    assert np.asarray(Image.open(draw_reconstruction(stacks, tmp_path / "picture.png", "title"))).std() > 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "picture.png"]
    draw_curve([], tmp_path / "empty.png")


def test_a_pasted_section_is_the_original_where_visible():
    image = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.zeros(4, 2, 2, dtype=torch.bool)
    mask[2, 0] = True  # the section with the most hidden tokens
    network = MaskedAutoencoder(Encoder((1, 4, 4), 24, 1, 2), 24, 1, 2)
    original, masked, _, pasted = reconstruction_panels(
        [{"image": image, "mask": mask}], network, lambda x, net, kept: net(x, kept), "cpu"
    )
    np.testing.assert_allclose(original[0], (image[0, 2].numpy() + 1) / 2, atol=1e-6)
    np.testing.assert_allclose(pasted[0, 4:], original[0, 4:], atol=1e-6)
    assert (masked[0, :4] == 0.5).all()
    np.testing.assert_allclose(masked[0, 4:], original[0, 4:], atol=1e-6)


def test_the_table_has_first_and_last_losses_baselines_and_speed():
    log = [{"iteration": 0, "token_mean": 1.0, "interpolation": 2.0, "interpolation_fitted": 0.9}]
    log += [{"iteration": 0, "val_loss": 1.5}]
    steps = {"samples_per_s": 8.0, "seconds": 0.5, "waiting": 0.05}
    log += [{"iteration": k, "loss": 1.0 / k, **steps} for k in (1, 2)] + [{"iteration": 2, "val_loss": 0.6}]
    said = table(log)
    for words in ("iteration 0", "1.5000", "0.6000", "token mean", "0.9000", "8.0 samples/s", "10.0 %"):
        assert words in said
