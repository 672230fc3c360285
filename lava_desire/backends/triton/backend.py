"""The kernels of a network on CUDA, written in Triton.

Trains are words, (B, N): int32 up to 31 time steps, int64 up to 64. A layer is three launches (its
input unpacked, its currents in one product, its neurons in one scan), an update two, and nothing
that a training step does waits for an answer from the device, so that a whole step can be captured
(:mod:`lava_desire.training.captured`).

The tests compare them with the rule, on a GPU where there is one, else in Triton's interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from lava_desire.backends.base import Backend, Layer, error_table, output_desire_table
from lava_desire.backends.torch_ops import split_bfloat16
from lava_desire.backends.triton import convolutions, neurons, products
from lava_desire.backends.triton.tiles import tile_of
from lava_desire.backends.wire import pack_words, unpack_words
from lava_desire.config import DesireConfig
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.rates import InputRates
from lava_desire.model.synapses import Dense

_BLOCK = 128  # neurons of a program that does them one by one
_FOLLOWED = 32  # of one that counts their spikes over samples
_STRIDE = 64  # rows of operands are a multiple of
INTERPRETED = bool(triton.knobs.runtime.interpret)
"""Whether kernels are interpreted, on any device: TRITON_INTERPRET=1 at the time of import."""


@dataclass(frozen=True)
class Listed:
    """Samples of a minibatch: the first `number`, (1,) int32, of `active`, (B,) int32."""

    active: Tensor
    number: Tensor


@dataclass(frozen=True)
class Pairs:
    """What an update pairs, as ``pair_kernel`` writes it, and the layer's signed spikes.

    `net_spikes`, (N_o,) int32, are Σ_b d · n where they are asked for.
    """

    signed: Tensor
    high: Tensor
    low: Tensor
    net_spikes: Tensor | None


@dataclass(frozen=True)
class Sums:
    """What a convolution pairs, added up: `pairs` is `weight_shape` float64, of B samples.

    `net_spikes`, (N_o,) int64, are Σ_b d · n where they are asked for.
    """

    synapse: Conv2d
    pairs: Tensor
    num_samples: int
    net_spikes: Tensor | None


@dataclass(frozen=True)
class Average:
    """Averaged weights of a layer, and by how much each step of a chunk moves them.

    `weights` is (N_o, N_i) float32, `shares` float32, one a step, `place` the first sample of the
    step in its chunk, one int64.
    """

    weights: Tensor
    shares: Tensor
    place: Tensor


class TritonBackend(Backend):
    """Kernels of our own on a CUDA device, or on a CPU in Triton's interpreter.

    Trains are (B, N) words, of at most 64 time steps. Precision ``"float32"`` sums in float64 and
    rounds once; ``"bfloat16x2"`` takes two bfloat16 terms a weight and a trace. Raises ValueError
    if the device is no CUDA device and Triton does not interpret.
    """

    name = "triton"
    checks_weights = False

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        if device.type != "cuda" and not INTERPRETED:
            raise ValueError(
                f"kernels is 'triton' and device is {device}: expected cuda, or TRITON_INTERPRET=1 "
                "in the environment"
            )
        self.exact = precision == "float32"
        self.word = torch.int32 if config.num_steps < 32 else torch.int64
        super().__init__(config, device, precision)
        self.captures = all(isinstance(layer.synapse, (Dense, Conv2d)) for layer in self.layers)
        self._words = self.pack(self._table)
        self._errors = error_table(config).to(device)
        self._output_desires = output_desire_table(config).to(device)
        self._nothing = torch.empty(0, dtype=torch.bool, device=device)
        self._origin = torch.zeros(1, dtype=torch.int64, device=device)
        # The interpreter multiplies the bits of bfloat16 as if they were integers.
        self._narrow = torch.float32 if INTERPRETED else torch.bfloat16

    def pack(self, spikes: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        words = torch.zeros(spikes.shape[1:], dtype=self.word, device=spikes.device)
        for step, plane in enumerate(spikes):
            words |= plane.to(self.word) << step
        return words

    def arrange(self, weights: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return weights.contiguous()

    def _look_up(self, images: Tensor) -> Tensor:
        return self._words[images.int()]

    def take(self, trains: Tensor, place: Tensor, num_samples: int, mask: Tensor | None) -> Tensor:
        """Take a minibatch out of trains, (S, N), from the sample that `place` holds, one int64.

        Returns (B, N) words, silent where the mask, (B, N) bool, is false.
        """
        words = torch.empty((num_samples, trains.shape[1]), dtype=self.word, device=trains.device)
        neurons.take_kernel[triton.cdiv(words.numel(), _BLOCK),](
            trains,
            self._nothing if mask is None else mask,
            place,
            words,
            num_samples,
            trains.shape[1],
            MASKED=mask is not None,
            BLOCK=_BLOCK,
        )
        return words

    def drop(self, trains: Tensor, mask: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return trains * mask

    def counts(self, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        counts = torch.empty(trains.shape, dtype=torch.int64, device=trains.device)
        if not trains.numel():
            return counts  # a grid of no blocks is refused
        grid = (triton.cdiv(trains.numel(), _BLOCK),)
        neurons.count_kernel[grid](
            trains, counts, trains.numel(), BLOCK=_BLOCK, enable_fp_fusion=False
        )
        return counts

    def unpack(self, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        steps = torch.arange(self.config.num_steps, device=trains.device)[:, None, None]
        return ((trains >> steps) & 1).bool()

    def to_bytes(self, trains: Tensor, chosen: Tensor) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        return pack_words(trains[chosen].to(torch.int64), self.config.num_steps)

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        words = planes.new_zeros((batch_size, planes.shape[2]), dtype=self.word)
        words[chosen] = unpack_words(planes).to(self.word)
        return words

    def run(
        self,
        layer: Layer,
        weights: Tensor,
        trains: Tensor,
        gain: float,
        mask: Tensor | None,
        halves: Tensor | None = None,
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`; `halves` as :meth:`split` makes."""
        config, synapse = self.config, layer.synapse
        if not len(trains):
            return trains.new_empty((0, synapse.num_post))  # a grid of no blocks is refused
        if isinstance(synapse, Conv2d):
            return convolutions.run(synapse, config, layer.delay, weights, trains, gain, mask)
        if not isinstance(synapse, Dense):
            words: Tensor = super().run(layer, weights, trains, gain, mask)
            return words
        if not self.exact:
            halves = self.split(weights) if halves is None else halves
            current = self._split_current(halves, trains, layer.delay, gain)
        else:
            current = self._exact_current(weights, trains, layer.delay, gain)
        words = torch.empty((len(trains), len(weights)), dtype=self.word, device=current.device)
        neurons.lif_scan_kernel[triton.cdiv(words.numel(), _BLOCK),](
            current,
            self._nothing if mask is None else mask.contiguous(),
            words,
            words.numel(),
            DECAY=config.decay,
            SYNAPSE_DECAY=config.synapse_decay,
            THRESHOLD=config.threshold,
            NUM_STEPS=config.num_steps,
            SUBTRACT=config.reset == "subtract",
            MASKED=mask is not None,
            BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )
        return words

    def split(self, weights: Tensor, halves: Tensor | None = None) -> Tensor:
        """Return the two bfloat16 terms of weights, (2, N_o, stride), in `halves` where given."""
        if halves is None:
            shape = (2, len(weights), _stride(weights.shape[1]))
            halves = weights.new_zeros(shape, dtype=self._narrow)
        for half, values in zip(halves, split_bfloat16(weights), strict=True):
            half[:, : weights.shape[1]] = values
        return halves

    def _exact_current(self, weights: Tensor, trains: Tensor, delay: int, gain: float) -> Tensor:
        num_steps, num_samples, num_out = self.config.num_steps, len(trains), len(weights)
        num_rows = num_steps * num_samples
        tile = tile_of("current", True, num_rows)
        current = torch.empty((num_rows, num_out), device=trains.device)
        grid = tile.grid(num_rows, num_out)
        products.exact_current_kernel[grid](
            trains,
            weights,
            current,
            num_samples,
            weights.shape[1],
            num_out,
            GAIN=float(gain),
            DELAY=delay,
            NUM_STEPS=num_steps,
            BLOCK_ROWS=tile.rows,
            BLOCK_OUT=tile.columns,
            BLOCK_IN=tile.inner,
            **tile.options,
        )
        return current

    def _split_current(self, halves: Tensor, trains: Tensor, delay: int, gain: float) -> Tensor:
        num_steps, (num_samples, num_in) = self.config.num_steps, trains.shape
        num_rows, (_, num_out, stride) = num_steps * num_samples, halves.shape
        spikes = torch.empty((num_rows, stride), dtype=self._narrow, device=trains.device)
        neurons.spread_kernel[triton.cdiv(num_samples * stride, _BLOCK),](
            trains,
            spikes,
            num_samples,
            num_in,
            stride,
            DELAY=delay,
            NUM_STEPS=num_steps,
            BLOCK=_BLOCK,
        )
        tile = tile_of("current", False, num_rows)
        current = torch.empty((num_rows, num_out), device=trains.device)
        grid = tile.grid(num_rows, num_out)
        products.current_kernel[grid](
            spikes,
            halves,
            current,
            num_rows,
            num_out,
            stride,
            GAIN=float(gain),
            BLOCK_ROWS=tile.rows,
            BLOCK_OUT=tile.columns,
            BLOCK_IN=tile.inner,
            **tile.options,
        )
        return current

    def teach(
        self, trains: Tensor, labels: Tensor, place: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return predictions, output desires and errors (Eq. 11 and 14).

        One launch; policies of the config are torch operations on top. Trains of the output layer
        are (B, K) words; labels, int64, are those from `place` on, one int64 on the device, 0 when
        not given. Returns the (B,) int64 of :meth:`predict`, the (B, K) int8 of
        :meth:`output_desire` and the (B, K) float32 of :func:`rule.local_error`.
        """
        desire = torch.empty(trains.shape, dtype=torch.int8, device=trains.device)
        error = torch.empty(trains.shape, device=trains.device)
        prediction = torch.empty(len(trains), dtype=torch.int64, device=trains.device)
        neurons.teach_kernel[len(trains),](
            trains,
            labels,
            self._origin if place is None else place,
            self._output_desires,
            self._errors,
            desire,
            error,
            prediction,
            trains.shape[1],
            NUM_COUNTS=self.config.num_steps + 1,
            BLOCK=triton.next_power_of_2(trains.shape[1]),
            enable_fp_fusion=False,
        )
        if self.config.decision_policy is not None:
            prediction = self.predict(trains)
        if self.config.output_policy is not None:
            counts, samples = self.counts(trains), torch.arange(len(trains), device=trains.device)
            shown = labels[samples if place is None else place + samples]
            desire = self.output_desire(counts, shown)
            error = self._errors[desire.long() + 1, counts]
        return prediction, desire, error

    def list_samples(self, desire: Tensor) -> Listed:
        """List the samples with desire, (B, N) int8, without asking the device how many."""
        active = torch.empty(len(desire), dtype=torch.int32, device=desire.device)
        number = torch.empty(1, dtype=torch.int32, device=desire.device)
        block = triton.next_power_of_2(len(desire))
        neurons.list_kernel[1,](
            desire,
            active,
            number,
            len(desire),
            desire.shape[1],
            BLOCK_NEURONS=max(1, min(triton.next_power_of_2(desire.shape[1]), 4096 // block)),
            BLOCK=block,
        )
        return Listed(active, number)

    def pass_back(
        self, layer: Layer, weights: Tensor, desire: Tensor, trains: Tensor, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`; sums are always float64."""
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().pass_back(layer, weights, desire, trains, mask)
        kept = desire if mask is None else desire * mask
        error = self._errors[kept.long() + 1, self.counts(trains)]
        pre = trains.new_zeros((len(trains), layer.synapse.num_pre))
        listed = self.list_samples(kept)
        passed, _ = self.pass_back_listed(layer, weights, error, listed, pre, None)
        return passed

    def pass_back_listed(
        self,
        layer: Layer,
        weights: Tensor,
        error: Tensor,
        listed: Listed,
        pre: Tensor,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Pass the desires of listed samples to the layer before, in one launch (Eq. 13 to 15).

        `layer`, dense or a convolution above the first, has float32 weights and the error c, (B,
        N_o) float32; `listed` are the samples whose error is not zero throughout; trains of the
        layer before are (B, N_i) words, its mask (B, N_i) bool. Returns its desire and error, (B,
        N_i) int8 and float32, after the mask; desires of samples that are not listed are 0, their
        errors undefined.
        """
        config, threshold = self.config, self.config.desire_threshold_of(layer.number - 1)
        chosen = error, listed.active, listed.number
        if isinstance(layer.synapse, Conv2d):
            return convolutions.pass_back(
                layer.synapse, threshold, self._errors, weights, *chosen, pre, mask
            )
        num_out, num_in = weights.shape
        tile = tile_of("desire", True, config.num_steps * len(pre))
        passed = torch.zeros((len(pre), num_in), dtype=torch.int8, device=pre.device)
        passed_error = torch.empty((len(pre), num_in), device=pre.device)
        grid = tile.grid(len(pre), num_in)
        products.hidden_desire_kernel[grid](
            *chosen,
            weights,
            pre,
            self._nothing if mask is None else mask.contiguous(),
            self._errors,
            passed,
            passed_error,
            num_in,
            num_out,
            THRESHOLD=threshold,
            NUM_COUNTS=config.num_steps + 1,
            MASKED=mask is not None,
            BLOCK_SAMPLES=tile.rows,
            BLOCK_OUT=tile.inner,
            BLOCK_IN=tile.columns,
            **tile.options,
        )
        return passed, passed_error

    def learn(
        self,
        layer: Layer,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        pre: Tensor,
        post: Tensor,
        first_sample: int = 0,
    ) -> Tensor:
        """See :class:`~lava_desire.backends.base.Backend`."""
        if not isinstance(layer.synapse, (Dense, Conv2d)):
            return super().learn(layer, weights, learning_rate, desire, mask, pre, post)
        signs = desire if mask is None else desire * mask
        rate = torch.as_tensor(self.rate_of(layer, learning_rate), dtype=torch.float64)
        listed = self.list_samples(signs)
        pairs = self.pair(layer, signs, listed, pre, post)
        self.update(weights, rate.to(weights.device), listed, pairs)
        return signs.any(dim=1)

    def pair(
        self,
        layer: Layer,
        signs: Tensor,
        listed: Listed,
        pre: Tensor,
        post: Tensor,
        counted: bool = False,
    ) -> Pairs | Sums:
        """Lay out or add up what the update of listed samples pairs, in one launch (Eq. 3).

        Signs are desires after the mask, (B, N_o) int8, 0 for samples that are not listed; trains
        (B, N_i) and (B, N_o) words. Spikes signed by desire are summed as well where `counted`.
        Returns what :meth:`update` takes: sums of a convolution.
        """
        if isinstance(layer.synapse, Conv2d):
            chosen = signs, listed.active, listed.number
            sums = convolutions.pair(layer.synapse, self.config, layer.delay, *chosen, pre, post)
            spikes = self.desired_spikes(signs, None, post) if counted else None
            return Sums(layer.synapse, sums, len(pre), spikes)
        (num_samples, num_in), num_out, device = pre.shape, post.shape[1], pre.device
        num_steps = self.config.num_steps
        strides = _stride(num_in), _stride(num_out)
        dtype = torch.float64 if self.exact else self._narrow
        high = torch.empty((num_samples * num_steps, strides[0]), dtype=dtype, device=device)
        low = high if self.exact else torch.empty_like(high)
        signed = torch.empty((num_samples * num_steps, strides[1]), dtype=dtype, device=device)
        net = torch.zeros(num_out, dtype=torch.int32, device=device) if counted else None
        blocks = sum(triton.cdiv(stride, _BLOCK) for stride in strides)
        neurons.pair_kernel[num_samples, blocks](
            pre,
            post,
            signs,
            listed.active,
            listed.number,
            high,
            low,
            signed,
            listed.active if net is None else net,
            num_in,
            num_out,
            *strides,
            DELAY=layer.delay,
            DECAY=self.config.decay,
            SYNAPSE_DECAY=self.config.synapse_decay,
            NUM_STEPS=num_steps,
            EXACT=self.exact,
            COUNTED=counted,
            BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )
        return Pairs(signed, high, low, net)

    def update(
        self,
        weights: Tensor,
        learning_rate: Tensor,
        listed: Listed,
        pairs: Pairs | Sums,
        *,
        halves: Tensor | None = None,
        terms: Sequence[tuple[Tensor, Tensor]] = (),
        average: Average | None = None,
        limit: float = 0.0,
    ) -> None:
        """Change the weights by what the listed samples taught (Eq. 4), in one launch.

        Weights, (N_o, N_i) float32, change, and with them their `halves` of :meth:`split`.
        `learning_rate` is η times the layer's factor, one float64 on the device; `terms` are
        factors, (N_o,) and (N_i,) float32 each, whose products are added one after the other;
        `average` takes in the new weights, which are clipped to a magnitude of `limit`, where it is
        not 0.
        """
        if isinstance(pairs, Sums):
            _apply(weights, learning_rate, pairs, terms, average, limit)
            return
        num_out, num_in = weights.shape
        num_rows, num_steps = len(pairs.signed), self.config.num_steps
        tile = tile_of("update", self.exact, num_rows)
        grid = tile.grid(num_out, num_in)
        posts, pres = (
            (torch.stack(factors) for factors in zip(*terms, strict=True))
            if terms
            else (
                weights,
                weights,
            )
        )
        products.update_kernel[grid](
            pairs.signed,
            pairs.high,
            pairs.low,
            listed.number,
            weights,
            learning_rate,
            weights if halves is None else halves,
            posts,
            pres,
            weights if average is None else average.weights,
            weights if average is None else average.shares,
            self._origin if average is None else average.place,
            num_in,
            num_out,
            _stride(num_in),
            _stride(num_out),
            num_rows // num_steps,
            NUM_STEPS=num_steps,
            EXACT=self.exact,
            SPLIT=halves is not None,
            NUM_TERMS=len(terms),
            LIMIT=float(limit),
            AVERAGED=average is not None,
            BLOCK_ROWS=tile.inner,
            BLOCK_OUT=tile.rows,
            BLOCK_IN=tile.columns,
            **tile.options,
        )

    def follow(
        self, rates: InputRates, layer: int, trains: Tensor, listed: Listed | None = None
    ) -> None:
        """Do what :meth:`InputRates.follow` does, in one launch, but for counting the samples.

        Trains of the inputs of layer ℓ are (B, N_{ℓ−1}) words, of which listed samples are
        followed, or all; `num_samples` of the rates does not change.
        """
        num_samples, num_in = trains.shape
        neurons.follow_kernel[triton.cdiv(num_in, _FOLLOWED),](
            trains,
            rates.rates[layer - 1],
            rates.num_samples[layer - 1 :],
            trains if listed is None else listed.active,
            trains if listed is None else listed.number,
            num_samples,
            num_in,
            LISTED=listed is not None,
            SAMPLES_MEANT=self.config.baseline_samples,
            NUM_STEPS=self.config.num_steps,
            BLOCK_SAMPLES=min(triton.next_power_of_2(num_samples), 64),
            BLOCK=_FOLLOWED,
            enable_fp_fusion=False,
        )


def _apply(
    weights: Tensor,
    learning_rate: Tensor,
    sums: Sums,
    terms: Sequence[tuple[Tensor, Tensor]],
    average: Average | None,
    limit: float,
) -> None:
    """Do what ``TritonBackend.update`` does to the few weights of a convolution."""
    weights += (learning_rate * sums.pairs).to(weights.dtype)
    for post, pre in terms:
        weights += sums.synapse.outer(post, pre)
    if limit:
        weights.clamp_(-limit, limit)
    if average is not None:
        average.weights.lerp_(weights, average.shares[average.place // sums.num_samples])


def _stride(num_neurons: int) -> int:
    return -(-num_neurons // _STRIDE) * _STRIDE
