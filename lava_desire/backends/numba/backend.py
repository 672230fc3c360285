"""Event-driven kernels for the CPU, compiled with numba.

Only spikes cost anything: a current is the sum of the weights of those inputs that spiked, and only
pairs of a spiking input and a spiking neuron with desire enter an update. The results are those of
:mod:`lava_desire.rule` to the bit, whose sums over synapses are taken in float64: where float32
decides the same, and provably so, it is used (``lava_desire.backends.numba.scan``,
``lava_desire.backends.numba.update``). Convolutions sum in float64
(``lava_desire.backends.numba.convolution``).

Weights are stored input-major, so that the weights of one input lie side by side. The compiled
functions release Python's lock; as many threads as torch uses take pieces of their work
(``lava_desire.backends.numba.threads.share``), and no result depends on how many those are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.base import Layer, error_table, output_desire_table
from lava_desire.backends.numba import ahead
from lava_desire.backends.numba.convolution import (
    add_outer_convolution,
    learn_convolution,
    pass_back_convolution,
    run_convolution,
)
from lava_desire.backends.numba.events import (
    EventLists,
    count,
    count_together,
    join_words,
    look_up,
    most_spikes,
    pack,
    silence,
    split_words,
)
from lava_desire.backends.numba.in_turn import InTurn
from lava_desire.backends.numba.online import Online
from lava_desire.backends.numba.philox import draw_masks
from lava_desire.backends.numba.scan import FAILED, NARROW, TILE, scan_layer, strips_of
from lava_desire.backends.numba.simd import largest_magnitude
from lava_desire.backends.numba.threads import (
    Workspace,
    in_parallel,
    ranges,
    share,
    tiles,
)
from lava_desire.backends.numba.update import (
    INPUTS,
    add_outer,
    clip_rows,
    desired_spikes_of,
    grain,
    learn_tiles,
    list_errors,
    local_errors,
    move_rows,
    room_of,
    signs_of,
    ternarise,
)
from lava_desire.backends.numba.words import WordBackend
from lava_desire.backends.wire import num_planes
from lava_desire.config import DesireConfig
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Dense
from lava_desire.randomness import DropoutStream

_NO_MASK = np.empty((0, 0), np.bool_)
_INFINITE = int(np.float32(np.inf).view(np.int32))  # as bits; those of NaN are above


class NumbaBackend(WordBackend):
    """Event-driven functions for the CPU. Trains are (B, N) words, of at most 64 time steps."""

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        super().__init__(config, device, precision)
        hidden_dense = any(isinstance(layer.synapse, Dense) for layer in self.layers[:-1])
        self._groups = ahead.groups_of(
            config.batch_size,
            planes=any(isinstance(layer.synapse, Conv2d) for layer in self.layers),
            near=config.eligibility_policy is not None and hidden_dense,
        )
        self._needed = [group for group in self._groups if group != "single"]
        self._begin()
        self._errors = error_table(config).numpy()
        self._output_desires = output_desire_table(config).numpy()
        self._events = EventLists(config.num_steps, config.num_layers)
        self._workspace = Workspace()
        self._online = online = Online.of(config, self.layers, self._words)
        self._has_online = False
        self._in_turn = None
        if online:
            self._in_turn = InTurn(config, online, self._words, self._events, self._workspace)
        self._loop = "loop" if config.eligibility_policy is None else "near_loop"

    def _begin(self) -> None:
        """Let other processes compile, and wait for them."""
        ahead.start(*self._groups, say=ahead.say)
        self._wait()

    def _wait(self) -> None:
        """Wait for what other processes compile, but for the loop over single samples."""
        for group in self._needed:
            ahead.finish(group)

    @property
    def online(self) -> Online | None:
        """What runs single samples, where it can and from when on it is compiled."""
        self._has_online = self._has_online or ahead.is_done("single")
        return self._online if self._has_online else None

    @property
    def in_turn(self) -> InTurn | None:
        """What learns minibatches in turn, where it can and from when on it is compiled.

        Other processes begin with it where it is asked for.
        """
        if self._in_turn is None or not self._in_turn.learns:
            return None
        ahead.start(self._loop)
        return self._in_turn if ahead.is_done(self._loop) else None

    def draw_kept(
        self, streams: Sequence[DropoutStream], first_sample: int, num_samples: int
    ) -> list[Any]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return draw_masks(streams, first_sample, num_samples)

    def _look_up(self, images: Tensor) -> Any:
        return look_up(self._words, images.numpy())

    def pack(self, spikes: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return pack(spikes.numpy())

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
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().run(layer, weights, trains, gain, mask)
        return self._run(layer, weights, trains, gain, mask, None)[0]

    def run_eligible(
        self, layer: Layer, weights: Tensor, trains: Any, gain: float, mask: Tensor | None
    ) -> tuple[Any, Any]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        policy = self.config.eligibility_policy
        if policy is None or not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().run_eligible(layer, weights, trains, gain, mask)
        return self._run(layer, weights, trains, gain, mask, policy.band(self.config.threshold))

    def _run(
        self,
        layer: Layer,
        weights: Tensor,
        trains: Any,
        gain: float,
        mask: Tensor | None,
        band: tuple[float, float] | None,
    ) -> tuple[Any, Any]:
        """Return the trains of a layer and, of a band, the steps whose potentials are in it."""
        config = self.config
        masks = _NO_MASK if mask is None else mask.contiguous().numpy()
        if isinstance(layer.synapse, Conv2d):
            return run_convolution(
                config,
                layer.synapse,
                layer.delay,
                weights.numpy(),
                trains,
                gain,
                band,
                masks,
                self._workspace,
            )
        rows = weights.T.contiguous().numpy()
        num_in, num_out = rows.shape
        tile = TILE if num_out > NARROW else NARROW
        spikes = np.empty((len(trains), num_out), np.uint64)
        eligible = None if band is None else np.empty_like(spikes)
        low, high = (np.float32(end) for end in band or (0.0, 0.0))
        # Without dropout it is no pass that is learned from, or but its last layer.
        arrived = self._events.of(trains, layer.delay, in_passing=mask is None and gain == 1)

        def scan(board: Any, thread: int) -> None:
            scan_layer(
                rows,
                arrived.used,
                arrived.unit_words,
                arrived.unit_begin,
                arrived.members,
                arrived.num_units,
                arrived.groups,
                arrived.num_groups,
                arrived.events,
                arrived.step_begin,
                arrived.depth,
                arrived.most,
                gain,
                config.decay,
                config.synapse_decay,
                config.threshold,
                config.reset == "subtract",
                low,
                high,
                masks,
                spikes,
                eligible,
                strips_of(
                    self._workspace.take("tile", ((2 * num_in + 2) * tile,), np.float32),
                    2 * num_in + 2,
                    num_out <= NARROW,
                ),
                board,
                thread,
            )

        if share(scan, tiles(num_out, tile, len(trains)))[:, FAILED].any():
            raise FloatingPointError("a potential is NaN or infinite")
        return spikes, eligible

    def classify(self, weights: Sequence[Tensor], images: Any) -> Tensor | None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        online = self.online
        return None if online is None else online.classify(weights, images)

    def is_finite(self, weights: Tensor) -> bool:
        """See :class:`~lava_desire.backends.base.Backend`."""
        rows = weights.T if weights.ndim == 2 else weights
        if not rows.is_contiguous() or rows.dtype != torch.float32:
            return super().is_finite(weights)
        bits = rows.detach().numpy().view(np.int32)
        return bool(largest_magnitude(bits.reshape(-1)) < _INFINITE)

    def output_desire(self, counts: Tensor, labels: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if self.config.output_policy is not None:
            return super().output_desire(counts, labels)
        spikes = counts.numpy()
        is_target = labels.numpy()[:, None] == np.arange(spikes.shape[1])
        return torch.from_numpy(self._output_desires[is_target.view(np.int8), spikes])

    def predict(self, trains: Any) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if self.config.decision_policy is not None:
            return super().predict(trains)
        return torch.from_numpy(most_spikes(trains))

    def pass_back(
        self, layer: Layer, weights: Tensor, desire: Tensor, trains: Any, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().pass_back(layer, weights, desire, trains, mask)
        signs, masks = desire.numpy(), _NO_MASK if mask is None else mask.numpy()
        desires = np.zeros((len(signs), layer.synapse.num_pre), np.int8)
        chosen = np.flatnonzero(_signs_of(signs, _NO_MASK)[1])
        if len(chosen):
            num_chosen, size = len(chosen), signs.shape[1]
            errors = np.empty((num_chosen, size), np.float32)
            local_errors(chosen, signs, trains, masks, self._errors, errors, 0, num_chosen)
            threshold = np.float32(self.config.desire_threshold_of(layer.number - 1))
            if isinstance(layer.synapse, Conv2d):
                pass_back_convolution(
                    layer.synapse,
                    weights.numpy(),
                    errors,
                    threshold,
                    chosen,
                    desires,
                    self._workspace,
                )
            else:
                rows = weights.T.contiguous().numpy()
                places = np.empty((num_chosen, size + 1), np.int32)
                values = np.empty(places.shape, np.float32)
                counts = np.empty(num_chosen, np.int64)
                list_errors(errors, places, values, counts, 0, num_chosen)

                def back(board: Any, thread: int) -> None:
                    tile = self._workspace.take("transposed", (rows.shape[1], INPUTS), np.float32)
                    ternarise(
                        rows,
                        errors,
                        places,
                        values,
                        counts,
                        threshold,
                        chosen,
                        desires,
                        tile,
                        board,
                        thread,
                    )

                share(back, ranges(len(rows), INPUTS))
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
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().learn(layer, weights, learning_rate, desire, mask, pre, post)
        config, rate = self.config, self.rate_of(layer, learning_rate)
        masks = _NO_MASK if mask is None else mask.numpy()
        signs, with_desire = _signs_of(desire.numpy(), masks)
        chosen = np.flatnonzero(with_desire)
        if len(chosen) and isinstance(layer.synapse, Conv2d):
            learn_convolution(
                config,
                layer.synapse,
                layer.delay,
                weights.numpy(),
                rate,
                chosen,
                signs,
                post,
                pre,
                self._workspace,
            )
        elif len(chosen):
            arrived = self._events.of(pre, layer.delay)
            with _by_input(weights) as rows:
                num_sums, num_pairings = room_of(len(rows))

                def add(board: Any, thread: int) -> None:
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
                        config.num_steps,
                        config.decay,
                        config.synapse_decay,
                        self._workspace.take("sums", (num_sums,), np.float64),
                        self._workspace.take("pairings", (num_pairings,), np.float64),
                        board,
                        thread,
                    )

                share(add, ranges(rows.shape[1], grain(rows.shape[1])))
        return torch.from_numpy(with_desire)

    def desired_spikes(self, desire: Tensor, mask: Tensor | None, trains: Any) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`."""
        masks = _NO_MASK if mask is None else mask.numpy()
        return desired_spikes_of(desire.numpy(), masks, trains)

    def add_outer(self, layer: Layer, weights: Tensor, post: Any, pre: Any) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            super().add_outer(layer, weights, post, pre)
        elif post.any() and isinstance(layer.synapse, Conv2d):
            add_outer_convolution(layer.synapse, weights.numpy(), post, pre, self._workspace)
        elif post.any():
            with _by_input(weights) as rows:
                in_parallel(partial(add_outer, rows, pre, post), len(rows))

    def clip(self, weights: Tensor, limit: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        with _by_input(weights) as rows:
            in_parallel(partial(clip_rows, rows, np.float32(limit)), len(rows))

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        with _by_input(average) as means, _by_input(weights) as rows:
            in_parallel(partial(move_rows, means, rows, np.float32(share)), len(rows))


def _signs_of(desire: Any, masks: Any) -> tuple[Any, Any]:
    """Return d · mask, (B, N) int8, and which samples have any, (B,) bool."""
    signs, with_desire = np.empty_like(desire), np.empty(len(desire), np.bool_)
    signs_of(desire, masks, signs, with_desire, 0, len(desire))
    return signs, with_desire


@contextmanager
def _by_input(weights: Tensor) -> Iterator[Any]:
    """Give a matrix (N_o, N_i) as an array (N_i, N_o) to be changed, which changes it.

    Weights of another number of dimensions are a matrix of as many rows as they have.
    """
    if weights.ndim != 2:
        yield weights.view(len(weights), -1).numpy()
        return
    rows = weights.T.contiguous()
    yield rows.numpy()
    if rows.data_ptr() != weights.data_ptr():
        weights.copy_(rows.T)
