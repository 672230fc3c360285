"""Spike trains as words with nothing compiled: what trains while kernels are compiled."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.base import Backend
from lava_desire.backends.numba.threads import own_threads
from lava_desire.config import DesireConfig


class WordBackend(Backend):
    """Torch operations on trains that are (B, N) words, of at most 64 time steps, on the CPU.

    Weights and trains are those of the compiled kernels, which so can take over between any two
    calls.
    """

    name = "compiled"

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        super().__init__(config, device, precision)
        self._words = WordBackend.pack(self, self._table[:, None])[0]

    def threads(self) -> AbstractContextManager[None]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return own_threads()

    def arrange(self, weights: Tensor) -> Tensor:
        """Return matrices with the presynaptic neurons outermost in memory."""
        return weights.T.contiguous().T if weights.ndim == 2 else weights

    def _look_up(self, images: Tensor) -> Any:
        return self._words[images.numpy()]

    def pack(self, spikes: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        words = np.zeros(spikes.shape[1:], np.uint64)
        for step, each in enumerate(spikes.numpy()):
            words |= each.astype(np.uint64) << np.uint64(step)
        return words

    def unpack(self, trains: Any) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        steps = np.arange(self.config.num_steps, dtype=np.uint64)[:, None, None]
        return torch.from_numpy(((trains >> steps) & np.uint64(1)).astype(bool))

    def desired_spikes(self, desire: Tensor, mask: Tensor | None, trains: Any) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return self.as_array(super().desired_spikes(desire, mask, trains))

    def as_array(self, values: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return values.numpy()
