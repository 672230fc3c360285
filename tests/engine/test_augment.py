from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.analysis import plot_weights
from lava_desire.cli.run import make_config
from lava_desire.data import Dataset
from lava_desire.randomness import epoch_moves, epoch_order, epoch_shifts
from lava_desire.training.augment import draw_moves, move_images, shift_images, turn_images
from lava_desire.training.loggers import weights_picture


def shifted(image, down, right):
    """Move one image the slow way, pixel by pixel."""
    height, width = image.shape
    moved = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row + down < height and 0 <= column + right < width:
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


@pytest.mark.parametrize("shape", [(1, 2, 5), (3, 4, 3)])
@pytest.mark.parametrize(("down", "right"), [(1, 0), (-1, 1), (0, -1)])
def test_the_channels_of_planes_move_together(shape, down, right):
    images = torch.arange(1, 1 + 2 * math.prod(shape)).view(2, -1)
    moved = shift_images(images, torch.tensor([[down, right], [0, 0]]), shape)
    for channel, plane in zip(moved[0].view(shape), images[0].view(shape), strict=True):
        np.testing.assert_array_equal(channel.numpy(), shifted(plane.numpy(), down, right))
    assert torch.equal(moved[1], images[1])
    with pytest.raises(ValueError, match="images have 7 inputs: expected 3x4x3"):
        shift_images(torch.zeros(1, 7), torch.tensor([[0, 0]]), (3, 4, 3))
    config = DesireConfig((math.prod(shape), 2), input_shape=shape, image_shift=1)
    with pytest.raises(ValueError, match=rf"expected image_shift < {min(shape[1:])}, the width"):
        config.replace(image_shift=min(shape[1:]))
    with pytest.raises(ValueError, match=r"no square image.*input_shape says which"):
        DesireConfig((7, 2), image_shift=1)


def test_a_network_learns_planes_as_they_are_moved():
    config = DesireConfig(
        layers=("2c2", "3"),
        input_shape=(2, 3, 4),
        num_steps=6,
        threshold=0.3,
        desire_threshold_hidden=0.01,
        dropout_hidden=0,
        epochs=1,
        batch_size=4,
    )
    draw = np.random.default_rng(8)
    images, labels = draw.integers(0, 256, (4, 2, 3, 4), np.uint8), np.arange(4) % 3
    moving = DesireNetwork(config.replace(image_shift=1, learning_rate=0.1))
    fit(moving, (images, labels))
    order, shifts = epoch_order(config.seed, 0, 4), epoch_shifts(config.seed, 0, 4, 1)
    moved = [
        [shifted(plane, *shift) for plane in images[sample]]
        for sample, shift in zip(order, shifts, strict=True)
    ]
    network = DesireNetwork(config)
    network.train_step(np.array(moved), labels[order], 0.1)
    assert not np.array_equal(network.numpy_weights()[0], DesireNetwork(config).numpy_weights()[0])
    np.testing.assert_array_equal(network.numpy_weights()[0], moving.numpy_weights()[0])


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


def turned(image, down, right, angle, factor):
    """Turn, scale and shift one image the slow way, in floating point."""
    height, width = image.shape
    moved = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            y, x = row - down - (height - 1) / 2, column - right - (width - 1) / 2
            y, x = (
                (math.cos(angle) * y + math.sin(angle) * x) / factor + (height - 1) / 2,
                (math.cos(angle) * x - math.sin(angle) * y) / factor + (width - 1) / 2,
            )
            for i in (math.floor(y), math.floor(y) + 1):
                for j in (math.floor(x), math.floor(x) + 1):
                    if 0 <= i < height and 0 <= j < width:
                        moved[row, column] += (1 - abs(y - i)) * (1 - abs(x - j)) * image[i, j]
    return moved


def as_move(down, right, angle, factor):
    one = 2**15 / factor
    return [down, right, round(one * math.cos(angle)), round(one * math.sin(angle))]


def test_a_quarter_turn_is_anticlockwise_and_exact():
    image = torch.arange(25, dtype=torch.uint8).view(1, 25)
    move = torch.tensor([as_move(0, 0, math.pi / 2, 1)])
    np.testing.assert_array_equal(
        turn_images(image, move).view(5, 5), np.rot90(image.view(5, 5).numpy())
    )


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_without_a_turn_an_image_is_shifted_as_it_was(dtype):
    images = torch.arange(2 * 3 * 5).to(dtype).view(2, 15)
    shifts = torch.tensor([[1, -2], [0, 1]])
    moves = torch.hstack([shifts, torch.tensor([[2**15, 0]] * 2)])
    shape = (1, 3, 5)
    expected = shift_images(images, shifts, shape)
    assert torch.equal(move_images(images, shifts, shape), expected)
    assert torch.equal(move_images(images, moves, shape), expected)


@pytest.mark.parametrize("shape", [(1, 6, 6), (2, 5, 8)])
def test_turned_images_are_those_of_the_equation_but_for_the_rounding_of_places(shape):
    draw = np.random.default_rng(3)
    cases = [(0, 0, 0.4, 1.0), (1, -2, -1.1, 1.3), (0, 1, 2.5, 0.7)]
    images = draw.integers(0, 256, (len(cases), *shape)).astype(np.uint8)
    moves = torch.tensor([as_move(*case) for case in cases])
    for dtype in (torch.uint8, torch.float64):
        found = turn_images(torch.from_numpy(images).flatten(1).to(dtype), moves, shape)
        assert found.dtype == dtype
        for planes, moved, case in zip(images, found, cases, strict=True):
            expected = np.stack([turned(plane.astype(float), *case) for plane in planes])
            # A place is known to 1/256 of a pixel, in either direction, and levels differ by 255.
            np.testing.assert_allclose(moved.view(shape).numpy(), expected, atol=2.5)


def test_turns_are_drawn_after_the_shifts_and_leave_who_stays():
    shifts, turns, *_ = epoch_moves(3, 5, 1000, 2, 0.5, 0.25, share=0.5)
    np.testing.assert_array_equal(shifts, epoch_shifts(3, 5, 1000, 2, share=0.5))
    stays = (turns == (0, 1)).all(axis=1)
    assert not shifts[stays].any()
    assert stays.mean() == pytest.approx(0.5, abs=0.05)
    angles, factors = turns[~stays].T
    for ends, drawn in (((-0.5, 0.5), angles), ((0.75, 1.25), factors)):
        np.testing.assert_allclose((drawn.min(), drawn.max()), ends, atol=0.02)
    config = DesireConfig((9, 2), image_scale=0.25, seed=3)
    moves = draw_moves(config, 5, 10).places
    assert moves.shape == (10, 4)
    assert not moves[:, [0, 1, 3]].any()
    expected = 2**15 / epoch_moves(3, 5, 10, 0, 0, 0.25)[1][:, 1]
    np.testing.assert_array_equal(moves[:, 2], np.rint(expected))


def test_an_image_is_bent_by_a_cubic_spline_of_displacements():
    height, width = 9, 16
    places = np.random.default_rng(4).integers(-(2**17), 2**17, (2, 5, 6))  # of 5 x 6 places
    rows, columns = (
        BSpline(np.arange(-3, count + 1) * 7.0, np.eye(count), 3)(np.arange(size))
        for size, count in ((height, 5), (width, 6))
    )
    down, across = rows @ places @ columns.T / 2**16
    image = np.random.default_rng(5).integers(0, 256, (height, width))
    expected = np.zeros((height, width))
    for y, x in np.ndindex(height, width):
        place = y + down[y, x], x + across[y, x]
        for i, j in itertools.product(*((math.floor(p), math.floor(p) + 1) for p in place)):
            if 0 <= i < height and 0 <= j < width:
                share = (1 - abs(place[0] - i)) * (1 - abs(place[1] - j))
                expected[y, x] += share * image[i, j]
    move = torch.tensor([[0, 0, 2**15, 0, *places.flatten()]], dtype=torch.int32)
    found = turn_images(torch.from_numpy(image.reshape(1, -1)).double(), move, (1, height, width))
    np.testing.assert_allclose(found.view(height, width), expected, atol=2.5)


def test_displacements_are_drawn_last_and_the_same_everywhere_they_shift():
    config = DesireConfig((784, 2), image_rotation=5, image_bend=1.5, image_shift_share=0.5)
    moves = draw_moves(config, 0, 400).places
    assert (tuple(moves.shape), moves.dtype) == ((400, 4 + 2 * 49), torch.int32)
    assert torch.equal(moves[:, :4], draw_moves(config.replace(image_bend=0), 0, 400).places)
    stays = (moves[:, 3:] == 0).all(axis=1)
    assert stays.double().mean() == pytest.approx(0.5, abs=0.1)
    assert moves[~stays, 4:].abs().max() == pytest.approx(1.5 * 2**16, rel=0.01)
    image = torch.arange(784).view(1, 784) % 251
    everywhere = torch.tensor([[0, 0, 2**15, 0] + [2**16] * 49 + [-(2**17)] * 49])
    assert torch.equal(turn_images(image, everywhere), shift_images(image, torch.tensor([[-1, 2]])))


def test_images_that_nearly_vanish_are_bent_as_small_as_others():
    config = DesireConfig((16, 2), image_scale=1 - 2**-24)
    moves, bent = (
        draw_moves(config.replace(image_bend=bend), 0, 200_000).places for bend in (0, 1e-5)
    )
    smallest = moves[:, 2].argmax()[None]
    assert moves[smallest, 2] > 2**31
    assert bent[smallest, 2] == 2**31 - 1
    images = torch.full((1, 16), 200, dtype=torch.uint8)
    assert torch.equal(turn_images(images, moves[smallest]), turn_images(images, bent[smallest]))


def test_moves_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"moves have shape \(1, 3\): expected \(1, 4\)"):
        turn_images(torch.zeros(1, 9), torch.zeros(1, 3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_shape": (4, 16)}, r"where images are 4 x 16 and input_shape is not \(1, 4, 16\)"),
        ({"feature_names": [f"c{place}" for place in range(64)]}, "inputs are columns of a table"),
    ],
)
def test_what_is_no_square_image_is_not_moved_as_one(fields, message):
    """64 inputs were taken for 8 x 8, whatever they are."""
    data = Dataset("mine", np.eye(8, 64, dtype=np.float32), np.arange(8) % 2, **fields)
    config = DesireConfig((64, 2), image_shift=1, epochs=1)
    with pytest.raises(ValueError, match=message):
        fit(DesireNetwork(config), data)
    made = make_config(data, {"image_shift": 1, "epochs": 1})
    if data.image_shape:
        assert made.input_shape == (1, 4, 16)
        fit(DesireNetwork(config.replace(input_shape=(1, 4, 16))), data)
    assert make_config(data).input_shape == ()
    network = DesireNetwork(config.replace(image_shift=0))
    fit(network, data)
    # Nor is it drawn as one.
    assert weights_picture(network).shape == ((6, 35) if data.image_shape else (5, 66))
    if data.image_shape:
        assert plot_weights(network).axes[0].images[0].get_array().shape == (5, 33)
    else:
        with pytest.raises(ValueError, match="inputs are columns of a table"):
            plot_weights(network)
