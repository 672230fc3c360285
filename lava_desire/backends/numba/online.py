"""What the loop over single samples is given, which networks it knows, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.base import Layer, error_table
from lava_desire.backends.numba.sample import UNKNOWN, classify, run_samples
from lava_desire.config import DesireConfig
from lava_desire.data.checks import least_bright
from lava_desire.model.option import output_desires
from lava_desire.model.rates import MeanRates
from lava_desire.model.state import NetworkState
from lava_desire.model.synapses import Dense
from lava_desire.randomness import DropoutStream

_FORWARD, _LEARNS, _LEARNS_AND_TELLS, _LEARNS_WITH_MASKS = range(4)


class Online:
    """Runs a network of dense layers one sample at a time, and lets it learn.

    `learns` says whether it does all that the config asks for in learning. What image_shift moves
    is the training run's. `plan` is what compiled loops are given of the config, and `scales`, (L,)
    float64, what learning rates are multiplied by. `words`, (256,) uint64, are the trains of all
    brightnesses.
    """

    def __init__(self, config: DesireConfig, layers: Sequence[Layer], words: Any) -> None:
        terms = [term.numbers(config.mean_trace, 1) for term in config.terms]
        self.learns = None not in terms and all(each.single_samples for each in config.options)
        numbers = range(config.num_layers)
        streams = [
            DropoutStream(config.neurons[k], config.dropout_of(k), config.seed, k) for k in numbers
        ]
        thresholds = [config.desire_threshold_of(k) for k in numbers[1:]]
        desires = torch.zeros(2, config.num_steps + 1, dtype=torch.int8)
        if self.learns:  # an option that looks at all counts has no table of one
            counts = torch.arange(config.num_steps + 1)[:, None].expand(-1, 2)
            for row, label in enumerate((1, 0)):
                labels = torch.full((len(counts),), label)
                desires[row] = output_desires(config, counts, labels)[:, 0]
        self._neurons = list(config.neurons)
        policy = config.eligibility_policy
        band = (0.0, 0.0) if policy is None else policy.band(config.threshold)
        self._num_chances = 0 if policy is None else sum(self._neurons[1:])
        self.plan = (
            np.array(config.neurons, np.int64),
            np.array([layer.delay for layer in layers], np.int64),
            np.array([config.dropout_gain(k) for k in numbers], np.float64),
            np.stack([stream.key for stream in streams]),
            np.array([stream.least for stream in streams], np.int64),
            np.array([*thresholds, 0], np.float32),
            error_table(config).numpy(),
            desires.numpy(),
            np.array(
                [
                    config.decay,
                    config.synapse_decay,
                    config.threshold,
                    config.reset == "subtract",
                    min((bound.limit() for bound in config.bounds), default=0),
                    config.part(MeanRates).baseline_samples,
                    config.rates_desired_samples,
                    config.breaks_ties,
                    *band,
                ],
                np.float64,
            ),
        )
        sizes, delays, numbers_of = self.plan[0], self.plan[1], self.plan[-1]
        self._plan_forward = sizes, delays, numbers_of, config.num_steps
        self._parts, self._parts_behind = (
            [slice(end - size, end) for size, end in zip(some, np.cumsum(some), strict=True)]
            for some in (self._neurons, self._neurons[1:])
        )
        self._strides = [(1, size) for size in self._neurons[1:]]
        self._held: tuple[list[int], Any] = [], None  # addresses of weights, and as an array
        is_plain = not config.filters and config.decision_policy is None
        self._image_shape = (1, self._neurons[0]) if is_plain else None  # of what is classified
        self._least, self._words = least_bright(self._neurons[0]), words
        self._terms = np.array(terms if self.learns else [], np.float64).reshape(-1, 3)
        self.scales = np.array([config.learning_rate_scale_of(k + 1) for k in numbers])

    @classmethod
    def of(cls, config: DesireConfig, layers: Sequence[Layer], words: Any) -> Online | None:
        """Return what runs single samples of such a network, or None where it is not known."""
        is_known = all(isinstance(layer.synapse, Dense) for layer in layers)
        return cls(config, layers, words) if is_known else None

    def classify(self, weights: Sequence[Tensor], images: Any) -> Tensor | None:
        """Classify one image as it was given; see :meth:`.Backend.classify`.

        Only one row of bytes, (1, N_0), black or bright enough, with weights and potentials that
        are finite, goes this way: None for all else, of which others say what is wrong with it.
        """
        is_row = type(images) is np.ndarray and images.shape == self._image_shape
        if not is_row or images.dtype != np.uint8:
            return None
        weights = tuple(weights)  # held, should another thread exchange one
        addresses = self._addresses_of(weights)
        if addresses is None:
            return None
        # A copy lies in one run, may be written, and so is of the type that is compiled.
        found = classify(images.copy(), self._least, self._words, addresses, *self._plan_forward)
        return None if found == UNKNOWN else torch.tensor([found])

    def _addresses_of(self, weights: Sequence[Tensor]) -> Any:
        """Return where the weights lie, (L,) int64, or None if not all lie by input."""
        for each, strides in zip(weights, self._strides, strict=True):
            if each.stride() != strides and not each.T.is_contiguous():
                return None
        addresses, held = [each.data_ptr() for each in weights], self._held
        if addresses != held[0]:
            self._held = held = addresses, np.array(addresses, np.int64)
        return held[1]

    def forward(self, weights: Sequence[Tensor], trains: Any) -> list[Any] | None:
        """Run one sample without dropout (Eq. 1).

        Weights are L of (N_ℓ, N_{ℓ−1}) float32, the input's trains (1, N_0) words. Returns the
        trains of the L + 1 layers, (1, N_ℓ) words; None where weights do not lie by input, or a
        weight or potential is NaN or infinite.
        """
        no_labels = np.zeros(1, np.int64)
        outputs = self._run(NetworkState(list(weights)), trains, no_labels, 0.0, 0, _FORWARD)
        return _by_layer(outputs[1], self._parts) if outputs and outputs[0][0] else None

    def step(
        self,
        state: NetworkState,
        trains: Any,
        label: Tensor,
        learning_rate: float,
        number: int,
        masks: Sequence[Tensor] | None,
    ) -> tuple[list[Any], list[Any] | None, list[Tensor], list[Tensor], int, int] | None:
        """Learn from one sample (Eq. 1 to 16).

        The state's weights and mean rates change in place. The input's trains are (1, N_0) words,
        the label (1,) int64; `learning_rate` is η before a layer's factor, and masks, L of (1, N_ℓ)
        bool, are drawn by the sample's number where none are given. Returns trains of L + 1 layers,
        L trains of eligible steps or None, L masks, L desires, and how many samples are predicted
        right (Sec. 4.2), and have desire; None, with nothing changed, as :meth:`forward`.
        """
        mode = _LEARNS_AND_TELLS if masks is None else _LEARNS_WITH_MASKS
        given = None if masks is None else torch.cat(list(masks), dim=1).numpy()[0]
        labels = label.numpy()
        outputs = self._run(state, trains, labels, learning_rate, number, mode, given)
        if outputs is None or not outputs[0][0]:
            return None
        (_, num_correct, num_active), words, kept, desires = outputs
        found = [
            list(torch.split(torch.from_numpy(values)[None], sizes, dim=1))
            for values, sizes in ((kept, self._neurons[:-1]), (desires, self._neurons[1:]))
        ]
        num_spiking = sum(self._neurons)
        trains = _by_layer(words[:num_spiking], self._parts)
        eligible = None
        if self._num_chances:
            eligible = _by_layer(words[num_spiking:], self._parts_behind)
        return trains, eligible, found[0], found[1], num_correct, num_active

    def learn(
        self,
        state: NetworkState,
        trains: Any,
        labels: Tensor,
        learning_rate: float,
        number: int,
        shares: Sequence[float],
    ) -> tuple[int, int, int]:
        """Learn from samples one after the other, as :meth:`step` does from each.

        Trains are (S, N_0) words, labels (S,) int64; masks are drawn from the first sample's number
        on. `shares`, S of them or none, say by how much each sample moves the state's average.
        Returns the samples before the first that cannot be learned, and of these predicted right,
        and with desire.
        """
        outputs = self._run(
            state, trains, labels.numpy(), learning_rate, number, _LEARNS, shares=shares
        )
        return (0, 0, 0) if outputs is None else outputs[0]

    def _run(
        self,
        state: NetworkState,
        trains: Any,
        labels: Any,
        learning_rate: float,
        number: int,
        mode: int,
        masks: Any = None,
        shares: Sequence[float] = (),
    ) -> tuple[tuple[int, int, int], Any, Any, Any] | None:
        averages = state.average if len(shares) else []
        addresses = self._addresses_of(state.weights)
        if addresses is None or not all(each.T.is_contiguous() for each in averages):
            return None
        rates, rated = np.empty(0), np.empty(0, np.int64)
        if mode and state.holds("input_rates"):
            rates, rated = torch.cat(state.input_rates).numpy(), state.rated_samples.numpy()
        neurons = self._neurons
        words = np.empty(sum(neurons) + (self._num_chances if mode else 0), np.uint64)
        if masks is None:
            masks = np.empty(sum(neurons[:-1]), np.bool_)
        desires = np.empty(sum(neurons[1:]), np.int8)
        counts = run_samples(
            trains,
            labels,
            number,
            mode,
            addresses,
            learning_rate * self.scales,
            words,
            masks,
            desires,
            *self.plan,
            self._terms,
            np.array([each.data_ptr() for each in averages], np.int64),
            np.array(shares, np.float32),
            rates,
            rated,
        )
        begin = 0
        for each in state.input_rates if len(rates) else ():
            each.copy_(torch.from_numpy(rates[begin : begin + len(each)]))
            begin += len(each)
        return counts, words, masks, desires


def _by_layer(words: Any, parts: Sequence[slice]) -> list[Any]:
    """Take apart trains that lie layer behind layer: (1, N_ℓ) words each."""
    row = words[None]
    return [row[:, part] for part in parts]
