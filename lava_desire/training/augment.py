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


def shift_images(images: Tensor, shifts: Tensor) -> Tensor:
    """Move square images; what they uncover is dark, what leaves them is lost.

    Parameters
    ----------
    images : Tensor
        (B, N_0) of any dtype, N_0 the square of the width.
    shifts : Tensor
        (B, 2) int64, pixels down and to the right, each smaller in size than the width.

    Returns
    -------
    Tensor
        (B, N_0), a new tensor of the images' dtype.

    Raises
    ------
    ValueError
        If the images are not square, a shift leaves nothing of an image, or shapes do not fit.
    """
    side = math.isqrt(images.shape[1])
    if side * side != images.shape[1]:
        raise ValueError(f"images have {images.shape[1]} inputs: expected the square of a width")
    if shifts.shape != (len(images), 2):
        raise ValueError(f"shifts have shape {tuple(shifts.shape)}: expected ({len(images)}, 2)")
    if len(shifts) and int(shifts.abs().max()) >= side:
        raise ValueError(f"shifts reach {int(shifts.abs().max())}: expected less than {side}")
    # A pixel takes the brightness of the one that the shift brings to its place.
    places = torch.arange(side, device=images.device)
    rows = (places - shifts[:, :1])[:, :, None]
    columns = (places - shifts[:, 1:])[:, None, :]
    inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
    sources = rows.clamp(0, side - 1) * side + columns.clamp(0, side - 1)
    moved = images.gather(1, sources.flatten(1))
    return moved * inside.flatten(1)
