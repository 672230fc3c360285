"""Checks that images are on the scale that the rate encoder turns into spikes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.data.checks import DataWarning, check_scale
from lava_desire.model.option import filtered


def warn_of_scale(
    config: DesireConfig,
    images: Any,
    name: str = "images",
    *,
    whole: bool = False,
    spikes: Callable[[Any], bool] | None = None,
) -> None:
    """Say so where images are on another scale than 0 to 255, or [0, 1].

    Images are (S, N) uint8 or float32, as :func:`~lava_desire.data.checks.check_images` returns
    them. `spikes` says of images whether the encoder makes a spike of any pixel: the rule's, which
    takes NumPy arrays, when not given. Warns with DataWarning if they are bytes that end below a
    quarter of 255, as those from 0 to 16 do; raises DataError if no pixel can ever spike, as of
    bytes 0 and 1, which a `whole` data set may not lack, and a batch may.
    """
    found = check_scale(
        images,
        spikes or (lambda some: bool(encode_images(config, some).any())),
        f"{config.num_steps} time steps at threshold {config.threshold:g}",
        name,
        whole=whole,
        equalized=any(each.equalizes for each in config.filters),
    )
    if found is not None:
        warnings.warn(found, DataWarning, stacklevel=3)


def encode_images(config: DesireConfig, images: Any) -> Any:
    """Encode images as spike trains, with the rule's encoder.

    Images are (B, N) uint8 or float32 in [0, 1], spikes (T, B, N_0) bool.
    """
    return rule.encode(as_brightness(filtered(config, images)), config.num_steps, config.threshold)


def as_brightness(images: Any) -> Any:
    """Return images, (B, N) uint8 or float32, as brightness: float32 in [0, 1]."""
    return images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images
