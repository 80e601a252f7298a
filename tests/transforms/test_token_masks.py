"""Masks hide the tokens of their kind, as many as the ratio demands, and repeat by their seed."""

import re

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from scripts.transforms import (
    RandColumnMask,
    RandColumnMaskd,
    RandSectionMask,
    RandSectionMaskd,
    RandTokenMask,
    RandTokenMaskd,
)

EACH = (RandTokenMask, RandColumnMask, RandSectionMask)
EACH_D = (RandTokenMaskd, RandColumnMaskd, RandSectionMaskd)


@pytest.mark.parametrize(
    ("strategy", "ratio", "kept"),
    [
        (RandTokenMask, 0.9, 21),
        (RandColumnMask, 8 / 9, 24),
        (RandSectionMask, 5 / 6, 36),
        (RandTokenMask, 0.5, 108),
        (RandTokenMask, 0.75, 54),
        (RandTokenMask, 0.95, 10),
        (RandColumnMask, 0.5, 108),
        (RandSectionMask, 0.5, 108),
    ],
)
def test_the_counts_of_the_paper_are_exact_at_every_draw(strategy, ratio, kept):
    mask = strategy((6, 6, 6), ratio).set_random_state(seed=0)
    assert {int((~mask()).sum()) for _ in range(20)} == {kept}


def test_space_only_hides_whole_columns():
    mask = RandColumnMask((3, 5, 7), 0.8).set_random_state(seed=0)()
    assert mask.shape == (3, 5, 7)
    assert (mask == mask[:1]).all()
    assert int((~mask[0]).sum()) == 7


def test_section_only_hides_whole_sections():
    mask = RandSectionMask((5, 3, 7), 0.6).set_random_state(seed=0)()
    assert (mask == mask[:, :1, :1]).all()
    assert int((~mask[:, 0, 0]).sum()) == 2


def test_random_hides_every_token_equally_often():
    draw = RandTokenMask((2, 3, 4), 0.75).set_random_state(seed=0)
    share = torch.stack([draw() for _ in range(2000)]).float().mean(0)
    assert (share - 0.75).abs().max() < 0.05


@pytest.mark.parametrize("strategy", EACH)
def test_a_seed_repeats_the_masks_and_another_does_not(strategy):
    first, again, other = (strategy((6, 6, 6), 0.5).set_random_state(seed=seed) for seed in (1, 1, 2))
    draws = [[mask() for _ in range(8)] for mask in (first, again, other)]
    assert all(torch.equal(one, two) for one, two in zip(draws[0], draws[1], strict=True))
    assert any(not torch.equal(one, two) for one, two in zip(draws[0], draws[2], strict=True))


@pytest.mark.parametrize(("strategy", "dictionary"), list(zip(EACH, EACH_D, strict=True)))
def test_the_dictionary_form_adds_the_mask_and_touches_nothing_else(strategy, dictionary):
    item = {"image": np.zeros((1, 6, 96, 96), np.float32), "index": 3}
    result = dictionary((6, 6, 6), 0.5).set_random_state(seed=4)(item)
    assert set(result) == {"image", "index", "mask"}
    assert result["image"] is item["image"]
    assert "mask" not in item
    assert result["mask"].dtype == torch.bool
    assert torch.equal(result["mask"], strategy((6, 6, 6), 0.5).set_random_state(seed=4)())


@pytest.mark.parametrize("dictionary", EACH_D)
def test_an_item_without_an_image_gets_a_mask_too(dictionary):
    assert dictionary()({"corner": (0, 0, 0)})["mask"].shape == (6, 6, 6)


def test_a_chain_seeds_its_mask():
    chains = [Compose([RandTokenMaskd()]).set_random_state(seed=5) for _ in range(2)]
    assert torch.equal(chains[0]({})["mask"], chains[1]({})["mask"])


def test_a_draw_can_be_repeated_without_drawing():
    draw = RandTokenMask().set_random_state(seed=0)
    assert torch.equal(draw(), draw(randomize=False))


def test_a_mask_may_be_changed_without_changing_the_next():
    draw = RandSectionMask().set_random_state(seed=0)
    first = draw()
    first[...] = False
    assert int(draw(randomize=False).sum()) == 180


@pytest.mark.parametrize(
    ("strategy", "ratio", "message"),
    [
        (RandTokenMask, 0.999, "keeps 0 of 216 tokens"),
        (RandTokenMask, 0.0, "keeps 216 of 216 tokens"),
        (RandTokenMask, -0.2, "keeps 216 of 216 tokens"),
        (RandTokenMask, 1.5, "keeps 0 of 216 tokens"),
        (RandTokenMask, float("nan"), "ratio nan"),
        (RandColumnMask, 0.98, "keeps 0 of 36 columns of a grid (6, 6, 6): ratios above 0 and up to 0.9722 (1 - 1/36)"),
        (RandSectionMask, 0.9, "keeps 0 of 6 sections of a grid (6, 6, 6): ratios above 0 and up to 0.8333 (1 - 1/6)"),
    ],
)
def test_a_ratio_that_keeps_nothing_or_everything_is_refused_with_those_that_work(strategy, ratio, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        strategy((6, 6, 6), ratio)


def test_the_largest_ratio_the_error_names_works():
    assert int((~RandSectionMask((6, 6, 6), 1 - 1 / 6)()).sum()) == 36


def test_a_grid_of_one_section_cannot_hide_sections():
    with pytest.raises(ValueError, match="has 1 sections: no ratio can"):
        RandSectionMask((1, 6, 6), 0.5)


@pytest.mark.parametrize("strategy", EACH)
@pytest.mark.parametrize("grid", [(6, 6), (0, 6, 6)])
def test_a_grid_that_is_not_three_counts_is_refused(strategy, grid):
    with pytest.raises(ValueError, match="three whole numbers"):
        strategy(grid, 0.5)
