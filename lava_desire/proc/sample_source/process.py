"""The source of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.proc.checks import check_count, check_layer
from lava_desire.proc.window import sample_shape


class SampleSource(AbstractProcess):
    """A data set as a process: one minibatch a window, and from the beginning after the last.

    Parameters
    ----------
    config : DesireConfig
        N_0, N_L, the length of a window and the seed are taken from it.
    images : array
        (S, N_0) uint8, or float brightness in [0, 1].
    labels : array
        (S,) integers in [0, N_L).
    held_out : tuple of array, optional
        Images and labels to test with, (S, N_0) uint8 or float and (S,) integers; sent in order
        while `evaluating` is on.
    shuffle : bool
        Whether each epoch visits the samples in an order of its own, that of the engine.
    batch_size : int
        Samples B a window, for a network that takes as many. An epoch that B does not divide ends
        within a window.
    position : int
        Samples that have been sent before: where in which epoch to go on.

    Ports
    -----
    brightness_out : (N_0,) float32 in [0, 1], the same in every step of a window; int32 in
        [0, 255] in fixed point.
    label_out : (1,) int64, the same in every step of a window.
        With B > 1 these are (B, N_0) and (B,).

    Vars
    ----
    sample : (B,) int64, index of the present samples.
    position : (1,) int64, samples sent so far, held-out ones not counted.
    evaluating : (1,) bool, whether held-out samples are sent, beginning with their first; takes
        effect with the next window.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

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
        check_layer(config, 1)
        batch_size = check_count("batch_size", batch_size, 1)
        position = check_count("position", position, 0)
        samples = _checked(config, images, labels, "")
        super().__init__(
            config=config,
            samples=samples,
            held_out=_checked(config, *held_out, "held-out ") if held_out is not None else samples,
            shuffle=shuffle,
            batch_size=batch_size,
            **options,
        )
        self.brightness_out = OutPort(shape=sample_shape(batch_size, config.layer_sizes[0]))
        self.label_out = OutPort(shape=(batch_size,))
        self.sample = Var(shape=(batch_size,), init=0)
        self.position = Var(shape=(1,), init=position)
        self.evaluating = Var(shape=(1,), init=0)


def _checked(config: DesireConfig, images: Any, labels: Any, which: str) -> tuple[Any, Any]:
    """Return images as (S, N_0) float32 and labels as (S,) int64, or refuse them."""
    images, labels = np.asarray(images), np.asarray(labels)
    num_inputs, num_classes = config.layer_sizes[0], config.layer_sizes[-1]
    if images.ndim != 2 or images.shape[1] != num_inputs or not len(images):
        raise ValueError(
            f"{which}images have shape {images.shape}: expected (S, {num_inputs}), one row a sample"
        )
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / np.float32(255)
    elif images.dtype.kind != "f" or not ((images >= 0) & (images <= 1)).all():
        raise ValueError(f"{which}images are {images.dtype}: expected uint8, or float in [0, 1]")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{which}labels are {labels.dtype} {labels.shape}: expected integers ({len(images)},)"
        )
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        raise ValueError(
            f"{which}labels hold {labels[outside][0]}: expected classes in [0, {num_classes})"
        )
    return images.astype(np.float32), labels.astype(np.int64)
