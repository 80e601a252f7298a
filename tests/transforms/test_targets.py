"""Each target on labels drawn by hand, against a slow definition, flipped, and beside unknown labels."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.data import MetaTensor
from scipy.ndimage import distance_transform_edt

from scripts.ops.symmetry import FLIP_X, FLIP_Y, FLIP_Z, SWAP_YX, SYMMETRIES, apply_symmetry
from scripts.transforms import (
    AffinityTarget,
    BinaryTarget,
    ContourTarget,
    InstanceDistanceTarget,
    SectionDistanceTarget,
    ShapeDescriptorTarget,
)
from scripts.transforms.label_erosion import ErodeLabel

TWO_CELLS = np.array([[[[1, 1, 2, 0]]]])  # (1, z=1, y=1, x=4)
STEPS = [[-1, 0, 0], [0, 2, -1]]
MAKERS = [
    AffinityTarget(),
    AffinityTarget(STEPS),
    BinaryTarget(),
    ContourTarget(0),
    ContourTarget(1),
    SectionDistanceTarget(2, 5),
    InstanceDistanceTarget((5, 1, 1.5)),
    ShapeDescriptorTarget((1, 2, 2)),
]
NAMES = ["nearest", "two steps", "binary", "contour 0", "contour 1", "section distance", "instance distance", "shape"]
SMALL = hnp.arrays(np.int16, st.tuples(*[st.integers(3, 6)] * 3), elements=st.integers(-1, 3), fill=st.nothing())
every_target = pytest.mark.parametrize("target", MAKERS, ids=NAMES)
examples = settings(deadline=None, max_examples=25, derandomize=True)


def test_affinities_break_between_cells_and_at_background():
    z, y, x = AffinityTarget([[0, 0, -1], [0, 0, 2], [0, 0, 3]])(TWO_CELLS)
    assert z.tolist() == [[[1, 1, 0, 0]]]
    assert y.tolist() == [[[0, 0, 1, 0]]]  # the third voxel has no neighbour: its own foreground
    assert x.tolist() == [[[0, 1, 1, 0]]]


def test_affinities_are_known_where_both_ends_are():
    known = AffinityTarget([[0, 0, -1]]).known(np.array([[[[1, 1, -1, 2, 2]]]]))
    assert known.tolist() == [[[[True, True, False, False, True]]]]


def test_the_binary_target_is_the_foreground_and_known_where_labelled():
    label = np.array([[[[3, 0, -1]]]])
    assert BinaryTarget()(label).tolist() == [[[[1, 0, 0]]]]
    assert BinaryTarget().known(label).tolist() == [[[[True, True, False]]]]


def test_a_contour_is_known_where_its_stencil_is():
    label = np.ones((1, 7, 7), int)
    label[0, 3, 3] = -1
    cross = ~ContourTarget(0).known(label)[0, 0]
    assert cross.nonzero().tolist() == [[2, 3], [3, 2], [3, 3], [3, 4], [4, 3]]
    square = ContourTarget(1).known(label)[0, 0]
    assert square[0].tolist() == [True] * 7
    assert (~square).sum().item() == 5 * 5 - 4  # a square of 5 without its corners


def test_an_object_distance_is_known_until_the_unknown_is_nearer_than_the_background():
    label = np.array([[[[0, 1, 1, 1, 1, 1, 1, -1]]]])
    known = SectionDistanceTarget().known(label)
    assert known.tolist() == [[[[True, True, True, True, False, False, False, False]]]]
    distances = SectionDistanceTarget()(label)[0, 0, 0, 1:4]
    np.testing.assert_allclose(distances, np.tanh([1 / 8, 2 / 8, 3 / 8]), rtol=1e-6)


def test_a_section_with_a_gap_and_one_kind_is_wholly_unknown_and_others_are_not():
    label = np.ones((2, 3, 3), int)
    label[0, 0, 0] = -1
    known = SectionDistanceTarget().known(label)
    assert not known[0, 0].any()
    assert known[0, 1].all()


def test_an_instance_that_touches_the_unknown_is_unknown_and_its_neighbour_is_not():
    label = np.array([[[[-1, 5, 5, 0, 7, 7, 9]]]])
    assert InstanceDistanceTarget().known(label).tolist() == [[[[False, False, False, True, True, True, True]]]]


def test_erosion_separates_cells_and_keeps_unknown_voxels():
    label = np.array([[[[0, 1, 1, 1, 2, 2, 2, -1, 0, 0]]]])
    assert ErodeLabel()(label).tolist() == [[[[0, 1, 1, 0, 0, 2, -1, -1, 0, 0]]]]


def slow_affinity(label: np.ndarray, channel: int, v: tuple[int, ...]) -> float:
    u = tuple(a + b for a, b in zip(v, STEPS[channel], strict=True))
    inside = all(0 <= a < size for a, size in zip(u, label.shape, strict=True))
    return float(label[v] > 0 and (not inside or label[u] == label[v]))


def slow_contour(label: np.ndarray, _: int, v: tuple[int, ...]) -> float:
    z, y, x = v
    rows, columns = label.shape[1:]
    for j in range(max(0, y - 1), min(rows, y + 2)):
        for i in range(max(0, x - 1), min(columns, x + 2)):
            if label[z, min(rows - 1, j + 1), i] != label[z, max(0, j - 1), i]:
                return 1.0
            if label[z, j, min(columns - 1, i + 1)] != label[z, j, max(0, i - 1)]:
                return 1.0
    return 0.0


def nearest(v: tuple[int, ...], others: np.ndarray, size: tuple[float, ...]) -> float:
    if not others.any():
        return np.inf
    return float(np.sqrt((((np.argwhere(others) - v) * size) ** 2).sum(1)).min())


def slow_section_distance(label: np.ndarray, _: int, v: tuple[int, ...]) -> float:
    section = label[v[0]] > 0
    away = nearest(v[1:], section != section[v[1:]], (1, 1))
    if away == np.inf:
        return float(np.tanh(5 if label[v] > 0 else -5))
    return float(np.tanh(away / 2 if label[v] > 0 else -away / 5))


def slow_instance_distance(label: np.ndarray, _: int, v: tuple[int, ...]) -> float:
    if label[v] == 0:
        return -1.0
    if (label == label[v]).all():
        return 1.0
    depth = distance_transform_edt(label == label[v], sampling=(5, 1, 1.5))
    return float(depth[v] / depth.max())


@pytest.mark.parametrize(
    ("target", "slow"),
    [
        (AffinityTarget(STEPS), slow_affinity),
        (BinaryTarget(), lambda label, _, v: float(label[v] > 0)),
        (ContourTarget(), slow_contour),
        (SectionDistanceTarget(2, 5), slow_section_distance),
        (InstanceDistanceTarget((5, 1, 1.5)), slow_instance_distance),
    ],
    ids=["affinity", "binary", "contour", "section distance", "instance distance"],
)
def test_a_target_is_its_definition_voxel_by_voxel(target, slow: Callable[..., float]):
    @examples
    @given(hnp.arrays(np.int64, st.tuples(*[st.integers(3, 5)] * 3), elements=st.integers(0, 3), fill=st.nothing()))
    def agrees(label: np.ndarray) -> None:
        found = target(label)
        expected = [[slow(label, channel, v) for v in np.ndindex(label.shape)] for channel in range(target.channels)]
        np.testing.assert_allclose(found.numpy().reshape(target.channels, -1), expected, atol=1e-6)

    agrees()


@every_target
def test_a_target_states_how_many_maps_it_makes_of_what_kind(target):
    label = np.random.default_rng(0).integers(0, 4, (1, 4, 6, 7))
    made, known = target(label), target.known(label)
    assert made.shape == known.shape == (target.channels, 4, 6, 7)
    assert (made.dtype, known.dtype) == (torch.float32, torch.bool)
    assert known[:, torch.from_numpy(label[0] > 0)].all()
    assert known.all() or isinstance(target, ShapeDescriptorTarget)  # the background has no shape
    assert made.min() >= -1
    assert made.max() <= 1


@every_target
def test_no_unknown_label_can_change_what_is_declared_known(target):
    @examples
    @given(SMALL, st.integers(0, 2**32 - 1))
    def holds(label: np.ndarray, seed: int) -> None:
        truth = np.where(label < 0, np.random.default_rng(seed).integers(0, 5, label.shape), label)
        if isinstance(target, InstanceDistanceTarget):  # it may go on, out of reach, through what is unknown
            truth = np.where((label < 0) & (truth > 0), truth + 10, truth)
        known = target.known(label)
        assert torch.equal(target(label)[known], target(truth)[known])

    holds()


@examples
@given(SMALL, st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_no_unknown_label_can_change_a_known_eroded_one(label, erosion, seed):
    truth = np.where(label < 0, np.random.default_rng(seed).integers(0, 5, label.shape), label)
    eroded = ErodeLabel(erosion)(label)
    assert (eroded[label < 0] == -1).all()
    np.testing.assert_array_equal(eroded[eroded >= 0], ErodeLabel(erosion)(truth)[eroded >= 0])


@every_target
@examples
@given(label=SMALL)
def test_only_borders_between_labels_matter_not_their_numbers(target, label):
    renamed = np.where(label > 0, np.array([0, 900, 30_000, 7])[label], label)
    assert torch.equal(target(label), target(renamed))
    assert torch.equal(target.known(label), target.known(renamed))


@every_target
def test_any_integer_dtype_and_container_gives_the_same(target):
    label = np.random.default_rng(3).integers(0, 3, (1, 4, 6, 5))
    expected = target(label)
    kinds = [np.uint8, np.uint16, np.int32, np.uint32, np.uint64, np.dtype(">i4")]
    assert all(torch.equal(target(label.astype(kind)), expected) for kind in kinds)
    for tensor in (torch.from_numpy(label), torch.from_numpy(label.astype(np.uint64)), MetaTensor(label)):
        assert torch.equal(target(tensor), expected)
    assert torch.equal(target(label[0]), expected)
    assert torch.equal(target(label[:, :, ::-1, ::-1][:, :, ::-1, ::-1]), expected)


@every_target
def test_ids_beyond_the_reach_of_floats_stay_apart(target):
    near = np.where(np.random.default_rng(4).random((4, 6, 6)) < 0.5, 1, 2)
    huge = (np.uint64(2**64 - 4) + near.astype(np.uint64)).astype(np.uint64)
    assert torch.equal(target(huge), target(near))
    assert torch.equal(target(2**53 + near.astype(np.int64)), target(near))


@every_target
def test_labels_are_left_as_they_are(target):
    label = np.random.default_rng(5).integers(-1, 3, (1, 4, 6, 5))
    before = label.copy()
    target(label), target.known(label), ErodeLabel()(label)
    np.testing.assert_array_equal(label, before)


@pytest.mark.parametrize("code", range(SYMMETRIES))
def test_affinities_of_flipped_labels_are_those_of_the_labels_moved_by_one_voxel(code):
    label = np.random.default_rng(6).integers(0, 3, (4, 6, 6))
    swaps = [0, 2, 1] if code & SWAP_YX else [0, 1, 2]
    moved = AffinityTarget()(np.ascontiguousarray(apply_symmetry(label, code)))
    turned = apply_symmetry(AffinityTarget()(label), code)[swaps]  # a transpose swaps the maps of y and x
    foreground = torch.from_numpy(np.ascontiguousarray(apply_symmetry(label, code)) > 0).float()
    flipped = {0: FLIP_Z, 1: FLIP_Y, 2: FLIP_X}
    for axis in range(3):  # a flip stores an edge at its other end
        source = swaps[axis]
        expected = turned[axis]
        if code & flipped[source]:
            expected = torch.roll(expected, 1, axis)
            expected.select(axis, 0).copy_(foreground.select(axis, 0))
        assert torch.equal(moved[axis], expected)


def test_channels_margins_and_least_sizes():
    long = AffinityTarget("long_range")
    assert (long.channels, long.margin, long.smallest) == (12, (4, 27, 27), (5, 28, 28))
    assert (AffinityTarget().channels, AffinityTarget().margin) == (3, (1, 1, 1))
    assert (BinaryTarget().channels, BinaryTarget().margin) == (1, (0, 0, 0))
    assert (ContourTarget(2).margin, ContourTarget(0).margin) == ((0, 3, 3), (0, 1, 1))
    assert (SectionDistanceTarget().margin, InstanceDistanceTarget().margin) == ((0, 32, 32), (1, 8, 8))
    assert (ShapeDescriptorTarget((1, 5, 5.2)).channels, ShapeDescriptorTarget((1, 5, 5.2)).margin) == (10, (2, 10, 11))
    assert ErodeLabel(2).margin == (0, 2, 2)


@every_target
def test_labels_that_are_none_are_errors(target):
    with pytest.raises(ValueError, match="dtype float32"):
        target(np.ones((1, 4, 4, 4), np.float32))
    label = np.full((4, 4, 4), -1)
    label[2, 1, 3] = -7
    with pytest.raises(ValueError, match=r"negative id -7 at \(z, y, x\) = \(2, 1, 3\)"):
        target(label)
    with pytest.raises(ValueError, match=r"shape \(3, 4, 4, 4\) is neither"):  # RGB
        target(np.ones((3, 4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="empty"):
        target(np.zeros((0, 4, 4), int))


def test_an_offset_longer_than_the_labels_is_an_error():
    with pytest.raises(ValueError, match=r"offset \(0, -27, 0\) is longer than the labels of \(6, 20, 96\)"):
        AffinityTarget("long_range")(np.ones((6, 20, 96), int))


def test_senseless_settings_are_errors():
    with pytest.raises(ValueError, match="unknown affinity convention 'near'"):
        AffinityTarget("near")
    with pytest.raises(ValueError, match=r"offset \(0, 0, 0\)"):
        AffinityTarget([[0, 0, 0]])
    with pytest.raises(ValueError, match="thickness -1"):
        ContourTarget(-1)
    with pytest.raises(ValueError, match="erosion -1"):
        ErodeLabel(-1)
    with pytest.raises(ValueError, match=r"sigma \[1, 0, 2\] must be three numbers"):
        ShapeDescriptorTarget([1, 0, 2])
    with pytest.raises(ValueError, match="outside 0"):
        SectionDistanceTarget(outside=0)
    with pytest.raises(ValueError, match="voxel_size"):
        InstanceDistanceTarget((30, 6))
    with pytest.raises(ValueError, match="margin"):
        InstanceDistanceTarget(margin=(1, -1, 1))
