"""MakeTargetsd: the target of a crop is the crop of the target of the volume; unknown voxels are never foreground."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from scripts.ops.targets.affinity_convention import LONG_RANGE
from scripts.transforms import (
    AffinityTarget,
    BinaryTarget,
    ContourTarget,
    InstanceDistanceTarget,
    MakeTargetsd,
    SectionDistanceTarget,
    ShapeDescriptorTarget,
)
from scripts.transforms.label_erosion import ErodeLabel

CROP = (4, 40, 36)
BCD = [BinaryTarget(), ContourTarget(), SectionDistanceTarget()]


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    """(14, 150, 160) int64: cells about 20 pixels across that touch; erosion parts them by a thin background."""
    shape = (14, 150, 160)
    generator = np.random.default_rng(8)
    centres = generator.random((420, 3)) * shape * np.array([5, 1, 1])
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3) * [5, 1, 1]
    return cKDTree(centres).query(voxels)[1].reshape(shape) + 1


def crop_of(volume: np.ndarray, corner: tuple[int, int, int], margin: tuple[int, int, int]) -> np.ndarray:
    """The crop and its margin, as far as the volume goes on both sides: (1, z, y, x)."""
    size = [length + 2 * extra for length, extra in zip(CROP, margin, strict=True)]
    first = [start - extra for start, extra in zip(corner, margin, strict=True)]
    assert all(
        start >= 0 and start + length <= end for start, length, end in zip(first, size, volume.shape, strict=True)
    )
    return volume[None][(slice(None), *(slice(a, a + b) for a, b in zip(first, size, strict=True)))]


def inside(corner: tuple[int, int, int]) -> tuple[slice, ...]:
    return (slice(None), *(slice(start, start + size) for start, size in zip(corner, CROP, strict=True)))


@pytest.mark.parametrize("corner", [(5, 38, 40), (4, 55, 77)])
@pytest.mark.parametrize(
    "target",
    [
        AffinityTarget("nearest"),
        AffinityTarget([[-1, 0, 0], [2, -9, 0], [0, 3, -27]]),
        AffinityTarget([[-3, 0, 0], [0, -27, 0], [0, 0, -27]]),
        AffinityTarget(LONG_RANGE.offsets[:9] + LONG_RANGE.offsets[10:]),
        BinaryTarget(),
        ContourTarget(0),
        ContourTarget(2),
        ShapeDescriptorTarget((2, 8, 5)),
    ],
    ids=["nearest", "mixed", "far", "long range", "binary", "contour 0", "contour 2", "shape"],
)
@pytest.mark.parametrize("erosion", [0, 1, 2])
def test_the_target_of_a_crop_is_the_crop_of_the_volumes_target(cells, target, corner, erosion):
    make = MakeTargetsd([target], CROP, erosion)
    label = crop_of(cells, corner, make.margin)
    item = make({"image": np.zeros(label.shape, np.float32), "label": label})
    whole = target(ErodeLabel(erosion)(cells))
    assert torch.equal(item["target"], whole[inside(corner)])
    assert torch.equal(item["known"], target.known(ErodeLabel(erosion)(cells))[inside(corner)])
    assert item["known"].all() or isinstance(target, ShapeDescriptorTarget)  # the background has no shape
    assert 0 < item["target"].mean() < 1 or (erosion == 0 and isinstance(target, BinaryTarget))  # cells touch


def test_a_margin_less_by_one_would_not_do(cells):
    """The margins are the least: some border voxel needs each of them."""
    for target in (AffinityTarget([[0, -9, 0]]), ContourTarget(1)):
        make = MakeTargetsd([target], CROP, 0)
        y = make.margin[1] - 1
        label = crop_of(cells, (5, 38, 40), (*make.margin[:1], y, make.margin[2]))
        made = make({"image": np.zeros(label.shape), "label": label})["target"]
        assert not torch.equal(made, target(cells)[inside((5, 38, 40))])


@pytest.mark.parametrize("corner", [(5, 38, 40), (4, 55, 77)])
def test_the_section_distance_of_a_crop_is_within_its_tolerance(cells, corner):
    make = MakeTargetsd([SectionDistanceTarget()], CROP)
    label = crop_of(cells, corner, make.margin)
    made = make({"image": np.zeros(label.shape), "label": label})["target"]
    whole = SectionDistanceTarget()(ErodeLabel()(cells))[inside(corner)]
    assert torch.equal(made, whole)  # nothing is 32 pixels from a border


def test_deep_inside_an_object_the_section_distance_is_off_by_less_than_a_thousandth():
    large = np.zeros((4, 150, 160), int)
    large[:, 3:147, 3:157] = 1
    make = MakeTargetsd([SectionDistanceTarget()], CROP)
    label = crop_of(large, (0, 50, 60), make.margin)
    made = make({"image": np.zeros(label.shape), "label": label})["target"]
    whole = SectionDistanceTarget()(large)[inside((0, 50, 60))]
    assert (made - whole).abs().max() <= 1 - np.tanh(4)


def test_the_instance_distance_is_exact_for_instances_within_reach(cells):
    target, corner = InstanceDistanceTarget((5, 1, 1), (4, 30, 30)), (5, 38, 40)
    make = MakeTargetsd([target], CROP)
    label = crop_of(cells, corner, make.margin)
    item = make({"image": np.zeros(label.shape), "label": label})
    whole = target(ErodeLabel()(cells))[inside(corner)]
    eroded = ErodeLabel()(label)[0]
    seen = (slice(0, 12), slice(1, -1), slice(1, -1))  # what erosion leaves of the crop and the target's margin
    border = np.ones(eroded[seen].shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    within = ~np.isin(ErodeLabel()(cells)[inside(corner)[1:]], eroded[seen][border])
    assert within.mean() > 0.05
    np.testing.assert_allclose(item["target"][0][within], whole[0][within], rtol=1e-6)
    assert (item["target"][0] > 0).equal(whole[0] > 0)


def test_maps_are_stacked_in_order_and_image_and_labels_cut_to_the_centre(cells):
    make = MakeTargetsd([*BCD, AffinityTarget()], CROP)
    assert (make.channels, make.margin) == (6, (1, 33, 33))
    label = crop_of(cells, (4, 40, 40), make.margin)
    image = np.arange(label.size, dtype=np.float32).reshape(label.shape)
    item = make({"image": image, "label": label, "name": "a"})
    assert sorted(item) == ["image", "known", "name", "target"]
    np.testing.assert_array_equal(item["image"], image[:, 1:-1, 33:-33, 33:-33])
    assert item["image"].flags.c_contiguous
    eroded = ErodeLabel()(cells)[inside((4, 40, 40))[1:]]
    assert item["target"].shape == item["known"].shape == (6, *CROP)
    assert (item["target"].dtype, item["known"].dtype) == (torch.float32, torch.bool)
    assert torch.equal(item["target"][0], torch.from_numpy(eroded > 0).float())


def slowly_eroded(label: np.ndarray) -> np.ndarray:
    """By one voxel, voxel by voxel: (z, y, x), -1 where unknown."""
    eroded = label.copy()
    for z, y, x in zip(*np.nonzero(label > 0), strict=True):
        window = label[z, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        if (window[window > 0] != label[z, y, x]).any():
            eroded[z, y, x] = 0
        elif (window == -1).any():
            eroded[z, y, x] = -1
    return eroded


@pytest.mark.parametrize("unlabelled", [0, 300], ids=["whole", "sparse"])
def test_long_range_affinities_are_their_definition_where_margins_end_with_the_volume(cells, unlabelled):
    """The crop may look less than a step back, or not at all, along each axis: the border is then the volume's."""
    crop, corner, shape = (5, 28, 28), (1, 6, 4), (7, 40, 36)
    make = MakeTargetsd([AffinityTarget("long_range")], crop)
    label = cells[: shape[0], : shape[1], : shape[2]].copy()
    label.ravel()[np.random.default_rng(3).permutation(label.size)[:unlabelled]] = -1
    item = make({"image": np.zeros((1, *shape), np.float32), "label": label[None]})
    eroded = slowly_eroded(label)
    target, known = np.zeros((12, *crop), np.float32), np.zeros((12, *crop), bool)
    for channel, offset in enumerate(LONG_RANGE.offsets):
        for v in np.ndindex(crop):
            here = tuple(np.add(v, corner))
            there = tuple(np.add(here, offset))
            other = eroded[there] if min(there) >= 0 else eroded[here]
            known[channel][v] = eroded[here] != -1 and other != -1
            target[channel][v] = known[channel][v] and eroded[here] > 0 and eroded[here] == other
    np.testing.assert_array_equal(item["known"], known)
    np.testing.assert_array_equal(item["target"], target)
    assert target.any((1, 2, 3)).all()
    assert known.all() == (unlabelled == 0)


@pytest.mark.parametrize("convention", ["nearest", "long_range"])
def test_ids_of_any_size_dtype_and_stride_give_the_same_targets(cells, convention):
    make = MakeTargetsd([AffinityTarget(convention)], (5, 40, 36))
    label = cells[:13, :100, :90][None]
    image = np.zeros(label.shape, np.float32)
    expected = make({"image": image, "label": label})["target"]
    huge = np.where(label % 2, 2**64 - 1 - label.astype(np.uint64), label.astype(np.uint64))
    mirrored = np.ascontiguousarray(label[:, ::-1, :, ::-1])[:, ::-1, :, ::-1]
    for other in (label.astype(np.int16), label.astype(np.uint64), huge, mirrored, torch.from_numpy(label.copy())):
        made = make({"image": image, "label": other})
        assert torch.equal(made["target"], expected)
        assert made["known"].all()


def test_making_targets_leaves_the_labels_as_they_are(cells):
    label = cells[:13, :100, :90][None].copy()
    label[:, 6, 30:40, 30:40] = -1
    before = label.copy()
    for targets in ([BinaryTarget()], [AffinityTarget()], BCD):
        item = MakeTargetsd(targets, CROP, 0)({"image": np.zeros(label.shape), "label": label})
        item["target"].fill_(7)
        item["known"].fill_(False)
        np.testing.assert_array_equal(label, before)


def test_a_tensor_image_stays_one_and_several_images_are_cut(cells):
    make = MakeTargetsd([BinaryTarget()], CROP, image=("image", "other"))
    label = crop_of(cells, (4, 40, 40), (1, 3, 3))
    item = make({"image": torch.zeros(label.shape), "other": np.zeros((2, *label.shape[1:])), "label": label})
    assert item["image"].shape == (1, *CROP)
    assert isinstance(item["image"], torch.Tensor)
    assert item["other"].shape == (2, *CROP)


def test_where_the_volume_ends_its_border_is_the_crops(cells):
    """A volume as thin as the crop: no margin along z, and the first section has no neighbour."""
    thin = cells[:4, :44, :40]
    make = MakeTargetsd([AffinityTarget()], CROP, 1)
    item = make({"image": np.zeros((1, *thin.shape)), "label": thin[None]})
    whole = AffinityTarget()(ErodeLabel()(thin))
    assert torch.equal(item["target"], whole[:, :, 2:42, 2:38])


def test_more_margin_than_needed_changes_nothing(cells):
    make = MakeTargetsd([ContourTarget(), AffinityTarget()], CROP)
    near, far = (crop_of(cells, (5, 50, 50), margin) for margin in (make.margin, (4, 20, 33)))
    made = [make({"image": np.zeros(label.shape), "label": label}) for label in (near, far)]
    assert torch.equal(made[0]["target"], made[1]["target"])


@pytest.mark.parametrize("seed", range(5))
def test_no_unknown_label_can_change_a_known_target(cells, seed):
    make = MakeTargetsd([*BCD, AffinityTarget("nearest")], CROP)
    generator = np.random.default_rng(seed)
    truth = crop_of(cells, (5, 50, 50), make.margin)
    sparse = truth.copy()
    for _ in range(6):  # boxes that nobody labelled
        z, y, x = (int(generator.integers(0, size)) for size in truth.shape[1:])
        sparse[:, z : z + 2, y : y + 25, x : x + 40] = -1
    made, right = (make({"image": np.zeros(label.shape), "label": label}) for label in (sparse, truth))
    known = made["known"]
    assert torch.equal(made["target"][known], right["target"][known])
    assert torch.all(made["target"][~known] == 0)
    assert 0.2 < known.float().mean() < 0.99
    centre = torch.from_numpy(crop_of(sparse[0], make.margin, (0, 0, 0))[0] == -1)
    assert not known[:, centre].any()


def test_a_mask_volume_has_the_effect_of_labels_of_minus_one(cells):
    make = MakeTargetsd([*BCD, AffinityTarget()], CROP)
    label = crop_of(cells, (5, 50, 50), make.margin)
    mask = (np.random.default_rng(0).random(label.shape) < 0.999).astype(np.uint8)
    image = np.zeros(label.shape)
    marked = make({"image": image, "label": np.where(mask, label, -1)})
    for kind in (np.int64, np.uint16, np.uint64):
        masked = make({"image": image, "label": label.astype(kind), "label_mask": mask})
        assert sorted(masked) == ["image", "known", "target"]
        assert torch.equal(masked["target"], marked["target"])
        assert torch.equal(masked["known"], marked["known"])
    full = make({"image": image, "label": label.astype(np.uint64), "label_mask": np.ones_like(mask)})
    assert full["known"].all()


def test_one_labelled_section_among_unlabelled_ones_teaches_all_but_what_crosses_sections(cells):
    make = MakeTargetsd([BinaryTarget(), ContourTarget(), AffinityTarget()], CROP)
    label = crop_of(cells, (5, 50, 50), make.margin).copy()
    label[:, [0, 1, 2, 4, 5]] = -1  # section 3 is the crop's section 2
    known = make({"image": np.zeros(label.shape), "label": label})["known"]
    assert known.float().mean((2, 3)).tolist() == [[0, 0, 1, 0]] * 2 + [[0, 0, 0, 0]] + [[0, 0, 1, 0]] * 2


def test_a_wholly_unknown_crop_has_no_known_edge():
    make = MakeTargetsd([*BCD, AffinityTarget(), InstanceDistanceTarget()], CROP)
    item = make({"image": np.zeros((1, *CROP)), "label": np.full((1, *CROP), -1)})
    assert not item["known"].any()
    assert not item["target"].any()


def test_the_drawn_cells_have_thin_background(cells):
    eroded = ErodeLabel()(cells)
    assert distance_transform_edt(eroded[0] == 0).max() < 5


def test_volumes_that_do_not_fit_are_errors():
    make = MakeTargetsd([BinaryTarget()], CROP)
    image, label = np.zeros((1, 6, 42, 38)), np.ones((1, 6, 42, 38), int)
    with pytest.raises(ValueError, match=r"labels of \(3, 42, 38\) voxels .* smaller than the crop \(4, 40, 36\)"):
        make({"image": image[:, :3], "label": label[:, :3]})
    with pytest.raises(ValueError, match=r"'image' has \(5, 42, 38\) .* 'label' \(6, 42, 38\)"):
        make({"image": image[:, :5], "label": label})
    with pytest.raises(ValueError, match=r"'label_mask' has \(5, 42, 38\)"):
        make({"image": image, "label": label, "label_mask": label[:, :5]})
    with pytest.raises(KeyError, match="reads 'label', but the item has only"):
        make({"image": image})
    with pytest.raises(KeyError, match="image"):
        make({"label": label})


def test_labels_that_are_none_are_errors():
    make = MakeTargetsd([BinaryTarget()], CROP)
    image, label = np.zeros((1, 6, 42, 38)), np.ones((1, 6, 42, 38), int)
    with pytest.raises(ValueError, match="dtype float64"):
        make({"image": image, "label": label.astype(float)})
    with pytest.raises(ValueError, match="negative id -2"):
        make({"image": image, "label": np.where(np.arange(38) == 20, -2, label)})
    with pytest.raises(ValueError, match=r"shape \(3, 6, 42, 38\) is neither"):
        make({"image": image, "label": np.repeat(label, 3, 0)})
    with pytest.raises(ValueError, match=r"id 18446744073709551615 is above"):
        make({"image": image, "label": np.full(label.shape, 2**64 - 1, np.uint64), "label_mask": label * 0})


def test_senseless_settings_are_errors():
    with pytest.raises(ValueError, match="no targets"):
        MakeTargetsd([], CROP)
    with pytest.raises(ValueError, match="crop"):
        MakeTargetsd([BinaryTarget()], (96, 96))
    with pytest.raises(ValueError, match=r"smaller than \(5, 28, 28\).*AffinityTarget .* offsets are longer"):
        MakeTargetsd([AffinityTarget("long_range")], (4, 96, 96))
    with pytest.raises(ValueError, match="erosion -1"):
        MakeTargetsd([BinaryTarget()], CROP, -1)
