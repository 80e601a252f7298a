"""Properties of all augmentations."""

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from scripts.data import CropDataset
from scripts.data.regions.region import Region
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box
from scripts.ops.symmetry import apply_symmetry
from scripts.ops.targets.affinities import label_affinities
from scripts.transforms import RandSymmetryd, ScaleGreyd
from scripts.transforms.augment import (
    RandCutBlurd,
    RandCutNoised,
    RandElasticInPlaned,
    RandGreyd,
    RandMisalignmentd,
    RandMissingPartsd,
    RandMissingSectionsd,
    RandMotionBlurd,
    RandRescaleInPlaned,
    RandRotate90InPlaned,
    augmentation_margin,
)
from tests.transforms.augment.ramps import places

CROP = (6, 24, 24)
GEOMETRIC = [RandRotate90InPlaned, RandRescaleInPlaned, RandElasticInPlaned, RandMissingSectionsd, RandMisalignmentd]
GREY = [RandGreyd, RandMissingPartsd, RandMotionBlurd, RandCutBlurd, RandCutNoised]


def made(kind, prob=None, seed=0, **settings):
    """An augmentation with its default keys and a seed."""
    settings |= {} if prob is None else {"prob": prob}
    settings |= {"crop": CROP} if kind in GEOMETRIC else {}
    return kind(**settings).set_random_state(seed=seed)


def whole_chain():
    """The list of the contract, in its order."""
    geometry = [RandRotate90InPlaned, RandRescaleInPlaned, RandElasticInPlaned]
    damage = [RandMissingPartsd, RandMissingSectionsd, RandMisalignmentd, RandMotionBlurd, RandCutBlurd, RandCutNoised]
    first, *others = [made(kind) for kind in [*geometry, RandGreyd, *damage]]
    return [first, RandSymmetryd(("image", "label")), *others]


@pytest.mark.parametrize("kind", GEOMETRIC + GREY)
def test_probability_zero_changes_nothing(kind, tissue):
    for seed in range(5):
        item = made(kind, prob=0.0, seed=seed)(tissue)
        assert item["image"].tobytes() == tissue["image"].tobytes()
        assert item["label"].tobytes() == tissue["label"].tobytes()


@pytest.mark.parametrize("kind", GEOMETRIC + GREY)
def test_probability_one_changes_and_leaves_the_input_alone(kind, tissue):
    before = {key: value.copy() for key, value in tissue.items()}
    changed = [made(kind, prob=1.0, seed=seed)(tissue)["image"].tobytes() for seed in range(4)]
    assert any(image != before["image"].tobytes() for image in changed)
    assert len(set(changed)) > 1
    assert all(np.array_equal(tissue[key], before[key]) for key in tissue)


@pytest.mark.parametrize("kind", GEOMETRIC + GREY)
def test_the_same_seed_gives_the_same_item_and_a_tensor_is_changed_alike(kind, tissue):
    tensors = {key: torch.from_numpy(value) for key, value in tissue.items()}
    for seed in range(4):
        first, again = made(kind, seed=seed)(tissue), made(kind, seed=seed)(tissue)
        as_tensors = made(kind, seed=seed)(tensors)
        for key in ("image", "label"):
            assert np.array_equal(first[key], again[key])
            assert isinstance(as_tensors[key], torch.Tensor)
            assert np.array_equal(first[key], as_tensors[key].numpy())


@pytest.mark.parametrize("kind", GEOMETRIC + GREY)
def test_the_array_form_draws_as_the_dictionary_form(kind, tissue):
    for seed in range(3):
        item, array = made(kind, seed=seed)(tissue), made(kind, seed=seed).augmentation
        assert np.array_equal(array(tissue["image"]), item["image"])
        assert array(tissue["image"], randomize=False).tobytes() == item["image"].tobytes()


@pytest.mark.parametrize("kind", GREY)
def test_what_touches_grey_never_touches_labels_nor_leaves_the_range(kind, tissue):
    for seed in range(10):
        item = made(kind, prob=1.0, seed=seed)(tissue)
        assert item["label"] is tissue["label"]
        assert item["image"].shape == tissue["image"].shape
        assert item["image"].dtype == np.float32
        assert item["image"].min() >= -1
        assert item["image"].max() <= 1


@pytest.mark.parametrize("kind", GEOMETRIC)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_image_and_label_move_together_and_all_voxels_are_true(kind, axis):
    item = places((8, 60, 60), axis)
    for seed in range(20):
        moved = made(kind, prob=1.0, seed=seed)(item)
        image, label = moved["image"], moved["label"]
        assert image.shape == label.shape
        assert np.abs(image - label).max() <= 0.5 + 1e-4  # an interpolated ramp is its position
        assert label.min() >= 0
        assert label.max() <= item["label"].max()


@pytest.mark.parametrize("kind", GEOMETRIC)
def test_ids_stay_whole_and_unknown_stays_unknown(kind, tissue):
    item = dict(tissue)
    for dtype, far in ((np.uint64, 2**60 + 1), (np.int64, 2**53 + 1), (np.int32, 2**24 + 1)):
        names = np.array([far, far + 1, 0, 7 if dtype == np.uint64 else -1]).astype(dtype)
        item["label"] = names[(tissue["label"] % np.uint64(4)).astype(np.int64)]
        for seed in range(5):
            moved = made(kind, prob=1.0, seed=seed)(item)["label"]
            assert moved.dtype == dtype
            assert set(np.unique(moved).tolist()) == set(names.tolist())


@pytest.mark.parametrize("kind", GEOMETRIC)
def test_nothing_beyond_the_margin_reaches_the_crop(kind):
    for seed in range(20):
        augmentation = made(kind, prob=1.0, seed=seed)
        size = [crop + 2 * margin for crop, margin in zip(CROP, augmentation.margin, strict=True)]
        inside = np.zeros((1, *size), np.float32)
        item = {"image": np.pad(inside, ((0, 0), (0, 0), (5, 5), (5, 5)), constant_values=1e6)}
        image = augmentation({"label": item["image"].astype(np.int32), **item})["image"]
        start = [(size - crop) // 2 for size, crop in zip(image.shape[1:], CROP, strict=True)]
        crop = image[0][tuple(slice(s, s + c) for s, c in zip(start, CROP, strict=True))]
        assert crop.shape == CROP
        assert crop.max() == 0


@pytest.mark.parametrize("kind", GEOMETRIC)
def test_an_item_of_its_margin_leaves_the_crop_and_a_thin_one_no_less(kind):
    for seed in range(20):
        augmentation = made(kind, prob=1.0, seed=seed)
        full = tuple(crop + 2 * margin for crop, margin in zip(CROP, augmentation.margin, strict=True))
        assert augmentation(places(full, 1))["image"].shape == (1, *CROP)
        for extent in (CROP, (7, 25, 26), (6, 30, 24)):
            moved = augmentation(places(extent, 1))
            assert all(size >= crop for size, crop in zip(moved["image"].shape[1:], CROP, strict=True))
            assert np.abs(moved["image"] - moved["label"]).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("kind", GEOMETRIC[1:])
def test_where_there_is_no_room_nothing_moves(kind):
    item = places(CROP, 2)
    for seed in range(10):
        moved = made(kind, prob=1.0, seed=seed)(item)["image"]
        if kind is RandRescaleInPlaned:  # it can still enlarge
            assert moved.shape == item["image"].shape
        else:
            assert np.array_equal(moved, item["image"])


def test_the_margin_of_the_list_leaves_the_crop_of_the_paper():
    both = ("image", "label")
    steps = [
        RandRotate90InPlaned(both),
        RandRescaleInPlaned(both),
        RandSymmetryd(both),
        RandElasticInPlaned(both),
        RandGreyd("image"),
        RandMissingSectionsd(both),
        RandMisalignmentd(both),
    ]
    assert augmentation_margin(steps, (6, 96, 96)) == (1, 32, 32)
    assert augmentation_margin(Compose(steps), (6, 96, 96)) == (1, 32, 32)
    assert augmentation_margin([], (6, 96, 96)) == (0, 0, 0)
    item = places((8, 160, 160), 1)
    for _ in range(5):
        left = item
        for step in steps:
            left = step(left)
        assert left["image"].shape == left["label"].shape == (1, 6, 96, 96)


@pytest.mark.parametrize("seed", range(12))
def test_the_margin_of_any_list_leaves_the_crop_and_hardly_more(seed):
    draw = np.random.RandomState(seed)
    crop = (int(draw.randint(1, 9)), int(draw.randint(8, 50)), int(draw.randint(8, 50)))
    kinds = [GEOMETRIC[k] for k in draw.randint(len(GEOMETRIC), size=draw.randint(1, 6))]
    chain = [kind(prob=1.0, crop=crop) for kind in kinds]
    extent = tuple(size + 2 * more for size, more in zip(crop, augmentation_margin(chain, crop), strict=True))
    item = places(extent, 1)
    for step in chain:
        item = step.set_random_state(seed=seed)(item)
    image, label = item["image"], item["label"]
    slack = abs(crop[1] - crop[2]) * 2 + 8 if RandRotate90InPlaned in kinds else 8  # of rounding; a turn needs a square
    assert all(wanted <= size <= wanted + slack for size, wanted in zip(image.shape[1:], crop, strict=True))
    assert label.min() >= 0
    assert label.max() < extent[1]


def test_a_chain_in_a_data_set_gives_sample_i_whatever_came_before():
    draw = np.random.RandomState(0)
    image = draw.randint(0, 256, (12, 90, 90)).astype(np.uint8)
    label = draw.randint(0, 9, (12, 90, 90)).astype(np.uint16)
    chain = [ScaleGreyd("image"), *whole_chain()]
    margin = augmentation_margin(chain, CROP)
    size = [crop + 2 * around for crop, around in zip(CROP, margin, strict=True)]
    region = Region(ArrayVolume(image), Box.whole(image.shape), label=ArrayVolume(label))
    crops = CropDataset([region], size, transform=Compose(chain))
    samples = [crops[i] for i in range(6)]
    for i in (4, 1):
        again = crops[i]
        assert again["image"].shape == again["label"].shape == (1, *CROP)
        assert np.array_equal(np.asarray(again["image"]), np.asarray(samples[i]["image"]))
        assert np.array_equal(again["label"], samples[i]["label"])


def test_an_affinity_target_after_a_flip_is_the_target_of_the_flipped_labels(tissue):
    label = (tissue["label"] % np.uint64(2**60)).astype(np.int64)
    move = RandSymmetryd(("label",))
    move.set_random_state(seed=1)
    shifted = 0
    for _ in range(16):
        item = move({"label": label})
        target = label_affinities(item["label"][0])
        assert np.array_equal(target, label_affinities(apply_symmetry(label[0], item["symmetry"])))
        shifted += not np.array_equal(target, apply_symmetry(label_affinities(label[0]), item["symmetry"]))
    assert shifted > 8  # flipped as an image, an affinity would lie a voxel aside


def test_an_item_may_lack_its_label_where_allowed(tissue):
    image = {"image": tissue["image"]}
    assert RandElasticInPlaned(crop=CROP, allow_missing_keys=True)(image)["image"].shape[1] == 8
    with pytest.raises(KeyError, match="works on 'label', but the item has only"):
        RandElasticInPlaned(crop=CROP)(image)


@pytest.mark.parametrize("kind", GREY)
def test_grey_values_that_were_not_scaled_are_an_error(kind):
    with pytest.raises(ValueError, match="not voxels of dtype uint8; put ScaleGreyd before it"):
        kind(prob=1.0)({"image": np.zeros((1, 6, 24, 24), np.uint8)})


@pytest.mark.parametrize("kind", GEOMETRIC)
def test_wrong_items_are_errors(kind, tissue):
    with pytest.raises(ValueError, match=r"\(5, 24, 24\) voxels .* is smaller than the crop \(6, 24, 24\)"):
        made(kind)(places((5, 24, 24), 0))
    with pytest.raises(ValueError, match="have different extents"):
        made(kind)({"image": tissue["image"], "label": tissue["label"][..., 1:]})
    with pytest.raises(ValueError, match="not an item of shape"):
        made(kind).augmentation(tissue["image"][0])
    with pytest.raises(ValueError, match=r"needs the voxels of .*not read yet"):
        made(kind)({"deferred": {"image": (1, 8, 60, 60)}, "label": tissue["label"]})


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        *[(kind, {"prob": 1.5}, "probability 1.5 is outside") for kind in GEOMETRIC + GREY],
        (RandRotate90InPlaned, {"crop": (6, 0, 24)}, r"crop .* at least 1"),
        (RandRescaleInPlaned, {"low": 1.1}, "low=1.1"),
        (RandElasticInPlaned, {"sigma": 0}, "sigma 0"),
        (RandMissingSectionsd, {"sections": 0}, "sections 0"),
        (RandMisalignmentd, {"displacement": 2.5}, "displacement 2.5"),
        (RandMisalignmentd, {"slip": 2}, "slip 2"),
        (RandGreyd, {"contrast": 2}, "contrast 2"),
        (RandMissingPartsd, {"half_width": 0}, "half_width 0"),
        (RandMissingPartsd, {"gap": 0}, "never two neighbours"),
        (RandMotionBlurd, {"pixels": 10}, "pixels 10 must be an odd"),
        (RandMotionBlurd, {"sections": 0}, "sections 0"),
        (RandCutBlurd, {"low": 4, "high": 2}, "low=4, high=2"),
        (RandCutBlurd, {"share": 0}, "share 0"),
        (RandCutNoised, {"share": 1.2}, "share 1.2"),
        (RandCutNoised, {"scale": -1}, "scale -1"),
    ],
)
def test_wrong_settings_are_errors(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)
