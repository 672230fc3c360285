"""Augmentation: training images that are shifted, turned and scaled."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lava_desire.config import DesireConfig
from lava_desire.randomness import epoch_moves

_ONE = 2**15
"""Half a pixel, in 1/65,536 of one."""


def draw_moves(config: DesireConfig, epoch: int, num_samples: int) -> Tensor | None:
    """Draw how an epoch moves its images, as a configuration says.

    Parameters
    ----------
    config : DesireConfig
        Seed, largest shift, angle and scale, share and first epoch.
    epoch : int
        Counted from 0.
    num_samples : int
        S.

    Returns
    -------
    Tensor or None
        On the CPU, int64, for :func:`move_images`: (S, 2), shifts, those of
        :func:`~lava_desire.randomness.epoch_shifts`; where images are turned or scaled as well,
        (S, 4) with the two numbers of :func:`turn_images`. None where all images stay.
    """
    if not config.moves_images(epoch):
        return None
    shifts, turns = epoch_moves(
        config.seed,
        epoch,
        num_samples,
        config.image_shift,
        math.radians(config.image_rotation),
        config.image_scale,
        config.image_shift_share,
    )
    if not config.image_rotation and not config.image_scale:
        return torch.from_numpy(shifts)
    angles, factors = turns.T
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) / factors[:, None]
    return torch.from_numpy(np.hstack([shifts, np.rint(steps * _ONE).astype(np.int64)]))


def move_images(images: Tensor, moves: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Move images as drawn, by :func:`shift_images`, or :func:`turn_images` of four numbers each.

    Parameters and errors are theirs.
    """
    moved = shift_images if moves.shape[-1] == 2 else turn_images
    return moved(images, moves, input_shape)


def shift_images(images: Tensor, shifts: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Move images; what they uncover is dark, what leaves them is lost.

    Parameters
    ----------
    images : Tensor
        (B, N_0) of any dtype.
    shifts : Tensor
        (B, 2) int64, pixels down and to the right, each smaller in size than height and width.
    input_shape : tuple of int
        (C, H, W), whose channels move together; of others N_0 is the square of the width.

    Returns
    -------
    Tensor
        (B, N_0), a new tensor of the images' dtype.

    Raises
    ------
    ValueError
        If the images are not square and have no known planes, a shift leaves nothing of an image,
        or shapes do not fit.
    """
    channels, height, width = _planes(images, input_shape)
    if shifts.shape != (len(images), 2):
        raise ValueError(f"shifts have shape {tuple(shifts.shape)}: expected ({len(images)}, 2)")
    if len(shifts) and int(shifts.abs().max()) >= min(height, width):
        raise ValueError(
            f"shifts reach {int(shifts.abs().max())}: expected less than {min(height, width)}"
        )
    # A pixel takes the brightness of the one that the shift brings to its place.
    rows = (torch.arange(height, device=images.device) - shifts[:, :1])[:, :, None]
    columns = (torch.arange(width, device=images.device) - shifts[:, 1:])[:, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    sources = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    planes = images.reshape(len(images), channels, -1)
    moved = planes.gather(2, sources.flatten(1)[:, None].expand(-1, channels, -1))
    return (moved * inside.flatten(1)[:, None]).flatten(1)


def turn_images(images: Tensor, moves: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Turn and scale images about their centre, then shift them.

    Not in the paper. A pixel takes the brightness at the place that is brought to it, (a·y + b·x,
    a·x − b·y) with a = cos θ / f, b = sin θ / f and (y, x) its place from the centre less the
    shift, from the four pixels around, each by its share (bilinear). What lies outside is dark.
    Places are integers, in 1/65,536 of a pixel, and shares in 1/256, so that the result is the
    same on all devices.

    Parameters
    ----------
    images : Tensor
        (B, N_0) of any dtype; integers are rounded to the nearest.
    moves : Tensor
        (B, 4) int64: pixels down and to the right, then 32,768·a and 32,768·b; θ anticlockwise,
        f > 1 enlarges.
    input_shape : tuple of int
        (C, H, W), whose channels move together; of others N_0 is the square of the width.

    Returns
    -------
    Tensor
        (B, N_0), a new tensor of the images' dtype.

    Raises
    ------
    ValueError
        If the images are not square and have no known planes, or shapes do not fit.
    """
    channels, height, width = _planes(images, input_shape)
    if moves.shape != (len(images), 4):
        raise ValueError(f"moves have shape {tuple(moves.shape)}: expected ({len(images)}, 4)")
    down, right, cosine, sine = moves.T[:, :, None, None]
    # From the centre, in halves of a pixel: integers whether there is a pixel at the centre or not.
    rows = 2 * (torch.arange(height, device=images.device)[:, None] - down) - (height - 1)
    columns = 2 * (torch.arange(width, device=images.device) - right) - (width - 1)
    from_row = cosine * rows + sine * columns + (height - 1) * _ONE
    from_column = cosine * columns - sine * rows + (width - 1) * _ONE
    planes = images.reshape(len(images), channels, -1)
    exact = torch.float64 if images.is_floating_point() else torch.int64
    total = torch.zeros(planes.shape, dtype=exact, device=images.device)
    for row, row_share in _neighbours(from_row):
        for column, column_share in _neighbours(from_column):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            source = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            share = (row_share * column_share * inside).flatten(1)[:, None]
            found = planes.gather(2, source.flatten(1)[:, None].expand(-1, channels, -1))
            total += share * found
    if images.is_floating_point():
        return (total / 2**16).to(images.dtype).flatten(1)
    return ((total + 2**15) >> 16).to(images.dtype).flatten(1)


def _neighbours(place: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the pixels before and after places in 1/65,536, and their shares in 1/256."""
    first, share = place >> 16, (place >> 8) & 255
    return [(first, 256 - share), (first + 1, share)]


def _planes(images: Tensor, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    side = math.isqrt(images.shape[1])
    planes = input_shape if len(input_shape) == 3 else (1, side, side)
    if math.prod(planes) != images.shape[1]:
        expected = "x".join(map(str, input_shape)) or "the square of a width"
        raise ValueError(f"images have {images.shape[1]} inputs: expected {expected}")
    return planes
