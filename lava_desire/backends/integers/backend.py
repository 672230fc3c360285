"""The integers of Lava's fixed-point processes, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.base import Backend, Layer
from lava_desire.backends.integers import convolutions, kernels
from lava_desire.backends.integers.online import Online
from lava_desire.backends.numba import ahead
from lava_desire.backends.numba.philox import draw_masks
from lava_desire.backends.numba.threads import Workspace, in_parallel, own_threads
from lava_desire.backends.numba.update import move_rows
from lava_desire.backends.registry import FIXED_POINT
from lava_desire.config import DesireConfig
from lava_desire.model import integers
from lava_desire.model.checks import check_layers
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.encoding import BRIGHTEST
from lava_desire.model.integers import IntegerRule, LayerFormat
from lava_desire.model.integers.limits import ACCUMULATOR_LIMIT, ALIGNMENT_BITS
from lava_desire.model.integers.xylo import Population
from lava_desire.model.option import LayerUpdate, integer_term_factors, refuse_in_integers
from lava_desire.model.rates import whole_rate
from lava_desire.model.synapses import Dense, Synapse, delayed
from lava_desire.randomness import DropoutStream, RoundingStream

_NO_POTENTIALS = np.empty((0, 0, 0), np.int32)
_NO_MARKS = np.empty((0, 0, 0), np.bool_)
_ALL_KEPT = np.empty((0, 0), np.bool_)
_SINGLE = "integer_single"
_GRAIN = 64  # neurons, whose weights of an input lie in a line of the cache


@dataclass
class LayerRange:
    """What integers a layer's neurons have reached since the network was made, or was last asked.

    Parameters
    ----------
    lowest, highest : int
        Of the membrane potential before its reset, in 24 bits.
    largest_activation : int
        Magnitude before the gain. Above 2**17 − 1 the current of Lava's own LIF would wrap.
    activations_saturated, potentials_saturated, weights_saturated : int
        How often a value was held at the end of its range.
    """

    lowest: int
    highest: int
    largest_activation: int
    activations_saturated: int
    potentials_saturated: int
    weights_saturated: int


class IntegerBackend(Backend):
    """The integers of Lava's ``fixed_pt`` processes, on the CPU.

    At B = 1 it learns what the processes learn, random draws included. Of a larger batch every
    sample has its own draws of traces; the changes are summed in the accumulator and rounded once,
    with the draws of the first. Weights are int8 mantissas.

    Parameters
    ----------
    config : DesireConfig
        Shape, neuron model and rule.
    device : torch.device
        The CPU.
    precision : str
        ``"fixed_point"`` or the default; integers have no other.
    kernels : str
        ``"auto"``; integers have no other.
    formats : sequence of LayerFormat, optional
        L formats, layer 1 first; those of
        :func:`~lava_desire.fixed.default_formats` when not given.

    Attributes
    ----------
    rule : IntegerRule
        Every constant.

    Raises
    ------
    ValueError
        If the device is no CPU, or formats do not fit the config.
    """

    name = "integers"
    draws = True

    def __init__(
        self,
        config: DesireConfig,
        device: torch.device,
        precision: str = FIXED_POINT,
        kernels: str = "auto",
        formats: Sequence[LayerFormat] | None = None,
    ) -> None:
        if device.type != "cpu":
            raise ValueError(f"device is {device}: expected cpu, where integers are computed")
        if precision not in (FIXED_POINT, "float32"):
            raise ValueError(f"precision is {precision!r}: expected {FIXED_POINT!r}")
        if kernels != "auto":
            raise ValueError(
                f"kernels is {kernels!r}: expected 'auto', integers have kernels of one kind"
            )
        super().__init__(config, device, FIXED_POINT)
        self.rule = IntegerRule(config, formats)
        has_planes = any(isinstance(layer.synapse, Conv2d) for layer in self.layers)
        self._groups = ahead.groups_in_integers(has_planes)
        levels = np.arange(BRIGHTEST + 1)
        self._table = integers.encode(levels, config.num_steps, self.rule.encoder_threshold)
        self._workspace = Workspace()
        self._trace_words = [self._words_of("trace", layer) for layer in self.layers]
        self._weight_words = [self._words_of("weight", layer) for layer in self.layers]
        self.mean_trace, self.bytes_a_train = self.rule.mean_trace, config.num_steps
        self._held = np.zeros(len(self.layers), np.int64)
        self._notes = np.zeros((len(self.layers), 5), np.int64)
        words = (self._trace_words, self._weight_words)
        self._online = Online.of(self.rule, self.layers, *words, self._notes, self._held)

    @property
    def online(self) -> Online | None:
        """What runs single samples, where it can and from when on it is compiled."""
        if self._online is None:
            return None
        ahead.start(*self._groups, _SINGLE, say=ahead.say)
        return self._online if ahead.is_done(_SINGLE) else None

    def _words_of(self, purpose: str, layer: Layer) -> RoundingStream:
        synapse = layer.synapse
        traces = (self.config.num_steps, synapse.num_pre)
        table = synapse.weight_table if purpose == "weight" else traces
        return RoundingStream(purpose, *table, self.config.seed, layer.number)

    def take_ranges(self) -> list[LayerRange]:
        """Return what integers each layer has reached, and begin to observe anew."""
        notes = zip(self._notes.tolist(), self._held.tolist(), strict=True)
        ranges = [LayerRange(*(*reached, held)) for reached, held in notes]
        self._held[:], self._notes[:] = 0, 0
        return ranges

    def draw_kept(
        self, streams: Sequence[DropoutStream], first_sample: int, num_samples: int
    ) -> list[Any]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return draw_masks(streams, first_sample, num_samples)

    def threads(self) -> AbstractContextManager[None]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return own_threads()

    def as_weights(self, weights: Sequence[Any]) -> list[Tensor]:
        """Return mantissas, of integers in the range of their format or of float weights."""
        check_layers("weights", weights, len(self.layers))
        mantissas = [
            integers.as_mantissas(
                f"weights[{layer.number - 1}]",
                np.asarray(given),
                layer.synapse.weight_shape,
                self.rule.format_of(layer.number),
                self.rule.weight_unit,
            )
            for layer, given in zip(self.layers, weights, strict=True)
        ]
        if self.config.bounds:
            ranges = [self.rule.range_of(layer.number) for layer in self.layers]
            mantissas = [array.clip(*ends) for array, ends in zip(mantissas, ranges, strict=True)]
        return [
            torch.from_numpy(np.asfortranarray(array) if array.ndim == 2 else array)
            for array in mantissas
        ]

    def float_weights(self, weights: Sequence[Tensor]) -> list[Any]:
        """Return the weights that mantissas stand for: L float32 arrays (N_ℓ, N_{ℓ−1})."""
        return [
            integers.dequantize_weights(mantissas.numpy(), form, self.rule.weight_unit)
            for mantissas, form in zip(weights, self.rule.formats, strict=True)
        ]

    def keep_feedback(self, layer: int, held: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        kept = integers.feedback_kept(held.numpy(), self.rule.step_of(layer))
        return torch.from_numpy(np.asfortranarray(kept) if kept.ndim == 2 else kept)

    def feedback(self, weights: Tensor, kept: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        policy: Any = self.config.feedback_policy
        matrix: Tensor = integers.feedback_mantissas(policy, weights, kept)
        return matrix

    def format_fields(self) -> list[dict[str, int]]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return self.rule.to_dicts()

    def check_learning(self, learning_rate: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`."""
        refuse_in_integers(self.config)
        for layer in self.layers:
            self.rule.check_rate(layer.number, learning_rate)

    def encode(self, inputs: Tensor) -> Any:
        """See :class:`~lava_desire.backends.base.Backend`.

        The first pass waits for kernels, which other processes compile all at once.
        """
        ahead.start(*self._groups, say=ahead.say)
        for group in self._groups:
            ahead.finish(group)
        return super().encode(inputs)

    def encode_images(self, images: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        levels = integers.filtered_brightness(self.config, images.numpy())
        spikes = np.empty((self.config.num_steps, *levels.shape), np.bool_)
        kernels.look_up(self._table, levels, spikes)
        return torch.from_numpy(spikes)

    def run(
        self, layer: Layer, weights: Tensor, trains: Tensor, gain: float, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        notes = self._notes[layer.number - 1]
        return self._scan(layer, weights, trains, gain, mask, _NO_MARKS, _NO_POTENTIALS, notes)

    def run_eligible(
        self, layer: Layer, weights: Tensor, trains: Tensor, gain: float, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        eligible = np.empty((*trains.shape[:2], layer.synapse.num_post), np.bool_)
        notes = self._notes[layer.number - 1]
        spikes = self._scan(layer, weights, trains, gain, mask, eligible, _NO_POTENTIALS, notes)
        return spikes, torch.from_numpy(eligible)

    def potentials(
        self, layer: Layer, weights: Tensor, trains: Tensor, gain: float, mask: Tensor | None
    ) -> Tensor:
        """Return the potentials of what :meth:`run` runs, (T, B, N_ℓ) int32, after their resets."""
        potentials = np.empty((*trains.shape[:2], layer.synapse.num_post), np.int32)
        notes = np.zeros(5, np.int64)
        self._scan(layer, weights, trains, gain, mask, _NO_MARKS, potentials, notes)
        return torch.from_numpy(potentials)

    def _scan(
        self,
        layer: Layer,
        weights: Tensor,
        trains: Tensor,
        gain: float,
        mask: Tensor | None,
        eligible: Any,
        potentials: Any,
        notes: Any,
    ) -> Tensor:
        integer, number = self.rule, layer.number
        if integer.neuron == "xylo":
            return self._scan_xylo(layer, weights, trains, gain, mask, eligible, potentials, notes)
        spikes = np.empty((*trains.shape[:2], layer.synapse.num_post), np.bool_)
        constants = (
            integer.format_of(number).weight_exp,
            integer.gain_into(number, gain != 1),
            integer.synapse_decay,
            integer.decay,
            integer.threshold_of(number),
            self.config.reset == "subtract",
        )
        kept = _ALL_KEPT if mask is None else np.ascontiguousarray(mask.numpy())
        band = integer.band_of(number) if len(eligible) else (0, 0)
        filled = (constants, kept, spikes, band, eligible, potentials, notes)
        synapse, arrived = layer.synapse, (trains.numpy(), layer.delay)
        if isinstance(synapse, Dense):
            rows, seen = np.ascontiguousarray(weights.T.numpy()), []

            def piece(first: int, last: int) -> None:
                seen.append(np.zeros_like(notes))
                kernels.run_dense(rows, *arrived, *filled[:-1], seen[-1], first, last)

            in_parallel(piece, spikes.shape[1])
            for own in seen:
                notes[:1] = np.minimum(notes[:1], own[:1])
                notes[1:3] = np.maximum(notes[1:3], own[1:3])
                notes[3:] += own[3:]
        elif isinstance(synapse, Conv2d):
            rows = np.ascontiguousarray(weights.flatten(1).T.numpy())
            convolutions.run_convolution(synapse.geometry, rows, *arrived, *filled)
        else:
            sums = synapse.current(weights, delayed(trains, layer.delay))
            kernels.run_neurons(sums.numpy(), *filled)
        return torch.from_numpy(spikes)

    def _scan_xylo(
        self,
        layer: Layer,
        weights: Tensor,
        trains: Tensor,
        gain: float,
        mask: Tensor | None,
        eligible: Any,
        potentials: Any,
        notes: Any,
    ) -> Tensor:
        """Do what :meth:`_scan` does; dropout's gain is of the shifted weights, rounded down."""
        integer, number = self.rule, layer.number
        form, ones = integer.format_of(number), np.ones(layer.synapse.num_post, np.int64)
        shifted = weights.T.numpy().astype(np.int64) << form.weight_exp
        neurons = Population(
            shifted * integer.gain_into(number, gain != 1) >> ALIGNMENT_BITS,
            ones * form.threshold,
            ones * integer.dash_mem,
            ones * integer.dash_syn,
            most=1,
        )
        kept = True if mask is None else mask.numpy()
        spikes = np.empty((*trains.shape[:2], len(ones)), np.bool_)
        neurons.clear(trains.shape[1])
        low, high = integer.band_of(number) if len(eligible) else (0, 0)
        for step, arrived in enumerate(delayed(trains.numpy(), layer.delay)):
            spikes[step] = neurons.step(arrived, kept)
            if len(eligible):
                before = neurons.potential + spikes[step] * form.threshold
                eligible[step] = (before > low) & (before < high) & kept
            if len(potentials):
                potentials[step] = neurons.potential
        notes[kernels.LOWEST] = min(notes[kernels.LOWEST], neurons.lowest)
        notes[kernels.HIGHEST] = max(notes[kernels.HIGHEST], neurons.highest)
        reached = max(notes[kernels.LARGEST_ACTIVATION], neurons.largest_current)
        notes[kernels.LARGEST_ACTIVATION] = reached
        notes[kernels.POTENTIALS_SATURATED] += neurons.saturated.sum()
        return torch.from_numpy(spikes)

    def counts(self, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return torch.from_numpy(self._counts(trains, np.arange(trains.shape[1])))

    def _counts(self, trains: Tensor, chosen: Any) -> Any:
        return kernels.count(trains.contiguous().numpy().view(np.uint8), chosen)

    def desired_spikes(self, desire: Tensor, mask: Tensor | None, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        signs = (desire if mask is None else desire * mask).numpy()
        (chosen,) = signs.any(axis=1).nonzero()
        return torch.from_numpy((signs[chosen] * self._counts(trains, chosen)).sum(0))

    def traces(self, layer: Layer, pre: Tensor, first_sample: int) -> Tensor:
        """Return the traces of a layer's presynaptic trains, (T, B, N_{ℓ−1}) uint8 (Eq. 3)."""
        stream = self._trace_words[layer.number - 1]
        trains = pre.contiguous().numpy()
        traces = np.empty((trains.shape[1], len(trains), trains.shape[2]), np.uint8)
        for sample in range(len(traces)):
            kernels.run_traces(
                trains,
                sample,
                layer.delay,
                self.rule.trace_constants,
                np.arange(stream.counters_a_row),
                stream.key,
                stream.counter_of(first_sample + sample),
                stream.counters_a_row,
                traces[sample],
            )
        return torch.from_numpy(traces).transpose(0, 1)

    def output_desire(self, counts: Tensor, labels: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if self.config.output_policy is not None:
            return super().output_desire(counts, labels)
        desire = integers.output_desire(
            counts.numpy(), labels.numpy(), self.rule.full_count, self.rule.output_threshold
        )
        return torch.from_numpy(desire)

    def pass_back(
        self, layer: Layer, weights: Tensor, desire: Tensor, trains: Tensor, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        signs, synapse, steps = desire.numpy(), layer.synapse, self.config.num_steps
        (chosen,) = signs.any(axis=1).nonzero()
        desires = np.zeros((len(signs), synapse.num_pre), np.int8)
        if not len(chosen):
            return torch.from_numpy(desires)
        counts, kept = self._counts(trains, chosen), None if mask is None else mask.numpy()[chosen]
        error = self.rule.local_error(signs[chosen], counts, kept)
        if isinstance(synapse, Conv2d):
            sums = convolutions.backpropagated(synapse, weights.numpy(), error)
        elif isinstance(synapse, Dense):
            is_narrow = steps < 2**15 and synapse.num_post * steps << 9 < 2**31
            error = error.astype(np.int16 if is_narrow else np.int64)
            sums = np.empty((len(chosen), synapse.num_pre), np.int32 if is_narrow else np.int64)
            in_parallel(partial(kernels.pass_back, weights.T.numpy(), error, sums), synapse.num_pre)
        else:
            sums = synapse.backward(weights.numpy(), error)
        threshold = self.rule.hidden_threshold(layer.number - 1)
        desires[chosen] = integers.hidden_desire(integers.saturate(sums), threshold)
        return torch.from_numpy(desires)

    def rate_of(self, layer: Layer, learning_rate: float) -> int:
        """Return the mantissa of a learning rate on the grid of a layer."""
        return self.rule.rate_of(layer.number, learning_rate)[0]

    def as_array(self, values: Tensor) -> Tensor:
        """Return mean rates as integers, R = ν · 2**23."""
        whole: Tensor = whole_rate(values)
        return whole

    def term_factors(self, update: LayerUpdate) -> Iterator[tuple[Any, ...]]:
        """See :class:`~lava_desire.backends.base.Backend`."""
        yield from integer_term_factors(update)

    def clip(self, weights: Tensor, limit: float) -> None:
        """Leave weights as they are: no change goes beyond their range."""

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """See :class:`~lava_desire.backends.base.Backend`; averages of mantissas are float32."""
        means, rows = (by_input(array) for array in (average, weights))
        in_parallel(partial(move_rows, means, rows, np.float32(share)), len(rows))

    def learn(self, *arguments: Any) -> Tensor:
        """Change the weights by the summed accumulators of the samples with desire."""
        return self.change_weights((), *arguments)

    def change_weights(
        self,
        factors: Iterable[tuple[Any, ...]],
        layer: Layer,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        pre: Tensor,
        post: Tensor,
        first_sample: int = 0,
    ) -> Tensor:
        """Change the weights by the summed accumulators, to which terms add; rounded once."""
        signs = desire if mask is None else desire * mask
        synapse, number = layer.synapse, layer.number
        rate_mantissa, shift = self.rule.rate_of(number, learning_rate)
        words, ends = self._weight_words[number - 1], self.rule.range_of(number)
        rows = weights.view(words.num_rows, words.row_length).T.numpy()
        rounding = (shift, words.key, words.counter_of(first_sample), *ends)
        traces, terms = self._trace_words[number - 1], list(factors)
        drawn = (traces.key, traces.counter_of(first_sample))
        trains = (pre.contiguous().numpy(), layer.delay, post.numpy(), signs.numpy())
        constants = (self.rule.trace_constants, rate_mantissa)
        if isinstance(synapse, Dense):
            held = self._learn_dense(layer, rows, *trains, rate_mantissa, *drawn, terms, rounding)
        else:
            changes = self._added(synapse, terms)
            if isinstance(synapse, Conv2d):
                convolutions.gather_changes(synapse.geometry, *trains, *constants, *drawn, changes)
            else:
                self._gather_any(layer, rate_mantissa, signs, pre, post, first_sample, changes)
            chosen = np.arange(words.num_rows)
            held = kernels.add_changes(rows, chosen, changes.reshape(rows.T.shape), *rounding)
        self._held[number - 1] += held
        return signs.any(dim=1)

    def _learn_dense(
        self,
        layer: Layer,
        rows: Any,
        inputs: Any,
        delay: int,
        outputs: Any,
        signs: Any,
        rate_mantissa: int,
        key: Any,
        counter: int,
        terms: list[tuple[Any, ...]],
        rounding: tuple[Any, ...],
    ) -> int:
        if rate_mantissa == 0:
            return 0
        samples, begin, places = kernels.list_pairs(outputs, signs)
        posts, pres, bits = _in_arrays(terms, layer.synapse)
        parts, packed = kernels.pack_inputs(inputs, samples, pres)
        steps, size = len(packed), packed.shape[2]
        traces = self._workspace.take("traces", (len(samples), steps, size), np.uint8)
        counters = self._trace_words[layer.number - 1].counters_a_row
        constants = self.rule.trace_constants

        def trace(first: int, last: int) -> None:
            for row in range(first, last):
                words = (key, counter + int(samples[row]) * steps * counters, counters)
                kernels.run_traces(packed, row, delay, constants, parts, *words, traces[row])

        in_parallel(trace, len(samples))
        flat, held = traces.reshape(len(samples) * steps, size), []

        def learn(first: int, last: int) -> None:
            changed = (rate_mantissa, posts, pres, bits, parts, rounding, first, last)
            held.append(kernels.learn_dense(rows, flat, begin, places, *changed))

        in_parallel(learn, rows.shape[1], _GRAIN)
        return sum(held)

    @staticmethod
    def _added(synapse: Synapse, terms: list[tuple[Any, ...]]) -> Any:
        """Return what terms add to the accumulators of any synapse, `weight_shape` int64."""
        changes = np.zeros(synapse.weight_shape, np.int64)
        for post, pre, bits in terms:
            changes += synapse.pairings(post[None], pre[None]).numpy() + (1 << bits - 1) >> bits
        return changes

    def _gather_any(
        self,
        layer: Layer,
        rate_mantissa: int,
        signs: Tensor,
        pre: Tensor,
        post: Tensor,
        first_sample: int,
        changes: Any,
    ) -> None:
        """Do what the kernel of convolutions does with the sums of any synapse."""
        synapse, traces = layer.synapse, self.traces(layer, pre, first_sample)
        signed = post * signs
        for sample in signed.any(dim=2).any(dim=0).nonzero()[:, 0].tolist():
            pairings = synapse.pairings(signed[:, sample], traces[:, sample]).numpy()
            change = integers.saturate(pairings) * rate_mantissa
            changes += integers.saturate(change, ACCUMULATOR_LIMIT)


def _in_arrays(terms: list[tuple[Any, ...]], synapse: Synapse) -> tuple[Any, Any, Any]:
    """Return the factors of terms as arrays: (K, N_o), (K, N_i) and (K,) int64."""
    posts = np.empty((len(terms), synapse.num_post), np.int64)
    pres, bits = np.empty((len(terms), synapse.num_pre), np.int64), np.empty(len(terms), np.int64)
    for term, (post, pre, below) in enumerate(terms):
        posts[term], pres[term], bits[term] = post, pre, below
    return posts, pres, bits


def by_input(weights: Tensor) -> Any:
    """Return the array of a tensor; of a matrix (N_o, N_i), held by input, (N_i, N_o)."""
    return weights.T.numpy() if weights.ndim == 2 else weights.view(len(weights), -1).numpy()
