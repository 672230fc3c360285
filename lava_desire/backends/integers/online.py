"""What the loop over single samples in integers is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.base import Layer
from lava_desire.backends.integers.sample import (
    FORWARD,
    LEARNS,
    LEARNS_AND_TELLS,
    LEARNS_WITH_MASKS,
    run_samples,
)
from lava_desire.model.integers import IntegerRule
from lava_desire.model.state import NetworkState
from lava_desire.model.synapses import Dense
from lava_desire.randomness import DropoutStream, RoundingStream

_LARGEST = 2**62  # of a threshold of desires; no count or sum of errors reaches it


class Online:
    """Runs a network of dense layers in integers one sample at a time, and lets it learn.

    `learns` says whether it does all that the config asks for in learning; methods are those of
    :class:`lava_desire.backends.numba.online.Online`, but trains are (T, S, N) bool.

    Parameters
    ----------
    rule : IntegerRule
        Every constant.
    layers : sequence of Layer
        The network's.
    traces, weights : sequence of RoundingStream
        Random words of each layer's traces and weights.
    notes, held : ndarray
        (L, 5) and (L,) int64, which it extends: what potentials have reached, and how many weights
        were held at the end of their range.
    """

    def __init__(
        self,
        rule: IntegerRule,
        layers: Sequence[Layer],
        traces: Sequence[RoundingStream],
        weights: Sequence[RoundingStream],
        notes: Any,
        held: Any,
    ) -> None:
        config = self._config = rule.config
        self._rule, self._notes, self._held = rule, notes, held
        self.learns = not config.terms and all(each.single_samples for each in config.options)
        self._neurons = list(config.neurons)
        self._words = [*traces, *weights]
        numbers = range(config.num_layers)
        masks = [
            DropoutStream(config.neurons[k], config.dropout_of(k), config.seed, k) for k in numbers
        ]
        self._is_near = config.eligibility_policy is not None
        bands = [rule.band_of(k) if self._is_near else (0, 0) for k in numbers[1:]] + [(0, 0)]
        counts = np.arange(config.num_steps + 1)
        errors = [rule.local_error(np.full(len(counts), d, np.int8), counts) for d in (-1, 0, 1)]
        self._plan = (
            np.array(config.neurons, np.int64),
            np.array([layer.delay for layer in layers], np.int64),
            np.array(
                [
                    (
                        rule.format_of(k + 1).weight_exp,
                        *(rule.gain_into(k + 1, training) for training in (True, False)),
                        rule.threshold_of(k + 1),
                        *bands[k],
                    )
                    for k in numbers
                ],
                np.int64,
            ),
            (rule.synapse_decay, rule.decay, rule.impulse, config.reset == "subtract"),
            np.stack([*(mask.key for mask in masks), *(each.key for each in self._words)]).reshape(
                3, -1, 2
            ),
            np.array([stream.least for stream in masks], np.int64),
            np.array([min(rule.hidden_threshold(k), _LARGEST) for k in numbers[1:]], np.int64),
            np.array(errors, np.int16),
            (rule.full_count, min(rule.output_threshold, _LARGEST), config.breaks_ties),
        )

    @classmethod
    def of(cls, rule: IntegerRule, layers: Sequence[Layer], *ours: Any) -> Online | None:
        """Return what runs single samples of such a network, or None where it is not known."""
        config = rule.config
        is_known = rule.neuron == "loihi" and all(type(each.synapse) is Dense for each in layers)
        # Sums of errors have to fit 32 bits.
        is_narrow = all(size * config.num_steps << 9 < 2**31 for size in config.neurons[1:])
        return cls(rule, layers, *ours) if is_known and is_narrow else None

    def forward(self, weights: Sequence[Tensor], trains: Tensor) -> list[Tensor] | None:
        """Run one sample without dropout (Eq. 1).

        Weights are L of (N_ℓ, N_{ℓ−1}) int8, the input's trains (T, 1, N_0) bool. Returns the
        trains of the L + 1 layers, (T, 1, N_ℓ) bool; None where weights do not lie by input.
        """
        label = torch.zeros(1, dtype=torch.int64)
        outputs = self._run(NetworkState(list(weights)), trains, label, 0.0, 0, FORWARD)
        return None if outputs is None else self._by_layer(outputs[1], self._neurons)

    def step(
        self,
        state: NetworkState,
        trains: Tensor,
        label: Tensor,
        learning_rate: float,
        number: int,
        masks: Sequence[Tensor] | None,
    ) -> tuple[list[Tensor], list[Tensor] | None, list[Tensor], list[Tensor], int, int] | None:
        """Learn from one sample (Eq. 1 to 16)."""
        mode = LEARNS_AND_TELLS if masks is None else LEARNS_WITH_MASKS
        given = None if masks is None else torch.cat(list(masks), dim=1).numpy()[0]
        outputs = self._run(state, trains, label, learning_rate, number, mode, given)
        if outputs is None:
            return None
        counts, spikes, marks, kept, desires = outputs
        found = [
            list(torch.split(torch.from_numpy(values)[None], sizes, dim=1))
            for values, sizes in ((kept, self._neurons[:-1]), (desires, self._neurons[1:]))
        ]
        eligible = self._by_layer(marks, self._neurons[1:]) if self._is_near else None
        return self._by_layer(spikes, self._neurons), eligible, found[0], found[1], *counts

    def learn(
        self,
        state: NetworkState,
        trains: Tensor,
        labels: Tensor,
        learning_rate: float,
        number: int,
        shares: Sequence[float],
    ) -> tuple[int, int, int]:
        """Learn from samples one after the other, as :meth:`step` does from each."""
        outputs = self._run(state, trains, labels, learning_rate, number, LEARNS, shares=shares)
        return (0, 0, 0) if outputs is None else (len(labels), *outputs[0])

    def _run(
        self,
        state: NetworkState,
        trains: Tensor,
        labels: Tensor,
        learning_rate: float,
        number: int,
        mode: int,
        masks: Any = None,
        shares: Sequence[float] = (),
    ) -> tuple[tuple[int, int], Any, Any, Any, Any] | None:
        averages = state.average if len(shares) else []
        if not all(each.T.is_contiguous() for each in (*state.weights, *averages)):
            return None
        if any(each.dtype != torch.int8 for each in state.weights):
            return None
        if mode != FORWARD and not self._are_numbered(number + len(labels)):
            return None
        neurons, num_steps = self._neurons, len(trains)
        layers = range(1, len(neurons))
        rates = [
            (*self._rule.rate_of(each, learning_rate), *self._rule.range_of(each))
            for each in layers
        ]
        spikes = np.empty(num_steps * sum(neurons), np.bool_)
        num_marks = num_steps * sum(neurons[1:]) if self._is_near and mode != FORWARD else 0
        marks = np.empty(num_marks, np.bool_)
        if masks is None:
            masks = np.empty(sum(neurons[:-1]), np.bool_)
        desires = np.empty(sum(neurons[1:]), np.int8)
        counts = run_samples(
            trains.contiguous().numpy(),
            labels.numpy(),
            number,
            mode,
            np.array([each.data_ptr() for each in state.weights], np.int64),
            np.array(rates, np.int64),
            spikes,
            marks,
            masks,
            desires,
            *self._plan,
            self._notes,
            self._held,
            np.array([each.data_ptr() for each in averages], np.int64),
            np.array(shares, np.float32),
        )
        return counts, spikes, marks, masks, desires

    def _are_numbered(self, num_samples: int) -> bool:
        """Tell whether there are random words for so many samples."""
        try:
            for stream in self._words:
                stream.counter_of(num_samples - 1)
        except ValueError:  # which says what is allowed, where samples go another way
            return False
        return True

    def _by_layer(self, trains: Any, sizes: Sequence[int]) -> list[Tensor]:
        """Take apart trains that lie layer behind layer: (T, 1, N_ℓ) bool each."""
        num_steps = self._config.num_steps
        parts = torch.split(torch.from_numpy(trains), [num_steps * size for size in sizes])
        return [part.view(num_steps, 1, -1) for part in parts]
