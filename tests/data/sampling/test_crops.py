"""Random crops: sample i depends on (seed, i) alone, and a crop reads only its own voxels."""

import pickle
from itertools import product

import numpy as np
import pytest
import torch
from monai.transforms import Compose, OneOf, RandFlipd, RandGaussianNoised
from torch.utils.data import DataLoader

from scripts.data.regions.region import Region
from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crops import TRIES, CropDataset
from scripts.data.sampling.loader_batches import LoaderBatches
from scripts.data.sampling.rejection import MissingSection, MostlyBlack
from scripts.ops.box import Box
from scripts.transforms.grey import ScaleGreyd
from scripts.transforms.symmetry import RandSymmetryd
from scripts.transforms.token_masks import RandTokenMaskd

SIZE = (2, 4, 4)


class RecordingVolume:
    """A volume in memory that writes down which boxes are read."""

    voxel_size_nm, fork_safe = None, True

    def __init__(self, array: np.ndarray, path: str = "recorded.npy") -> None:
        self.array, self.path, self.reads = array, path, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, key):
        self.reads.append(key)
        return self.array[key].copy()


def noise(shape=(6, 12, 12), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)


def region(array=None, box=None, **more) -> Region:
    volume = RecordingVolume(noise() if array is None else array)
    return Region(volume, Box.parse(box, volume.shape), **more)


def chain() -> Compose:
    return Compose([RandSymmetryd("image"), ScaleGreyd("image"), RandTokenMaskd(grid=(2, 2, 2), ratio=0.5)])


def dataset(**more) -> CropDataset:
    return CropDataset([region(), region(noise(seed=1))], SIZE, transform=chain(), **{"seed": 7, **more})


def assert_same(first, second) -> None:
    assert first.keys() == second.keys()
    for key in first:
        assert np.array_equal(np.asarray(first[key]), np.asarray(second[key])), key


# a pure function of (seed, i)


def test_sample_i_is_the_same_whatever_came_before():
    forward, fresh = dataset(), dataset()
    items = [forward[i] for i in range(12)]
    for i in (11, 3, 0, 3):
        assert_same(fresh[i], items[i])


def test_another_seed_draws_other_samples():
    first, second = dataset(seed=1), dataset(seed=2)
    corners = [[tuple(ds[i]["corner"]) for i in range(30)] for ds in (first, second)]
    assert corners[0] != corners[1]
    assert len(set(corners[0])) > 20


def test_two_datasets_may_share_a_transform():
    shared = chain()
    one, other = (CropDataset([region()], SIZE, seed=seed, transform=shared) for seed in (1, 2))
    alone = CropDataset([region()], SIZE, seed=1, transform=chain())
    for i in range(5):
        other[i]
        assert_same(one[i], alone[i])


def test_transforms_of_monai_follow_the_sample_too():
    steps = [OneOf([RandFlipd("image", prob=0.5, spatial_axis=0), RandGaussianNoised("image", prob=0.9, std=3.0)])]
    first, second = (CropDataset([region()], SIZE, transform=Compose([chain(), Compose(steps)])) for _ in range(2))
    expected = [first[i]["image"] for i in range(8)]
    for i in reversed(range(8)):
        assert torch.equal(torch.as_tensor(second[i]["image"]), torch.as_tensor(expected[i]))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 8 worker")  # more than there are cores, on purpose
def test_a_run_repeats_exactly_with_0_and_8_workers():
    order = GlobalBatchSampler(batch=6, iterations=12)
    alone = list(LoaderBatches(dataset(), order, workers=0))
    crowd = list(LoaderBatches(dataset(), order, workers=8))
    assert len(alone) == len(crowd) == 12
    for first, second in zip(alone, crowd, strict=True):
        assert_same(first, second)


def test_workers_that_are_spawned_draw_the_same():
    thawed = pickle.loads(pickle.dumps(dataset()))
    for i in range(4):
        assert_same(thawed[i], dataset()[i])


def test_a_run_resumes_exactly():
    whole = list(LoaderBatches(dataset(), GlobalBatchSampler(4, iterations=6)))
    resumed = list(LoaderBatches(dataset(), GlobalBatchSampler(4, iterations=6, start=4), workers=2))
    assert len(resumed) == 2
    for first, second in zip(whole[4:], resumed, strict=True):
        assert_same(first, second)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_with_batch_64_get_what_one_gets_with_128(accumulation):
    (one,) = LoaderBatches(dataset(), GlobalBatchSampler(128, iterations=1))
    parts = [
        part
        for rank in (0, 1)
        for part in LoaderBatches(dataset(), GlobalBatchSampler(128, 1, rank=rank, world=2, accumulation=accumulation))
    ]
    assert len(parts) == 2 * accumulation
    for key, whole in one.items():
        assert torch.equal(torch.cat([part[key] for part in parts]), whole), key


def test_a_batch_lists_the_tokens_its_masks_leave():
    (batch,) = LoaderBatches(dataset(), GlobalBatchSampler(3, iterations=1))
    for mask, kept in zip(batch["mask"], batch["kept"], strict=True):
        assert kept.tolist() == [i for i, hidden in enumerate(mask.flatten().tolist()) if not hidden]


def test_reading_data_leaves_the_global_generators_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(LoaderBatches(dataset(), GlobalBatchSampler(2, iterations=2)))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


# where crops lie


def test_every_position_of_the_box_occurs_and_none_outside():
    inside = region(box="1:5,2:8,3:9")
    crops = CropDataset([inside], SIZE, seed=3)
    corners = [tuple(map(int, crops[i]["corner"])) for i in range(1500)]
    assert set(corners) == set(product((1, 2, 3), (2, 3, 4), (3, 4, 5)))
    counts = np.unique(corners, axis=0, return_counts=True)[1]
    assert counts.min() > 25  # 1500 / 27 = 56 expected, four standard deviations are 29
    assert counts.max() < 85


def test_a_crop_is_the_voxels_at_its_corner():
    crops = CropDataset([region()], SIZE)
    for i in range(10):
        item = crops[i]
        z, y, x = item["corner"]
        assert np.array_equal(item["image"][0], noise()[z : z + 2, y : y + 4, x : x + 4])


def test_a_crop_reads_only_its_own_voxels():
    one = region()
    item = CropDataset([one], SIZE)[5]
    z, y, x = item["corner"]
    assert one.image.reads == [(slice(z, z + 2), slice(y, y + 4), slice(x, x + 4))]


def test_a_box_of_the_crop_itself_has_one_position():
    crops = CropDataset([region(box="1:3,2:6,4:8")], SIZE)
    assert {tuple(crops[i]["corner"]) for i in range(20)} == {(1, 2, 4)}


def test_regions_are_drawn_in_proportion_to_their_voxels():
    large, small = region(box="0:6,0:12,0:12"), region(box="0:6,0:12,0:4")
    crops = CropDataset([large, small], SIZE)
    share = np.mean([crops[i]["region"] for i in range(2000)])
    assert abs(share - 0.25) < 0.04  # four standard deviations of a binomial share


def test_given_weights_take_the_place_of_size():
    crops = CropDataset([region(weight=1), region(box="0:2,0:4,0:4", weight=4)], SIZE)
    counts = np.bincount([crops[i]["region"] for i in range(2000)], minlength=2)
    assert abs(counts[1] / 2000 - 0.8) < 0.036


def test_image_and_label_are_cut_at_the_same_place():
    image = noise()
    labelled = Region(
        RecordingVolume(image), Box.whole(image.shape), label=RecordingVolume(image.astype(np.uint16) + 1000)
    )
    item = CropDataset([labelled], SIZE)[2]
    assert np.array_equal(item["label"], item["image"].astype(np.uint16) + 1000)


def test_a_crop_states_where_it_is_from():
    crops = CropDataset([region()], SIZE)
    assert crops.place(0, [1, 2, 3]) == "recorded.npy at 1:3,2:6,3:7"


# rejection


def half_black() -> np.ndarray:
    array = noise()
    array[:, :, :6] = 0
    return array


def test_mostly_black_crops_are_drawn_again_from_the_same_stream():
    rejecting = CropDataset([region(half_black())], SIZE, reject=MostlyBlack(fraction=0.5))
    plain = CropDataset([region(half_black())], SIZE)
    redrawn = 0
    for i in range(60):
        item, first_try = rejecting[i], plain[i]
        assert np.count_nonzero(item["image"] == 0) <= 16
        kept = np.count_nonzero(first_try["image"] == 0) <= 16
        assert np.array_equal(item["corner"], first_try["corner"]) == kept
        assert_same(item, rejecting[i])
        redrawn += not kept
    assert redrawn > 10


@pytest.mark.parametrize(
    ("section", "rejected"), [(np.zeros((4, 4)), True), (np.full((4, 4), 128), True), (noise((4, 4)), False)]
)
def test_a_section_of_one_grey_value_is_missing(section, rejected):
    crop = np.stack([noise((4, 4), seed=5), section.astype(np.uint8)])
    assert MissingSection()(crop) is rejected
    assert MissingSection(allowed=1)(crop) is False


def test_black_counts_up_to_the_threshold():
    crop = np.array([[[0, 3, 9, 9]]], np.uint8)
    assert not MostlyBlack(threshold=0, fraction=0.25)(crop)
    assert MostlyBlack(threshold=3, fraction=0.25)(crop)


def test_an_all_black_volume_is_an_error_that_names_region_and_rule():
    black = CropDataset(
        [region(np.zeros((6, 12, 12), np.uint8), name="cortex")], SIZE, reject=[MissingSection(), MostlyBlack()]
    )
    with pytest.raises(
        ValueError, match=rf"MissingSection\(.*rejected {TRIES} crops in a row of region cortex .*recorded.npy"
    ):
        black[0]


def test_a_rule_that_turns_down_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"fraction=1 is outside \[0, 1\)"):
        MostlyBlack(fraction=1)
    with pytest.raises(ValueError, match="allowed=-1 is negative"):
        MissingSection(allowed=-1)


# wrong input


@pytest.mark.parametrize(
    ("regions", "more", "message"),
    [
        ([], {}, "no region to take crops from"),
        (
            [region(box="0:1,:,:")],
            {},
            "a crop of 2 x 4 x 4 voxels .* box 0:1,0:12,0:12 of recorded.npy .*2 voxels along z, the box has 1",
        ),
        ([region(weight=1), region()], {}, "1 of 2 regions have a weight"),
        ([region(label=RecordingVolume(noise())), region()], {}, "recorded.npy has no labels, other regions have"),
        ([region()], {"size": (2, 4)}, r"crop size \(2, 4\) is not three whole numbers"),
        ([region()], {"size": (2, 0, 4)}, r"crop size \(2, 0, 4\) is not three whole numbers"),
        ([region()], {"seed": -1}, "seed -1 is outside"),
    ],
)
def test_wrong_input_is_an_error_before_any_crop(regions, more, message):
    with pytest.raises(ValueError, match=message):
        CropDataset(regions, **{"size": SIZE, **more})


def test_an_index_beyond_the_length_is_an_error():
    finite = dataset(length=3)
    assert len(list(DataLoader(finite, batch_size=2))) == 2
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"sample {index} of 3 crops"):
            finite[index]
    with pytest.raises(TypeError, match="have no end"):
        len(dataset())
    with pytest.raises(ValueError, match="2 iterations of batch 2 need 4 samples, the dataset has 3"):
        LoaderBatches(finite, GlobalBatchSampler(2, iterations=2))


@pytest.mark.parametrize("wrap", [lambda step: step, lambda step: OneOf([Compose([step])])])
def test_a_value_outside_the_grey_range_is_named_with_its_crop(wrap):
    reals = noise().astype(np.float32)
    crops = CropDataset([region(reals)], SIZE, transform=Compose([wrap(ScaleGreyd("image", low=300, high=400))]))
    with pytest.raises(
        ValueError, match=r"sample 4, recorded.npy at .*: grey value .* outside the declared range 300 to 400"
    ):
        crops[4]


def test_a_crop_with_a_value_that_is_not_finite_is_skipped_for_the_next_of_the_same_stream():
    array = noise().astype(np.float32)
    plain = CropDataset([region(array)], SIZE, seed=3, length=40)
    broken = array.copy()
    broken[2, 5, 6] = np.nan
    skipping = CropDataset([region(broken)], SIZE, seed=3, length=40, nonfinite="skip")
    items = [skipping[number] for number in range(40)]
    assert all(np.isfinite(item["image"]).all() for item in items)
    skipped = [item["skipped"] for item in items]
    assert sum(skipped) > 0
    for number, (item, count) in enumerate(zip(items, skipped, strict=True)):
        if count == 0:  # untouched by the rule
            np.testing.assert_array_equal(item["image"], plain[number]["image"])
    np.testing.assert_array_equal(skipping[7]["image"], items[7]["image"])
    assert "skipped" not in plain[0]
    refusing = CropDataset([region(broken)], SIZE, seed=3, transform=ScaleGreyd("image", low=0, high=255))
    with pytest.raises(ValueError, match=r"sample .*--nonfinite zero.*; --nonfinite skip draws another crop"):
        refusing[next(number for number, count in enumerate(skipped) if count)]
