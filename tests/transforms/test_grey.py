"""The grey scale."""

import numpy as np
import pytest
import torch

from scripts.transforms.grey import ScaleGrey, ScaleGreyd

ALL_GREYS = np.arange(256, dtype=np.uint8).reshape(1, 4, 8, 8)


def test_eight_bits_go_to_minus_one_to_one_as_published():
    scaled = ScaleGrey()(ALL_GREYS)
    assert scaled.dtype == torch.float32
    assert scaled.shape == (1, 4, 8, 8)
    assert scaled.min() == -1
    assert scaled.max() == 1
    expected = (np.arange(256) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(scaled.flatten(), expected, rtol=0, atol=1e-7)


def test_an_array_and_a_tensor_scale_alike_to_the_bit():
    assert torch.equal(ScaleGrey()(ALL_GREYS), ScaleGrey()(torch.from_numpy(ALL_GREYS)))
    reals = np.random.default_rng(0).random((1, 3, 4, 5))
    scale = ScaleGrey(low=-0.3, high=1.7)
    assert torch.equal(scale(reals), scale(torch.from_numpy(reals)))


def test_the_input_is_not_changed():
    for volume in (ALL_GREYS.copy(), torch.linspace(0, 1, 8).view(1, 2, 2, 2)):
        before = volume.tolist()
        ScaleGrey(low=0, high=255)(volume)
        assert volume.tolist() == before


def test_a_view_with_flipped_axes_is_scaled_in_place_order():
    view = ALL_GREYS[:, ::-1].swapaxes(-1, -2)
    assert torch.equal(ScaleGrey()(view), ScaleGrey()(np.ascontiguousarray(view)))


def test_a_declared_range_scales_any_dtype():
    for dtype in (np.uint16, np.int32, np.float32, np.float64):
        assert ScaleGrey(low=100, high=300)(np.array([100, 200, 300], dtype)).tolist() == [-1, 0, 1]
    assert ScaleGrey(low=0, high=65535)(torch.tensor([0, 65535], dtype=torch.uint16)).tolist() == [-1, 1]


@pytest.mark.parametrize("volume", [np.zeros((1, 2, 2, 2), np.uint16), torch.zeros(1, 2, 2, 2)])
def test_a_dtype_without_declared_range_is_an_error(volume):
    with pytest.raises(ValueError, match=r"(uint16|float32) have no declared range; .* low=0, high=65535"):
        ScaleGrey()(volume)


@pytest.mark.parametrize("value", [1.5, -0.25, float("nan")])
def test_a_value_outside_the_range_is_named_with_its_place(value):
    messages = ("outside the declared range 0 to 1", "1 voxels of it are NaN or infinite; choose a box without them")
    volume = np.full((1, 2, 3, 3), 0.5, np.float32)
    volume[0, 1, 2, 0] = value
    for form in (volume, torch.from_numpy(volume)):
        with pytest.raises(ValueError, match=rf"{value:g} at \(0, 1, 2, 0\) .*({messages[int(np.isnan(value))]})"):
            ScaleGrey(low=0, high=1)(form)


@pytest.mark.parametrize("ends", [(0, None), (None, 1), (1, 1), (2, 1), (0, float("inf"))])
def test_a_range_needs_two_ascending_finite_ends(ends):
    with pytest.raises(ValueError, match=r"both ends|finite and ascending"):
        ScaleGrey(*ends)


def test_the_dictionary_form_scales_its_keys_alone():
    item = ScaleGreyd("image")({"image": ALL_GREYS, "label": ALL_GREYS})
    assert item["image"].max() == 1
    assert item["label"] is ALL_GREYS
    with pytest.raises(KeyError, match="works on 'image', but the item has only"):
        ScaleGreyd("image")({"label": ALL_GREYS})


def test_a_deferred_key_is_left_to_the_batch():
    item = ScaleGreyd("image")({"deferred": {"image": (1, 4, 8, 8)}})
    assert "image" not in item
    batch = ScaleGreyd("image").on_batch({"image": torch.from_numpy(ALL_GREYS)[None], "index": torch.tensor([1])})
    assert torch.equal(batch["image"][0], ScaleGrey()(ALL_GREYS))
    assert batch["index"].tolist() == [1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_scales_to_the_same_bits():
    assert torch.equal(ScaleGrey()(torch.from_numpy(ALL_GREYS).cuda()).cpu(), ScaleGrey()(ALL_GREYS))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_so_or_becomes_the_middle_of_the_range(value):
    grey = np.full((1, 2, 3, 4), 60.0, np.float32)
    grey[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match=rf"{value} at \(0, 1, 2, 3\) .* NaN or infinite; choose a box") as error:
        ScaleGrey(0, 100)(grey)
    assert "--nonfinite zero" in str(error.value)
    assert "skip" not in str(error.value)  # which inference and evaluation do not take
    for volume in (grey, torch.from_numpy(grey)):
        scaled = ScaleGrey(0, 100, nonfinite="zero")(volume)
        assert scaled[0, 1, 2, 3] == 0
        np.testing.assert_allclose(scaled[0, 0], 0.2, rtol=1e-6)
    with pytest.raises(ValueError, match="nonfinite 'ignore' is not one of refuse, zero, skip"):
        ScaleGrey(0, 100, nonfinite="ignore")
