"""The random symmetry."""

import numpy as np
import pytest
import torch

from scripts.ops.symmetry import SYMMETRIES, apply_flips, apply_symmetries, apply_symmetry, inverse_symmetry
from scripts.transforms.symmetry import RandSymmetry, RandSymmetryd

CORNERS = np.arange(8).reshape(1, 2, 2, 2)  # (1, z, y, x): every voxel known by name


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]),
        (1, [[[1, 0], [3, 2]], [[5, 4], [7, 6]]]),  # x flipped
        (2, [[[2, 3], [0, 1]], [[6, 7], [4, 5]]]),  # y flipped
        (4, [[[4, 5], [6, 7]], [[0, 1], [2, 3]]]),  # z flipped
        (8, [[[0, 2], [1, 3]], [[4, 6], [5, 7]]]),  # y and x swapped
        (9, [[[1, 3], [0, 2]], [[5, 7], [4, 6]]]),  # x flipped, then swapped
    ],
)
def test_a_code_moves_voxels_as_its_bits_define(code, expected):
    assert apply_symmetry(CORNERS, code)[0].tolist() == expected
    assert apply_symmetry(torch.from_numpy(CORNERS), code)[0].tolist() == expected


def test_the_sixteen_symmetries_all_differ():
    assert len({apply_symmetry(CORNERS, code).tobytes() for code in range(SYMMETRIES)}) == SYMMETRIES


def test_the_inverse_undoes_every_symmetry():
    volume = np.arange(2 * 3 * 3).reshape(1, 2, 3, 3)
    for code in range(SYMMETRIES):
        assert np.array_equal(apply_symmetry(apply_symmetry(volume, code), inverse_symmetry(code)), volume)


def test_a_batch_moves_each_sample_by_its_own_code():
    batch = torch.arange(SYMMETRIES * 2 * 3 * 3).view(SYMMETRIES, 1, 2, 3, 3)
    moved = apply_symmetries(batch, torch.arange(SYMMETRIES))
    assert all(torch.equal(moved[code], apply_symmetry(batch[code], code)) for code in range(SYMMETRIES))


def test_a_batch_that_is_not_square_is_flipped_only():
    batch = torch.arange(8 * 2 * 3 * 5).view(8, 1, 2, 3, 5)
    moved = apply_flips(batch, torch.arange(8))
    assert all(torch.equal(moved[code], apply_symmetry(batch[code], code)) for code in range(8))
    with pytest.raises(ValueError, match="not square in plane"):
        apply_symmetries(batch, torch.arange(8))


def test_keys_move_together_and_the_code_is_stored():
    volume = np.arange(2 * 3 * 3).reshape(1, 2, 3, 3)
    draw = RandSymmetryd(keys=("image", "label"))
    draw.set_random_state(seed=3)
    for _ in range(20):
        item = draw({"image": volume, "label": 100 + volume})
        assert np.array_equal(item["label"], 100 + item["image"])
        assert np.array_equal(item["image"], apply_symmetry(volume, item["symmetry"]))
        assert item["image"].flags.c_contiguous


@pytest.mark.parametrize(("shape", "codes"), [((1, 2, 3, 3), 16), ((1, 2, 3, 4), 8)])
def test_every_symmetry_the_plane_allows_is_drawn_alike(shape, codes):
    draw = RandSymmetryd()
    draw.set_random_state(seed=0)
    drawn = np.bincount([draw({"image": np.zeros(shape)})["symmetry"] for _ in range(100 * codes)])
    assert len(drawn) == codes
    assert drawn.min() > 60  # 100 expected, four standard deviations are 39
    assert drawn.max() < 140


def test_the_same_seed_draws_the_same_symmetry():
    volume = np.arange(2 * 3 * 3).reshape(1, 2, 3, 3)
    first, second = RandSymmetry(), RandSymmetry()
    first.set_random_state(seed=5)
    second.set_random_state(seed=5)
    assert all(np.array_equal(first(volume), second(torch.from_numpy(volume)).numpy()) for _ in range(10))


def test_an_item_without_the_key_or_with_unequal_extents_is_an_error():
    with pytest.raises(KeyError, match="works on 'imgae', but the item has only \\['image'\\]"):
        RandSymmetryd("imgae")({"image": CORNERS})
    with pytest.raises(ValueError, match="different extents"):
        RandSymmetryd(("image", "label"))({"image": np.zeros((1, 2, 3, 3)), "label": np.zeros((1, 2, 3, 4))})
    with pytest.raises(ValueError, match="symmetry 16 is not one of 0 to 15"):
        apply_symmetry(CORNERS, 16)
