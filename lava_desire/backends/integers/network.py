"""The twin of Lava's fixed-point processes: the same integers, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.activity import Activity, StepResult, predict
from lava_desire.backends.inputs import as_images, as_masks, resolve_device
from lava_desire.backends.integers import kernels as fixed_kernels
from lava_desire.backends.wire import pack_spikes, unpack_spikes
from lava_desire.config import DesireConfig
from lava_desire.model import integers as fixed
from lava_desire.model.fields import refuse_in_integers
from lava_desire.model.integers import IntegerRule, LayerFormat
from lava_desire.model.integers.limits import BRIGHTEST
from lava_desire.model.state import NetworkState
from lava_desire.network import DesireNetwork
from lava_desire.randomness import DropoutStream, RoundingStream, initial_weights

FIXED_POINT = "fixed_point"

_NO_POTENTIALS = np.empty((0, 0, 0), np.int32)
_ALL_KEPT = np.empty((0, 0), np.bool_)


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


class _Trains:
    """Reads and packs the spike trains of an :class:`Activity`: (T, B, N) bool arrays."""

    name = "compiled"

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps

    def unpack(self, trains: Any) -> Tensor:
        return torch.from_numpy(trains)

    def counts(self, trains: Any) -> Tensor:
        return torch.from_numpy(trains.sum(0, dtype=np.int64))

    def to_bytes(self, trains: Any, chosen: Tensor) -> Tensor:
        return pack_spikes(torch.from_numpy(trains[:, chosen.numpy()]))

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Any:
        spikes = np.zeros((self._num_steps, batch_size, planes.shape[2]), np.bool_)
        spikes[:, chosen.numpy()] = unpack_spikes(planes, self._num_steps).numpy()
        return spikes


class FixedPointNetwork(DesireNetwork):
    """A :class:`DesireNetwork` in the integers of Lava's ``fixed_pt`` processes, on the CPU.

    Made by ``DesireNetwork(config, arithmetic="fixed_point")``. At B = 1 it learns what the
    processes learn, random draws included. Of a larger batch every sample has its own draws of
    traces; the changes are summed in the accumulator and rounded once, with the draws of the first.

    Parameters
    ----------
    config : DesireConfig
        Shape, neuron model and rule.
    device : str
        ``"cpu"``.
    weights : sequence of array, optional
        L arrays (N_ℓ, N_{ℓ−1}): integer mantissas in the range of their format, or float weights,
        which are rounded to the nearest mantissa; drawn from the config's seed when not given.
    precision : str
        ``"fixed_point"`` or the default; integers have no other.
    kernels : str
        ``"auto"``; integers have no other.
    arithmetic : str
        ``"fixed_point"``.
    formats : sequence of LayerFormat, optional
        L formats, layer 1 first; those of
        :func:`~lava_desire.fixed.default_formats` when not given.

    Attributes
    ----------
    weights : list of Tensor
        Mantissas, L int8 tensors (N_ℓ, N_{ℓ−1}).
    rule : IntegerRule
        Every constant.

    Raises
    ------
    ValueError
        If the device is no CPU, or weights or formats do not fit the config.
    """

    def __init__(
        self,
        config: DesireConfig,
        device: str | torch.device = "cpu",
        weights: Sequence[Any] | None = None,
        *,
        precision: str = FIXED_POINT,
        kernels: str = "auto",
        arithmetic: str = FIXED_POINT,
        formats: Sequence[LayerFormat] | None = None,
    ) -> None:
        # Nothing of what the network in floating point is made of is needed here.
        if not isinstance(config, DesireConfig):
            raise ValueError(f"config is a {type(config).__name__}: expected a DesireConfig")
        self.device = resolve_device(device)
        if self.device.type != "cpu":
            raise ValueError(f"device is {device}: expected cpu, where integers are computed")
        if precision not in (FIXED_POINT, "float32"):
            raise ValueError(f"precision is {precision!r}: expected {FIXED_POINT!r}")
        if kernels != "auto":
            raise ValueError(
                f"kernels is {kernels!r}: expected 'auto', integers have kernels of one kind"
            )
        self.kernels = kernels
        self.config = config
        self.precision = self.arithmetic = FIXED_POINT
        self.rule = IntegerRule(config, formats)
        trains: Any = _Trains(config.num_steps)
        self._kernels = trains
        if weights is None:
            weights = initial_weights(config)
        arranged = [torch.from_numpy(each.T.copy()).T for each in self._mantissas(weights)]
        self.state = NetworkState.begin(config, arranged, in_integers=True)
        sizes, seed = config.layer_sizes, config.seed
        self._dropout = [
            DropoutStream(size, config.dropout_of(layer), seed, layer)
            for layer, size in enumerate(sizes[:-1])
        ]
        layers = range(1, config.num_layers + 1)
        self._trace_words = [
            RoundingStream("trace", config.num_steps, sizes[layer - 1], seed, layer)
            for layer in layers
        ]
        self._weight_words = [
            RoundingStream("weight", sizes[layer], sizes[layer - 1], seed, layer)
            for layer in layers
        ]
        levels = np.arange(BRIGHTEST + 1)
        self._table = fixed.encode(levels, config.num_steps, self.rule.encoder_threshold)
        self.input_rates = None
        self._held = [0] * config.num_layers
        self._notes = np.zeros((config.num_layers, 5), np.int64)

    def _mantissas(self, weights: Sequence[Any]) -> list[Any]:
        sizes = self.config.layer_sizes
        if len(weights) != len(sizes) - 1:
            raise ValueError(
                f"weights holds {len(weights)} arrays: expected {len(sizes) - 1}, one a layer"
            )
        return [
            fixed.as_mantissas(
                f"weights[{layer - 1}]",
                np.asarray(given),
                (sizes[layer], sizes[layer - 1]),
                self.rule.format_of(layer),
                self.config.threshold,
            )
            for layer, given in enumerate(weights, start=1)
        ]

    def check_trainable(self) -> None:
        """See :meth:`~lava_desire.engine.DesireNetwork.check_trainable`."""
        self._check_learning(self.config.learning_rate)

    def _check_learning(self, learning_rate: float) -> None:
        """Refuse to learn, before the first of the layers has changed."""
        refuse_in_integers(self.config)
        for layer in range(1, self.config.num_layers + 1):
            self.rule.check_rate(layer, learning_rate)

    def _count_drawn(self, num_samples: int) -> None:  # :attr:`samples_seen` are those learned
        for stream in self._dropout:
            stream.skip(num_samples)

    def float_weights(self) -> list[Any]:
        """Return the weights that the mantissas stand for: L float32 arrays (N_ℓ, N_{ℓ−1})."""
        return [
            fixed.dequantize_weights(mantissas, layer, self.config.threshold)
            for mantissas, layer in zip(self.numpy_weights(), self.rule.formats, strict=True)
        ]

    def format_fields(self) -> list[dict[str, int]]:
        """See :meth:`~lava_desire.engine.DesireNetwork.format_fields`."""
        return self.rule.to_dicts()

    def take_ranges(self) -> list[LayerRange]:
        """Return what integers each layer has reached, and begin to observe anew."""
        ranges = [
            LayerRange(lowest, highest, largest, activations, potentials, held)
            for (lowest, highest, largest, activations, potentials), held in zip(
                self._notes.tolist(), self._held, strict=True
            )
        ]
        self._notes[:] = 0
        self._held = [0] * len(self._held)
        return ranges

    def forward_checked(self, images: Tensor, masks: list[Tensor] | None = None) -> Activity:
        """See :meth:`~lava_desire.engine.DesireNetwork.forward_checked`."""
        return self._run(images, masks, None)

    @torch.inference_mode()
    def potentials(self, images: Any, dropout_masks: Sequence[Any] | None = None) -> list[Tensor]:
        """Return the membrane potentials of a forward pass.

        Parameters
        ----------
        images, dropout_masks : array
            See :meth:`~lava_desire.engine.DesireNetwork.forward`.

        Returns
        -------
        list of Tensor
            L tensors (T, B, N_ℓ) int32, after the reset of each step.

        Raises
        ------
        ValueError
            If an argument does not fit.
        """
        sizes = self.config.layer_sizes
        images = as_images(images, sizes[0], self.device)
        self.check_scale(images)
        masks = None
        if dropout_masks is not None:
            masks = as_masks(dropout_masks, len(images), sizes, self.device)
        shape = (self.config.num_steps, len(images))
        recorded = [np.empty((*shape, size), np.int32) for size in sizes[1:]]
        self._run(images, masks, recorded)
        return [torch.from_numpy(values) for values in recorded]

    def traces(self, activity: Activity, first_sample: int) -> list[Tensor]:
        """Return the traces with which the samples of a pass were, or would be, learned.

        Parameters
        ----------
        activity : Activity
            A forward pass of B samples.
        first_sample : int
            Number of its first sample among those that are learned: :attr:`samples_seen` before it.

        Returns
        -------
        list of Tensor
            L tensors (T, B, N_{ℓ−1}) uint8, of the input of each layer.
        """
        found = []
        for layer in range(1, self.config.num_layers + 1):
            trains = activity.trains[layer - 1]
            each = [
                self._traces_of(layer, trains, sample, first_sample)
                for sample in range(trains.shape[1])
            ]
            found.append(torch.from_numpy(np.stack(each, axis=1)))
        return found

    def _spikes_of(self, images: Tensor) -> bool:
        images = rule.equalize_brightness(images, self.config.image_brightness)
        levels = np.unique(fixed.integer_brightness(images.numpy()))
        return bool(self._table[:, levels].any())

    def _run(self, images: Tensor, masks: list[Tensor] | None, recorded: Any) -> Activity:
        config = self.config
        images = rule.equalize_brightness(images, config.image_brightness)
        brightness = fixed.integer_brightness(images.numpy())
        trains = [self._table[:, brightness]]
        if masks is not None:
            trains[0] &= masks[0].numpy()
        for layer in range(1, config.num_layers + 1):
            spikes = np.empty((*trains[0].shape[:2], config.layer_sizes[layer]), np.bool_)
            masked = masks is not None and layer < config.num_layers
            fixed_kernels.run_layer(
                self._rows(layer),
                trains[-1],
                _lag(layer),
                self.rule.format_of(layer).weight_exp,
                self.rule.gain_into(layer, masks is not None),
                self.rule.decay,
                self.rule.threshold_of(layer),
                np.ascontiguousarray(masks[layer].numpy()) if masks and masked else _ALL_KEPT,
                config.reset == "subtract",
                spikes,
                _NO_POTENTIALS if recorded is None else recorded[layer - 1],
                self._notes[layer - 1],
            )
            trains.append(spikes)
        reader = self.computing
        return Activity(trains, predict(config, reader, trains[-1]), masks, reader)

    def _rows(self, layer: int) -> Any:
        """Return the mantissas of layer ℓ, input-major: (N_{ℓ−1}, N_ℓ), not copied."""
        return self.weights[layer - 1].T.numpy()

    def _desires(self, activity: Activity, labels: Tensor) -> list[Tensor]:
        integers, config = self.rule, self.config
        counts = [count.numpy() for count in activity.counts]
        if config.class_margin:
            desire = rule.margin_desire(counts[-1], labels.numpy(), config.class_margin)
        else:
            desire = fixed.output_desire(
                counts[-1], labels.numpy(), integers.full_count, integers.output_threshold
            )
        desires = [desire]
        for layer in range(config.num_layers, 1, -1):
            mask = _mask_of(activity, layer)
            error = fixed.local_error(desire, counts[layer], integers.full_count, mask)
            z = fixed.backpropagate_error(self.weights[layer - 1].numpy(), error)
            desire = fixed.hidden_desire(z, integers.hidden_threshold(layer - 1))
            desires.insert(0, desire)
        return [torch.from_numpy(desire) for desire in desires]

    def train_step_checked(
        self,
        images: Tensor,
        labels: Tensor,
        learning_rate: float,
        masks: list[Tensor] | None = None,
    ) -> StepResult:
        """See :meth:`~lava_desire.engine.DesireNetwork.train_step_checked`."""
        self._check_learning(learning_rate)  # before a mask is drawn
        return super().train_step_checked(images, labels, learning_rate, masks)

    def update(self, activity: Activity, desires: list[Tensor], learning_rate: float) -> int:
        """Add the summed change of weights; return how many samples desire any."""
        self._check_learning(learning_rate)
        num_active = super().update(activity, desires, learning_rate)
        self.state.samples_seen += len(activity.prediction)
        return num_active

    def update_layer(
        self,
        layer: int,
        activity: Activity,
        desire: Tensor,
        learning_rate: float,
        rated: Tensor | None = None,
    ) -> Tensor:
        """Change one layer by the summed accumulators of the samples that desire any."""
        refuse_in_integers(self.config)
        rate_mantissa, shift = self.rule.rate_of(layer, learning_rate)
        wanted = desire.numpy()
        mask = _mask_of(activity, layer)
        if mask is not None:
            wanted = wanted * mask
        before, behind = activity.trains[layer - 1 : layer + 1]
        traces, weights = self._trace_words[layer - 1], self._weight_words[layer - 1]
        form = self.rule.format_of(layer)
        self._held[layer - 1] += fixed_kernels.learn(
            self._rows(layer),
            before,
            _lag(layer),
            behind,
            wanted,
            self.rule.decay,
            self.rule.impulse,
            rate_mantissa,
            shift,
            traces.key,
            traces.counter_of(self.samples_seen),
            weights.key,
            weights.counter_of(self.samples_seen),
            form.lowest,
            form.highest,
        )
        return torch.from_numpy(wanted.any(axis=1))

    def _traces_of(self, layer: int, trains: Any, sample: int, first_sample: int) -> Any:
        stream = self._trace_words[layer - 1]
        traces = np.empty((stream.num_rows, stream.row_length), np.uint8)
        fixed_kernels.run_traces(
            trains[:, sample],
            _lag(layer),
            self.rule.decay,
            self.rule.impulse,
            stream.key,
            stream.counter_of(first_sample + int(sample)),
            traces,
        )
        return traces


def _mask_of(activity: Activity, layer: int) -> Any:
    """Return the dropout mask of layer ℓ as an array; output layer and evaluation have none."""
    if activity.masks is None or layer >= len(activity.masks):
        return None
    return activity.masks[layer].numpy()


def _lag(layer: int) -> int:
    """Return the synaptic delay before layer ℓ: the encoder is heard at once, a layer later."""
    return 0 if layer == 1 else 1
