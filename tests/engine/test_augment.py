from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lava_desire.randomness import epoch_shifts
from lava_desire.training.augment import shift_images


def shifted(image, down, right):
    """Move one image the slow way, pixel by pixel."""
    side = len(image)
    moved = np.zeros_like(image)
    for row in range(side):
        for column in range(side):
            if 0 <= row + down < side and 0 <= column + right < side:
                moved[row + down, column + right] = image[row, column]
    return moved


def test_an_image_moves_down_and_right():
    image = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8, 9]], dtype=torch.uint8)
    moved = shift_images(image, torch.tensor([[1, 0]]))
    assert moved.tolist() == [[0, 0, 0, 1, 2, 3, 4, 5, 6]]
    moved = shift_images(image, torch.tensor([[0, -1]]))
    assert moved.tolist() == [[2, 3, 0, 5, 6, 0, 8, 9, 0]]
    assert moved.dtype == torch.uint8


@given(
    st.integers(2, 6).flatmap(
        lambda side: st.tuples(
            st.just(side),
            st.integers(1 - side, side - 1),
            st.integers(1 - side, side - 1),
            st.sampled_from([torch.uint8, torch.float32]),
        )
    )
)
def test_every_shift_is_that_of_single_pixels(case):
    side, down, right, dtype = case
    images = torch.arange(1, 2 * side * side + 1).to(dtype).view(2, -1)
    moved = shift_images(images, torch.tensor([[down, right], [0, 0]]))
    expected = shifted(images[0].view(side, side).numpy(), down, right)
    np.testing.assert_array_equal(moved[0].view(side, side).numpy(), expected)
    assert torch.equal(moved[1], images[1])


@pytest.mark.parametrize(
    ("size", "shifts", "message"),
    [
        (5, [[0, 0]], "expected the square of a width"),
        (9, [[0, 3]], "shifts reach 3: expected less than 3"),
        (9, [[0, 0], [0, 0]], r"shifts have shape \(2, 2\): expected \(1, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(size, shifts, message):
    with pytest.raises(ValueError, match=message):
        shift_images(torch.zeros(1, size), torch.tensor(shifts))


def test_shifts_reach_both_ends_and_depend_on_the_epoch_alone():
    shifts = epoch_shifts(3, 5, 1000, 2)
    assert shifts.shape == (1000, 2)
    assert {int(value) for value in np.unique(shifts)} == {-2, -1, 0, 1, 2}
    np.testing.assert_array_equal(shifts, epoch_shifts(3, 5, 1000, 2))
    assert not np.array_equal(shifts, epoch_shifts(3, 6, 1000, 2))
    assert not np.array_equal(shifts, epoch_shifts(4, 5, 1000, 2))


def test_a_share_of_the_shifts_is_kept():
    shifts, some = epoch_shifts(3, 5, 1000, 2), epoch_shifts(3, 5, 1000, 2, share=0.5)
    kept = some.any(axis=1)
    np.testing.assert_array_equal(some[kept], shifts[kept])
    assert 0.42 < kept.mean() < 0.54  # 24 in 25 of a half
    assert not epoch_shifts(3, 5, 1000, 2, share=0.0).any()
