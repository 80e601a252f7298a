"""Class weights: both classes of a sample have equal weight."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.ops.targets.class_weights import class_weights, positive_fraction


def test_the_rarer_class_weighs_the_ratio():
    target = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 0]])
    known = torch.ones(2, 4, dtype=torch.bool)
    assert class_weights(target, known).tolist() == [[3, 1, 1, 1], [1, 1, 1, 3]]


def test_each_channel_may_have_a_ratio_of_its_own_or_all_voxels_count_alike():
    target = torch.tensor([[[1.0, 0, 0, 0], [1, 1, 1, 0]]])
    known = torch.ones(1, 2, 4, dtype=torch.bool)
    assert class_weights(target, known).unique().tolist() == [1]  # half of both channels together
    assert class_weights(target, known, "channel").tolist() == [[[3, 1, 1, 1], [1, 1, 1, 3]]]
    assert class_weights(target, known, "none").tolist() == [[[1] * 4] * 2]
    known[0, 1, 1:3] = False
    assert class_weights(target, known, "channel")[0, 1].tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="balance 'voxel'"):
        class_weights(target, known, "voxel")


def test_no_class_weighs_more_than_nineteen_times_the_other():
    target = torch.zeros(2, 100)
    target[0, 0], target[1, 1:] = 1, 1
    weights = class_weights(target, torch.ones(2, 100, dtype=torch.bool))
    assert weights[:, 0].tolist() == pytest.approx([19, 19])
    assert weights[:, 1:].unique().tolist() == [1]


def test_unknown_voxels_do_not_count():
    target = torch.tensor([[1.0, 0, 1, 1, 1]])
    known = torch.tensor([[True, True, False, False, False]])
    assert positive_fraction(target, known).tolist() == [0.5]
    assert positive_fraction(target, torch.zeros_like(known)).tolist() == pytest.approx([0.05])


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.booleans(), min_size=20, max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_both_classes_of_known_voxels_weigh_alike_unless_clipped(values, mask):
    target, known = torch.tensor([values]).float(), torch.tensor([mask])
    weights = class_weights(target, known)
    positive, negative = weights[known & (target == 1)].sum().item(), weights[known & (target == 0)].sum().item()
    if min(positive, negative) > 0:
        assert positive == pytest.approx(negative, rel=1e-5)
    assert weights.min() >= 1
    assert weights.max() <= 19.001


def test_a_mask_of_another_kind_is_an_error():
    with pytest.raises(ValueError, match=r"known torch.float32 \[1, 4\] must be bool"):
        class_weights(torch.zeros(1, 4), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"the target's shape \[1, 4\]"):
        class_weights(torch.zeros(1, 4), torch.zeros(1, 5, dtype=torch.bool))
