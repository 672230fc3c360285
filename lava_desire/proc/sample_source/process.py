"""The source of samples: a data set as a process, one sample a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import OutPort

from lava_desire.config import DesireConfig
from lava_desire.data.checks import check_images, check_labels
from lava_desire.proc.checks import check_count, check_layer, check_options
from lava_desire.proc.source import AbstractSource
from lava_desire.proc.window import sample_shape
from lava_desire.scale import as_brightness, warn_of_scale

_Samples = tuple[Any, Any, tuple[int, ...] | None]


class SampleSource(AbstractSource):
    """A data set as a process: one minibatch a window, and from the beginning after the last.

    Parameters
    ----------
    config : DesireConfig
        N, N_L, the length of a window and the seed are taken from it: N is its `num_pixels`, N_0
        but where filters make channels.
    images : array
        (S, N), (S, h, w), (S, 1, h, w) or (S, h, w, 1), h · w = N, or (S, C, H, W) where the
        config's `input_shape` is (C, H, W); uint8, or float brightness in [0, 1].
    labels : array
        (S,) or (S, 1) integers in [0, N_L), or one-hot, (S, N_L) of 0 and 1.
    held_out : tuple of array, optional
        Images, (S, N) uint8 or float, and labels, (S,) integers, to test with, as those above;
        sent in order while `evaluating` is on.
    shuffle : bool
        Whether each epoch visits the samples in an order of its own, that of the engine.
    batch_size : int
        Samples B a window, for a network that takes as many. An epoch that B does not divide ends
        within a window.
    position : int
        Samples that have been sent before: where in which epoch to go on.

    Ports
    -----
    brightness_out : (N,) float32 in [0, 1], the same in every step of a window.
    label_out : (1,) int64, the same in every step of a window.
        With B > 1 these are (B, N) and (B,).

    Vars
    ----
    sample : (B,) int64, index of the present samples.
    position : (1,) int64, samples sent so far, held-out ones not counted.
    evaluating : (1,) bool, whether held-out samples are sent, beginning with their first; takes
        effect with the next window.

    Warns
    -----
    DataWarning
        If images are bytes on another scale than 0 to 255.

    Raises
    ------
    ValueError
        If an argument is not as above, or no pixel can ever spike; when a run begins, if images
        have another shape than those that the network they go to has learned.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.
    """

    def __init__(
        self,
        *,
        config: DesireConfig,
        images: Any,
        labels: Any,
        held_out: tuple[Any, Any] | None = None,
        shuffle: bool = False,
        batch_size: int = 1,
        position: int = 0,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        check_layer(config, 1)
        batch_size = check_count("batch_size", batch_size, 1)
        position = check_count("position", position, 0)
        *samples, shape = _checked(config, images, labels, "")
        others: Any = samples
        if held_out is not None:
            *others, other = _checked(config, *held_out, "held-out ")
            if shape is not None and other is not None and shape != other:
                raise ValueError(f"held-out images are {other}: expected {shape}, as images")
        super().__init__(
            config=config,
            samples=samples,
            held_out=others,
            shuffle=shuffle,
            batch_size=batch_size,
            position=position,
            image_shape=shape,
            **options,
        )
        self.brightness_out = OutPort(shape=sample_shape(batch_size, config.num_pixels))


def _checked(config: DesireConfig, images: Any, labels: Any, which: str) -> _Samples:
    """Return images as (S, N) float32 and labels as (S,) int64, and how high images are."""
    num_pixels, num_classes = config.num_pixels, config.num_classes
    rows, shape = check_images(images, f"{which}images", num_pixels, config.input_shape)
    if not len(rows):
        raise ValueError(f"{which}images hold no sample: expected at least one")
    numbers = check_labels(labels, f"{which}labels", len(rows), num_classes)
    rows, numbers = np.asarray(rows), np.asarray(numbers)
    warn_of_scale(config, rows, f"{which}images", whole=True)
    return as_brightness(rows), numbers, shape
