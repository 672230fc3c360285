"""Event-driven kernels for the CPU, compiled with numba.

Only spikes cost anything: a current is the sum of the weights of those inputs that spiked, and only
pairs of a spiking input and a spiking neuron with desire enter an update. The results are those of
:mod:`lava_desire.rule` to the bit, whose sums over synapses are taken in float64: where float32
decides the same, and provably so, it is used (``lava_desire.backends.numba.scan``,
``lava_desire.backends.numba.update``).

Weights are stored input-major, so that the weights of one input lie side by side. The compiled
functions release Python's lock; each is called on pieces of its work by as many threads as torch
uses, and no result depends on how many those are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.base import Backend, Layer, error_table
from lava_desire.backends.numba.events import (
    EventLists,
    count,
    count_together,
    join_words,
    look_up,
    look_up_equalized,
    pack,
    silence,
    split_words,
)
from lava_desire.backends.numba.scan import NARROW, TILE, scan_layer
from lava_desire.backends.numba.threads import (
    Workspace,
    in_parallel,
    in_parallel_tiles,
    num_threads,
    own_threads,
)
from lava_desire.backends.numba.update import (
    BLOCK,
    GROUP,
    add_outer,
    desired_spikes_of,
    learn_tiles,
    limit_rows,
    local_errors,
    move_rows,
    ternarise,
)
from lava_desire.backends.wire import num_planes
from lava_desire.config import DesireConfig

_PAIRINGS = 1 << 17  # numbers, 1 MiB: what is gathered from the second-level cache
_NO_MASK = np.empty((0, 0), np.bool_)
_ONE = np.ones(1, np.float32)  # a trace, for the factor that goes with it


class NumbaBackend(Backend):
    """Event-driven functions for the CPU. Trains are (B, N) words, of at most 64 time steps."""

    name = "compiled"

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        super().__init__(config, device, precision)
        self._words = pack(self._table.numpy()[:, None])[0]
        self._errors = error_table(config).numpy()
        self._events = EventLists(config.num_steps, config.num_layers)
        self._workspace = Workspace()

    def threads(self) -> AbstractContextManager[None]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return own_threads()

    def arrange(self, weights: Tensor) -> Tensor:
        """Return weights with the presynaptic neurons outermost in memory."""
        return weights.T.contiguous().T

    def encode(self, images: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        mean = self.config.image_brightness
        if images.dtype == torch.uint8 and mean:
            wanted = round(255 * images.shape[1] * mean)
            return look_up_equalized(self._words, images.numpy(), wanted)
        return super().encode(images)

    def _look_up(self, images: Tensor) -> Any:
        return look_up(self._words, images.numpy())

    def pack(self, spikes: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return pack(spikes.numpy())

    def unpack(self, trains: Any) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        steps = np.arange(self.config.num_steps, dtype=np.uint64)[:, None, None]
        return torch.from_numpy(((trains >> steps) & np.uint64(1)).astype(bool))

    def drop(self, trains: Any, mask: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return silence(trains, mask.numpy())

    def counts(self, trains: Any) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return torch.from_numpy(count(trains))

    def counts_together(self, trains: Any, chosen: Tensor | None = None) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if chosen is not None:
            trains = trains[chosen.numpy()]
        return torch.from_numpy(count_together(trains))

    def to_bytes(self, trains: Any, chosen: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        shape = (len(chosen), num_planes(self.config.num_steps), trains.shape[1])
        planes = np.empty(shape, np.uint8)
        split_words(trains, chosen.numpy(), planes)
        return torch.from_numpy(planes)

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        words = np.zeros((batch_size, planes.shape[2]), np.uint64)
        join_words(planes.numpy(), chosen.numpy(), words)
        return words

    def run(
        self, layer: Layer, weights: Tensor, trains: Any, gain: float, mask: Tensor | None
    ) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        config = self.config
        rows = weights.T.contiguous().numpy()
        num_in, num_out = rows.shape
        tile = TILE if num_out > NARROW else NARROW
        spikes = np.empty((len(trains), num_out), np.uint64)
        masks = _NO_MASK if mask is None else mask.contiguous().numpy()
        arrived = self._events.of(trains, layer.delay)
        are_finite: list[bool] = []

        def piece(first: int, last: int, first_sample: int, last_sample: int) -> None:
            is_finite = scan_layer(
                rows,
                arrived.used,
                arrived.unit_begin,
                arrived.members,
                arrived.num_sums,
                arrived.events,
                arrived.step_begin,
                arrived.depth,
                arrived.most,
                gain,
                config.decay,
                config.threshold,
                config.reset == "subtract",
                masks,
                spikes,
                self._workspace.take("tile", (2 * num_in, tile), np.float32),
                first,
                last,
                first_sample,
                last_sample,
            )
            are_finite.append(is_finite)

        in_parallel_tiles(piece, num_out, tile, len(trains))
        if not all(are_finite):
            raise FloatingPointError("a potential is NaN or infinite")
        return spikes

    def pass_back(
        self, layer: Layer, weights: Tensor, desire: Tensor, trains: Any, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        signs, masks = desire.numpy(), _NO_MASK if mask is None else mask.numpy()
        rows = weights.T.contiguous().numpy()
        desires = np.zeros((len(signs), len(rows)), np.int8)
        chosen = np.flatnonzero(signs.any(axis=1))
        if len(chosen):
            errors = local_errors(chosen, signs, trains, masks, self._errors)
            threshold = np.float32(self.config.desire_threshold_hidden)
            in_parallel(partial(ternarise, rows, errors, threshold, chosen, desires), len(rows), 8)
        return torch.from_numpy(desires)

    def learn(
        self,
        layer: Layer,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        pre: Any,
        post: Any,
        first_sample: int = 0,
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        config, rate = self.config, self.rate_of(layer, learning_rate)
        signs = desire.numpy()
        if mask is not None:
            signs = signs * mask.numpy()
        with_desire = signs.any(axis=1)
        chosen = np.flatnonzero(with_desire)
        if len(chosen):
            arrived = self._events.of(pre, layer.delay)
            with _by_input(weights) as rows:
                room = max(_PAIRINGS, len(rows) * BLOCK) // GROUP

                def piece(first: int, last: int) -> None:
                    learn_tiles(
                        rows,
                        rate,
                        chosen,
                        signs,
                        post,
                        arrived.unit_words,
                        arrived.inputs,
                        arrived.unit_of,
                        arrived.unit_begin,
                        arrived.num_units,
                        arrived.used,
                        config.num_steps,
                        config.decay,
                        self._workspace.take("sums", (len(rows), BLOCK), np.float64),
                        self._workspace.take("pairings", (room, GROUP), np.float64),
                        first,
                        last,
                    )

                in_parallel(piece, rows.shape[1], _grain(rows.shape[1]))
        return torch.from_numpy(with_desire)

    def deduct_baseline(
        self,
        weights: Tensor,
        learning_rate: Any,
        desire: Tensor,
        mask: Tensor | None,
        post: Any,
        baseline: Tensor,
    ) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        masks = _NO_MASK if mask is None else mask.numpy()
        desired = desired_spikes_of(desire.numpy(), masks, post)
        if not desired.any():
            return
        scaled = (-learning_rate * desired).astype(np.float32)
        with _by_input(weights) as rows:
            in_parallel(partial(add_outer, rows, baseline.numpy(), scaled), len(rows))

    def lift(
        self,
        weights: Tensor,
        learning_rate: Any,
        rate: Tensor,
        floor: float,
        mean_traces: Tensor,
        num_samples: int,
    ) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        lifted = rule.rate_floor_change(rate.numpy(), floor, _ONE, num_samples, learning_rate)[:, 0]
        if lifted.any():
            with _by_input(weights) as rows:
                in_parallel(partial(add_outer, rows, mean_traces.numpy(), lifted), len(rows))

    def clip(self, weights: Tensor, limit: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        with _by_input(weights) as rows:
            in_parallel(partial(limit_rows, rows, np.float32(limit)), len(rows))

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        rows = weights.T.contiguous().numpy()
        with _by_input(average) as means:
            in_parallel(partial(move_rows, means, rows, np.float32(share)), len(rows))


def _grain(num_neurons: int) -> int:
    """Return how many neurons an update takes at a time: as many in each of few large pieces."""
    num_pieces = num_threads() * -(-num_neurons // (num_threads() * BLOCK))
    return GROUP * -(-num_neurons // (num_pieces * GROUP))


@contextmanager
def _by_input(weights: Tensor) -> Iterator[Any]:
    """Give weights, (N_o, N_i), as an array (N_i, N_o) to be changed, which changes them."""
    rows = weights.T.contiguous()
    yield rows.numpy()
    if rows.data_ptr() != weights.data_ptr():
        weights.copy_(rows.T)
