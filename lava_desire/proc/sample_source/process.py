"""The source of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.proc.window import check_layer


class SampleSource(AbstractProcess):
    """A data set as a process: one sample a window, in order and then from the beginning.

    Parameters
    ----------
    config : DesireConfig
        N_0, N_L and the length of a window are taken from it.
    images : array
        (S, N_0) uint8, or float brightness in [0, 1].
    labels : array
        (S,) integers in [0, N_L).

    Ports
    -----
    brightness_out : (N_0,) float32 in [0, 1], the same in every step of a window; int32 in
        [0, 255] in fixed point.
    label_out : (1,) int64, the same in every step of a window.

    Vars
    ----
    sample : (1,) int64, index of the present sample.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(self, *, config: DesireConfig, images: Any, labels: Any, **options: Any) -> None:
        check_layer(config, 1)
        images, labels = np.asarray(images), np.asarray(labels)
        num_inputs, num_classes = config.layer_sizes[0], config.layer_sizes[-1]
        if images.ndim != 2 or images.shape[1] != num_inputs or not len(images):
            raise ValueError(
                f"images have shape {images.shape}: expected (S, {num_inputs}), one row a sample"
            )
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / np.float32(255)
        elif images.dtype.kind != "f" or not ((images >= 0) & (images <= 1)).all():
            raise ValueError(f"images are {images.dtype}: expected uint8, or float in [0, 1]")
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels are {labels.dtype} {labels.shape}: expected integers ({len(images)},)"
            )
        outside = (labels < 0) | (labels >= num_classes)
        if outside.any():
            raise ValueError(
                f"labels hold {labels[outside][0]}: expected classes in [0, {num_classes})"
            )
        super().__init__(
            config=config,
            images=images.astype(np.float32),
            labels=labels.astype(np.int64),
            **options,
        )
        self.brightness_out = OutPort(shape=(num_inputs,))
        self.label_out = OutPort(shape=(1,))
        self.sample = Var(shape=(1,), init=0)
