"""Training images moved by whole pixels, so that a network does not learn where a digit stands."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
