"""A picture of a chain shows each step as the training data would see it, whatever the chain is made of."""

import io

import numpy as np
import pytest
import torch
from monai.transforms import Compose, Flip, Lambda, ScaleIntensity
from PIL import Image

from scripts.data import CropDataset
from scripts.data.regions.region import Region
from scripts.data.sampling.crops import sample_stream
from scripts.data.volumes.volume import ArrayVolume
from scripts.ops.box import Box
from scripts.transforms import AffinityTarget, MakeTargetsd, RandSymmetryd, RandTokenMaskd, ScaleGreyd
from scripts.visualize.segmentation_panels import id_colours
from scripts.visualize.transform_chains import CAPTION, GAP, HIDDEN, KNOWN, LEAST, UNKNOWN, show_chain

SHAPE = (4, 16, 16)


def item() -> dict[str, np.ndarray]:
    """A ramp and four square cells."""
    _, y, x = np.indices(SHAPE)
    return {"image": (y * 16 + x).astype(np.uint8)[None], "label": (1 + y // 8 * 2 + x // 8).astype(np.int32)[None]}


def colours(picture, block: int, tile: int) -> np.ndarray:
    """The section of a block in the first row."""
    left, top = block * LEAST + GAP + tile * (16 + GAP), GAP + CAPTION
    return np.asarray(picture.image)[top : top + 16, left : left + 16]


def as_bytes(colour) -> list[int]:
    return [round(255 * part) for part in colour]


def test_a_block_is_drawn_for_the_item_and_for_each_step_of_nested_chains():
    chain = Compose([ScaleGreyd("image"), Compose([RandSymmetryd(("image", "label"))])])
    picture = show_chain(chain, item())
    assert picture.names == ("ScaleGreyd", "RandSymmetryd")
    np.testing.assert_array_equal(colours(picture, 0, 0)[..., 0], item()["image"][0, 2])
    np.testing.assert_allclose(colours(picture, 1, 0)[..., 0], item()["image"][0, 2], atol=1)
    np.testing.assert_array_equal(colours(picture, 0, 1), (id_colours(item()["label"][0, 2]) * 255).round())


def test_the_draws_are_those_of_the_training_sample():
    chain = Compose([ScaleGreyd("image"), RandSymmetryd(("image", "label"))])
    voxels = item()
    regions = [Region(ArrayVolume(voxels["image"][0]), Box((0, 0, 0), SHAPE), ArrayVolume(voxels["label"][0]))]
    for index in range(4):
        sample = CropDataset(regions, SHAPE, seed=7, transform=chain)[index]
        stream = sample_stream(7, index)
        stream.random_sample(4)  # region and corner
        drawn = show_chain(lambda of, now=stream, c=chain: _with(c, of, now), voxels, columns=9)
        np.testing.assert_array_equal(
            colours(drawn, 1, 1), (id_colours(np.asarray(sample["label"])[0, 2]) * 255).round()
        )


def _with(chain, of, stream):
    from scripts.data.sampling.sample_chain import SampleChain

    return SampleChain(chain)(of, stream)


def test_the_item_is_not_changed_and_the_same_seed_draws_the_same_picture():
    chain, given = Compose([ScaleGreyd("image"), RandSymmetryd(("image", "label"))]), item()
    first, second = show_chain(chain, given, seed=3), show_chain(chain, given, seed=3)
    assert list(given) == ["image", "label"]
    np.testing.assert_array_equal(given["image"], item()["image"])
    assert first.image.tobytes() == second.image.tobytes()
    assert len({show_chain(chain, given, seed=seed).image.tobytes() for seed in range(8)}) > 1


def test_hidden_tokens_cover_the_image():
    picture = show_chain(Compose([RandTokenMaskd((4, 2, 2), 0.5)]), {"image": item()["image"]}, section=0)
    shown = colours(picture, 1, 1)
    hidden = np.all(shown == as_bytes(HIDDEN), axis=-1)
    mask = RandTokenMaskd((4, 2, 2), 0.5).set_random_state(state=sample_stream(0, 0))({})["mask"][0]
    np.testing.assert_array_equal(hidden, mask.repeat_interleave(8, 0).repeat_interleave(8, 1))


def test_targets_are_red_green_and_blue_and_unknown_ones_grey():
    given = item()
    given["label"][0, :, :, 12:] = -1
    chain = MakeTargetsd([AffinityTarget()], crop=SHAPE, erosion=0)
    picture = show_chain(chain, given)
    target = chain(item() | {"label": given["label"]})
    np.testing.assert_array_equal(colours(picture, 1, 1), (target["target"][:, 2].permute(1, 2, 0) * 255).numpy())
    known = colours(picture, 1, 2)
    assert known[0, 0].tolist() == as_bytes(KNOWN)
    assert known[0, 15].tolist() == as_bytes(UNKNOWN)


def test_a_step_that_does_nothing_is_reported():
    same = show_chain(Compose([Lambda(lambda given: given)]), item())
    other = show_chain(Compose([Lambda(lambda given: {**given, "image": 255 - given["image"]})]), item())
    caption = (slice(0, CAPTION), slice(LEAST, None))
    assert np.asarray(same.image)[caption].min() > np.asarray(other.image)[caption].min()


def test_chains_of_arrays_are_shown_too_and_a_notebook_gets_a_jpeg():
    picture = show_chain(Compose([ScaleIntensity(), Flip(2)]), torch.rand(1, *SHAPE))
    assert picture.names == ("ScaleIntensity", "Flip")
    assert Image.open(io.BytesIO(picture._repr_jpeg_())).size == picture.image.size


def test_it_is_saved_as_the_name_states(tmp_path):
    path = show_chain(Compose([ScaleGreyd("image")]), item()).save(tmp_path / "chain.png")
    with Image.open(path) as saved:
        assert saved.format == "PNG"


def test_an_item_without_a_volume_is_refused_with_what_it_has():
    with pytest.raises(ValueError, match=r"as it is read: no volume to show among name \(\), corner \(3,\)"):
        show_chain(Compose([]), {"name": "a box", "corner": np.zeros(3)})
