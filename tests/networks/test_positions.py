"""Positions: every token has its own, the same in any window."""

import pytest
import torch

from scripts.networks import sincos_positions


def by_definition(grid: tuple[int, int, int], width: int) -> torch.Tensor:
    """The docstring's words, one number at a time."""
    share = width // 6
    rows = []
    for z in range(grid[0]):
        for y in range(grid[1]):
            for x in range(grid[2]):
                row = []
                for coordinate in (z, y, x):
                    angles = [torch.tensor(coordinate * 10.0 ** (-k / share)) for k in range(share)]
                    row += [angle.sin() for angle in angles] + [angle.cos() for angle in angles]
                rows.append(torch.stack(row + [torch.tensor(0.0)] * (width - 6 * share)))
    return torch.stack(rows)


@pytest.mark.parametrize(("grid", "width"), [((3, 5, 7), 24), ((2, 1, 4), 32), ((1, 1, 1), 6), ((6, 6, 6), 7)])
def test_positions_are_those_of_the_definition(grid, width):
    torch.testing.assert_close(sincos_positions(grid, width), by_definition(grid, width))


def test_a_width_that_six_does_not_divide_ends_in_zeros():
    positions = sincos_positions((2, 3, 4), 512)
    assert positions.shape == (24, 512)
    assert (positions[:, 510:] == 0).all()
    assert (positions[0, :510] != positions[1, :510]).any()


def test_no_two_tokens_share_a_position():
    assert len(sincos_positions((6, 6, 6), 768).unique(dim=0)) == 216


def test_a_larger_window_keeps_the_positions_of_its_first_tokens():
    small = sincos_positions((3, 5, 7), 512).view(3, 5, 7, 512)
    large = sincos_positions((6, 9, 8), 512).view(6, 9, 8, 512)
    assert torch.equal(large[:3, :5, :7], small)


def test_a_width_without_room_for_three_axes_is_refused():
    with pytest.raises(ValueError, match="width 5 is too small"):
        sincos_positions((2, 2, 2), 5)
