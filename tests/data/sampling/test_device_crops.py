"""Device-resident sampler: the batches of the loader, to the bit, gathered on the device of the training."""

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandFlipd

from scripts.data.regions.region import Region
from scripts.data.sampling.batch_sampler import GlobalBatchSampler
from scripts.data.sampling.crop_batches import crop_batches
from scripts.data.sampling.crops import CropDataset
from scripts.data.sampling.device_crops import DeviceBatches
from scripts.data.sampling.loader_batches import LoaderBatches
from scripts.data.sampling.rejection import MostlyBlack
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box
from scripts.transforms.grey import ScaleGreyd
from scripts.transforms.symmetry import RandSymmetryd
from scripts.transforms.token_masks import RandTokenMaskd

SIZE = (2, 4, 4)


def noise(shape, dtype=np.uint8, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def dataset(dtype=np.uint8, size=SIZE, more_steps=(), masked=False, **more) -> CropDataset:
    shapes, boxes = [(40, 10, 12), (5, 16, 9)], ["3:38,1:9,2:11", None]
    volumes = [ArrayVolume(noise(shape, dtype, seed)) for seed, shape in enumerate(shapes)]
    masks = [ArrayVolume(noise(shape, seed=7) > 100) if masked else None for shape in shapes]
    regions = [
        Region(volume, Box.parse(box, volume.shape), mask=mask)
        for volume, box, mask in zip(volumes, boxes, masks, strict=True)
    ]
    move = RandSymmetryd(["image", "unmasked"], allow_missing_keys=True)
    steps = [move, Compose([ScaleGreyd(low=0, high=255)]), RandTokenMaskd((2, 2, 2), 0.5), *more_steps]
    return CropDataset(regions, size, seed=11, transform=Compose(steps), **more)


def assert_same_batches(first, second) -> None:
    first, second = list(first), list(second)
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key].dtype == other[key].dtype, key
            assert torch.equal(one[key].cpu(), other[key].cpu()), key


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("size", [(2, 4, 4), (3, 4, 6)])
def test_batches_equal_the_loaders_to_the_bit(dtype, size):
    order = GlobalBatchSampler(8, iterations=5)
    assert_same_batches(DeviceBatches(dataset(dtype, size), order), LoaderBatches(dataset(dtype, size), order))


@pytest.mark.parametrize("size", [(2, 4, 4), (3, 4, 6)])
def test_masked_batches_equal_the_loaders_to_the_bit_with_what_counts(size):
    order = GlobalBatchSampler(8, iterations=5)
    gathered = list(DeviceBatches(dataset(size=size, masked=True), order))
    assert_same_batches(gathered, LoaderBatches(dataset(size=size, masked=True), order))
    assert all(0.5 < batch["unmasked"].float().mean() < 0.7 for batch in gathered)  # 155 values of 256 count
    unmasked = next(iter(DeviceBatches(dataset(size=size), order)))
    assert not torch.equal(unmasked["corner"], gathered[0]["corner"])  # crops are centred on voxels that count


def test_workers_parts_and_a_later_start_change_nothing():
    order = GlobalBatchSampler(8, iterations=6, rank=1, world=2, accumulation=2, start=2)
    assert_same_batches(DeviceBatches(dataset(), order, workers=2), LoaderBatches(dataset(), order))


def test_rejected_crops_are_the_same_ones():
    rule = MostlyBlack(threshold=127, fraction=0.5)
    order = GlobalBatchSampler(8, iterations=3)
    assert_same_batches(DeviceBatches(dataset(reject=rule), order), LoaderBatches(dataset(reject=rule), order))


def test_one_setting_chooses_the_sampler():
    order = GlobalBatchSampler(4, iterations=2)
    assert_same_batches(*(crop_batches(name, dataset(), order) for name in ("loader", "device")))
    with pytest.raises(ValueError, match="sampler 'gpu' is not one of 'loader', 'device'"):
        crop_batches("gpu", dataset(), order)


def test_iteration_may_end_early_and_begin_again():
    batches = DeviceBatches(dataset(), GlobalBatchSampler(4, iterations=50), workers=1)
    first = next(iter(batches))
    again = next(iter(batches))
    assert len(batches) == 50
    assert torch.equal(first["image"], again["image"])


def test_an_error_while_drawing_reaches_the_training():
    impossible = dataset(reject=MostlyBlack(threshold=255, fraction=0))
    with pytest.raises(ValueError, match="MostlyBlack"):
        next(iter(DeviceBatches(impossible, GlobalBatchSampler(4, iterations=1))))


def test_a_transform_that_needs_each_crop_is_an_error():
    with pytest.raises(ValueError, match="RandFlipd works on the image crop by crop"):
        DeviceBatches(dataset(more_steps=[RandFlipd("image")]), GlobalBatchSampler(4, iterations=1))
    with pytest.raises(ValueError, match="RandFlipd works on the image crop by crop"):
        DeviceBatches(dataset(masked=True, more_steps=[RandFlipd("unmasked")]), GlobalBatchSampler(4, iterations=1))


def test_labels_and_mixed_dtypes_are_errors():
    eight, sixteen = ArrayVolume(noise(SIZE)), ArrayVolume(noise(SIZE, np.uint16))
    box = Box.whole(SIZE)
    order = GlobalBatchSampler(4, iterations=1)
    with pytest.raises(ValueError, match="these regions have labels; choose the loader"):
        DeviceBatches(CropDataset([Region(eight, box, label=eight)], SIZE), order)
    with pytest.raises(ValueError, match=r"several dtypes \['uint16', 'uint8'\]"):
        DeviceBatches(CropDataset([Region(eight, box), Region(sixteen, box)], SIZE), order)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gathers_the_same_bits():
    order = GlobalBatchSampler(32, iterations=4)
    batches = DeviceBatches(dataset(), order, workers=2, device="cuda")
    assert next(iter(batches))["image"].is_cuda
    assert_same_batches(batches, LoaderBatches(dataset(), order))
