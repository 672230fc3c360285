"""Augmentation: training images shifted by whole pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lava_desire.config import DesireConfig
from lava_desire.randomness import epoch_shifts


def draw_shifts(config: DesireConfig, epoch: int, num_samples: int) -> Tensor | None:
    """Draw how far an epoch moves its images, as a configuration says.

    Parameters
    ----------
    config : DesireConfig
        Seed, largest shift, share and first epoch.
    epoch : int
        Counted from 0.
    num_samples : int
        S.

    Returns
    -------
    Tensor or None
        (S, 2) int64 on the CPU, that of :func:`~lava_desire.randomness.epoch_shifts`; None where
        all images stay.
    """
    if not config.moves_images(epoch):
        return None
    largest, share = config.image_shift, config.image_shift_share
    return torch.from_numpy(epoch_shifts(config.seed, epoch, num_samples, largest, share))


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
    side = math.isqrt(images.shape[1])
    channels, height, width = input_shape if len(input_shape) == 3 else (1, side, side)
    if channels * height * width != images.shape[1]:
        expected = "x".join(map(str, input_shape)) or "the square of a width"
        raise ValueError(f"images have {images.shape[1]} inputs: expected {expected}")
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
