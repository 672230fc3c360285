"""What a network computes with: :class:`Backend`, whose defaults are the model's equations.

A backend holds spike trains in a form of its own and overrides what it does faster. Each method
does what its namesakes in :mod:`lava_desire.rule` do for one step, for a whole window and minibatch
at once, and is tested against them. :mod:`lava_desire.backends.registry` knows all by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.inputs import as_weights
from lava_desire.backends.wire import pack_spikes, unpack_spikes
from lava_desire.config import DesireConfig
from lava_desire.model.arrays import Array
from lava_desire.model.checks import is_finite
from lava_desire.model.option import (
    LayerUpdate,
    decided,
    filtered,
    local_errors,
    output_desires,
    term_factors,
)
from lava_desire.model.synapses import Synapse, delayed
from lava_desire.randomness import DropoutStream


@dataclass(frozen=True)
class Layer:
    """A plastic layer of a network.

    Parameters
    ----------
    number : int
        ℓ in 1 to L.
    synapse : Synapse
        How it is connected to the layer before.
    delay : int
        Time steps from a presynaptic spike to its arrival.
    """

    number: int
    synapse: Synapse
    delay: int


def layers_of(config: DesireConfig) -> tuple[Layer, ...]:
    """Return the L plastic layers, layer 1 first."""
    synapses = enumerate(config.synapses, start=1)
    return tuple(Layer(number, synapse, config.delay(number)) for number, synapse in synapses)


class Backend:
    """What one network computes with. The defaults are torch operations, sums in float64.

    Trains of B samples and N neurons are (T, B, N) bool here; a backend with another form of them
    overrides :meth:`pack` and :meth:`unpack`, and what it leaves to the defaults still works: so do
    layers of which it does not know the kind of synapse. Shapes of weights are those of the
    layer's synapse.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    device : torch.device
        Where it lives.
    precision : str
        Arithmetic of the sums over synapses.

    Attributes
    ----------
    mean_trace : float
        Mean trace of an input that spikes in every step, as terms of an update are computed with.
    """

    name: ClassVar[str]
    """One of :data:`~lava_desire.backends.registry.KERNELS`, never ``auto``, or ``integers``."""

    draws: ClassVar[bool] = False
    """Whether learning itself draws random numbers, keyed by the samples that were learned."""

    checks_weights: ClassVar[bool] = True
    """Whether :meth:`run` finds weights that are NaN or infinite."""

    captures: bool = False
    """Whether training steps can be captured, see ``lava_desire/training/captured.py``."""

    bytes_a_train: int = 8
    """Memory of a neuron's train in a window, where single samples are run by what follows."""

    online: Any = None
    """What runs single samples, and learns from them, without a step of Python between two layers:
    see ``lava_desire/backends/numba/online.py``, and in integers ``integers/online.py``."""

    in_turn: Any = None
    """What learns from minibatches one after the other, without a step of Python between two:
    see ``lava_desire/backends/numba/in_turn.py``."""

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        self.config, self.device, self.precision = config, device, precision
        self.layers = layers_of(config)
        self.mean_trace = config.mean_trace
        self._table = encode_uint8_table(config.num_steps, config.threshold, device)

    def threads(self) -> AbstractContextManager[None]:
        """Keep torch to one thread where the backend has threads of its own."""
        return nullcontext()

    def as_weights(self, weights: Sequence[Any]) -> list[Tensor]:
        """Return copies of the weights of all layers, as the backend holds them.

        Raises ValueError if their number, a shape or a value is another than the config asks for.
        """
        copies = as_weights(weights, self.config.synapses, self.device)
        arranged = [*map(self.arrange, copies)]  # a loop would hold a copy while the next is made
        for tensor in arranged:
            tensor.add_(0)  # no −0.0, which a sparse update would leave and a dense one make +0.0
        for tensor, bound in product(arranged, self.config.bounds):
            self.clip(tensor, bound.limit())
        return arranged

    def arrange(self, weights: Tensor) -> Tensor:
        """Return weights in the memory layout that the backend likes best."""
        return weights

    def keep_feedback(self, layer: int, held: Tensor) -> Tensor:
        """Return what a feedback policy keeps of layer ℓ as :meth:`feedback` takes it."""
        return self.arrange(held)

    def feedback(self, weights: Tensor, kept: Tensor) -> Tensor:
        """Return what takes the place of the weights where errors come back (Eq. 13)."""
        policy: Any = self.config.feedback_policy
        matrix: Tensor = policy.matrix(weights, kept)
        return matrix

    def format_fields(self) -> list[dict[str, int]]:
        """Return how weights are written in integers, for a checkpoint; else nothing."""
        return []

    def check_learning(self, learning_rate: float) -> None:
        """Refuse to learn what this backend cannot, before anything has changed.

        Raises ValueError if the config asks for what it does not offer, or the learning rate is
        none for it.
        """

    def draw_kept(
        self, streams: Sequence[DropoutStream], first_sample: int, num_samples: int
    ) -> list[Any]:
        """Draw dropout masks, whatever the streams' positions, which stay.

        Parameters
        ----------
        streams : sequence of DropoutStream
            A layer each.
        first_sample, num_samples : int
            Which samples.

        Returns
        -------
        list of ndarray
            (num_samples, N) bool a stream, true where a neuron is kept.
        """
        masks = []
        for stream in streams:
            position = stream.position
            stream.seek(first_sample)
            masks.append(stream.draw(num_samples))
            stream.seek(position)
        return masks

    def encode(self, inputs: Tensor) -> Any:
        """Return images, or spikes that came packed, as trains.

        Parameters
        ----------
        inputs : Tensor
            Images, (B, N) uint8 or float32, or packed spikes, (B, ⌈T/8⌉, N_0) uint8.

        Returns
        -------
        object
            Trains.
        """
        if inputs.ndim == 2:
            return self.encode_images(inputs)
        batch_size = len(inputs)
        return self.from_bytes(inputs, torch.arange(batch_size, device=self.device), batch_size)

    def encode_images(self, images: Tensor) -> Any:
        """Encode (B, N) uint8 or float32 images as trains (Sec. 4.1)."""
        images = filtered(self.config, images)
        if images.dtype == torch.uint8:
            return self._look_up(images)
        return self.pack(rule.encode(images, self.config.num_steps, self.config.threshold))

    def encode_in_turn(self, inputs: Tensor) -> Any:
        """Do what :meth:`encode` does, for the loop that learns minibatches of the config's size.

        That over several samples, :attr:`in_turn`, looks images of bytes up itself.
        """
        if self._stay_bytes(inputs):
            return filtered(self.config, inputs).numpy()
        return self.encode(inputs)

    def bytes_in_turn(self, inputs: Tensor) -> int:
        """Return the memory of an input in what :meth:`encode_in_turn` returns, of a sample."""
        return 1 if self._stay_bytes(inputs) else self.bytes_a_train

    def _stay_bytes(self, inputs: Tensor) -> bool:
        is_byte = inputs.dtype == torch.uint8 or bool(self.config.filters)
        return self.config.batch_size > 1 and inputs.ndim == 2 and is_byte

    def _look_up(self, images: Tensor) -> Any:
        return self.pack(self._table[:, images.int()])

    def pack(self, spikes: Tensor) -> Any:
        """Return (T, B, N) bool spikes as trains."""
        return spikes

    def unpack(self, trains: Any) -> Tensor:
        """Return trains as (T, B, N) bool spikes."""
        return trains  # type: ignore[no-any-return]

    def drop(self, trains: Any, mask: Tensor) -> Any:
        """Silence the neurons whose mask, (B, N) bool, is false."""
        return self.pack(self.unpack(trains) & mask)

    def counts(self, trains: Any) -> Tensor:
        """Count the spikes: (B, N) int64."""
        return self.unpack(trains).sum(0)

    def counts_together(self, trains: Any, chosen: Tensor | None = None) -> Tensor:
        """Count the spikes of all samples together, or of those chosen, (B,) bool: (N,) int64."""
        counts = self.counts(trains)
        return (counts if chosen is None else counts * chosen[:, None]).sum(0)

    def to_bytes(self, trains: Any, chosen: Tensor) -> Tensor:
        """Pack the trains of chosen samples, (R,) indices, to be sent: (R, ⌈T/8⌉, N) uint8."""
        return pack_spikes(self.unpack(trains).index_select(1, chosen))

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Any:
        """Return the trains of a batch, silent but for the chosen samples, which were packed."""
        num_steps = self.config.num_steps
        spikes = planes.new_zeros((num_steps, batch_size, planes.shape[2]), dtype=torch.bool)
        spikes[:, chosen] = unpack_spikes(planes, num_steps)
        return self.pack(spikes)

    def run(
        self, layer: Layer, weights: Tensor, trains: Any, gain: float, mask: Tensor | None
    ) -> Any:
        """Run a layer over the window from rest (Eq. 1 and 16).

        Parameters
        ----------
        layer : Layer
            Which it is.
        weights : Tensor
            Its weights.
        trains : object
            Presynaptic trains of B samples.
        gain : float
            Scale of the presynaptic spikes; 1 in evaluation.
        mask : Tensor or None
            Dropout mask of the layer, (B, N_ℓ) bool.

        Returns
        -------
        object
            Postsynaptic trains.

        Raises
        ------
        FloatingPointError
            If a potential is NaN or infinite, where the backend :attr:`checks_weights`.
        """
        current, config = self._currents(layer, weights, trains, gain), self.config
        return self.pack(lif_scan(current, config.decay, config.threshold, mask, config.reset))

    def run_eligible(
        self, layer: Layer, weights: Tensor, trains: Any, gain: float, mask: Tensor | None
    ) -> tuple[Any, Any]:
        """Do what :meth:`run` does of a hidden layer, where the config has an `eligibility_policy`.

        Parameters
        ----------
        layer, weights, trains, gain, mask
            As of :meth:`run`.

        Returns
        -------
        object, object
            Postsynaptic trains, and the steps in which the neurons are eligible, none of those that
            the mask drops; both in the form of trains.
        """
        current, config = self._currents(layer, weights, trains, gain), self.config
        potentials, policy = torch.empty_like(current), config.eligibility_policy
        assert policy is not None
        spikes = lif_scan(current, config.decay, config.threshold, mask, config.reset, potentials)
        eligible = policy.eligible(potentials, config.threshold)
        return self.pack(spikes), self.pack(eligible if mask is None else eligible & mask)

    def _currents(self, layer: Layer, weights: Tensor, trains: Any, gain: float) -> Tensor:
        """Return the currents of a layer over the window, (T, B, N_ℓ) float32, filtered."""
        spikes = delayed(self.unpack(trains), layer.delay)
        config = self.config
        current = self._current(layer.synapse, weights, spikes.flatten(0, 1), gain)
        current = current.view(*spikes.shape[:2], current.shape[1])
        filter_in_place(current, config.synapse_decay)
        if not bool(torch.isfinite(current).all()):
            raise FloatingPointError("a current is NaN or infinite")
        return current

    def _current(self, synapse: Synapse, weights: Tensor, spikes: Tensor, gain: float) -> Tensor:
        """Return W (g·u): (R, N_i) bool → (R, N_o) float32 (Eq. 1)."""
        current: Tensor = synapse.current(weights, spikes, gain)
        return current

    def classify(self, weights: Sequence[Tensor], images: Any) -> Tensor | None:
        """Classify a single image on a shorter way than by :meth:`run`, where there is one.

        Parameters
        ----------
        weights : sequence of Tensor
            Of all layers.
        images : array
            What a user gave, unchecked.

        Returns
        -------
        Tensor or None
            What :meth:`predict` would, (1,) int64; None where there is no shorter way, or anything
            about the image or the weights asks for a closer look, or a message.
        """
        return None

    def is_finite(self, weights: Tensor) -> bool:
        """Tell whether no weight is NaN or infinite."""
        if weights.is_cuda:  # at once: to ask for a number waits for the device
            return bool(torch.isfinite(weights).all())
        lie_by_input = weights.ndim == 2 and weights.T.is_contiguous()
        return is_finite(weights.T if lie_by_input else weights)

    def output_desire(self, counts: Tensor, labels: Tensor) -> Tensor:
        """Derive output desires, (B, K) int8, from counts, (B, K), and labels, (B,) (Eq. 11)."""
        desire: Tensor = output_desires(self.config, counts, labels)
        return desire

    def predict(self, trains: Any) -> Tensor:
        """Return what the trains of the output layer say, (B,) int64 (Sec. 4.2)."""

        def last_spikes() -> Array:
            return rule.last_spikes(self.unpack(trains))

        prediction: Tensor = decided(self.config, self.counts(trains), last_spikes)
        return prediction

    def pass_back(
        self, layer: Layer, weights: Tensor, desire: Tensor, trains: Any, mask: Tensor | None
    ) -> Tensor:
        """Pass the desires of a layer to the one before (Eq. 13 to 15).

        Parameters
        ----------
        layer : Layer
            Which it is, above the first.
        weights : Tensor
            Its weights.
        desire : Tensor
            d of its neurons, (B, N_ℓ) int8.
        trains : object
            Their trains, or eligible steps where the config has an `eligibility_policy`.
        mask : Tensor or None
            Their dropout mask, (B, N_ℓ) bool.

        Returns
        -------
        Tensor
            d of the presynaptic neurons, (B, N_{ℓ−1}) int8.
        """
        config = self.config
        errors = local_errors(config, desire, self.counts(trains), mask)
        z = layer.synapse.backward(weights, errors)
        desires: Tensor = rule.hidden_desire(z, config.desire_threshold_of(layer.number - 1))
        return desires

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
        """Add the change of weights of a minibatch (Eq. 4).

        Parameters
        ----------
        layer : Layer
            Which it is.
        weights : Tensor
            Its weights, changed in place.
        learning_rate : float
            η, before the layer's factor.
        desire : Tensor
            d, (B, N_ℓ) int8.
        mask : Tensor or None
            Dropout mask of the layer, (B, N_ℓ) bool.
        pre, post : object
            Trains of both sides of the synapses; eligible steps as post where the config has an
            `eligibility_policy`.
        first_sample : int
            Number of the first sample, where learning :attr:`draws`.

        Returns
        -------
        Tensor
            Samples with desire in a neuron that is kept, (B,) bool.
        """
        if mask is not None:
            desire = desire * mask
        with_desire = desire.any(dim=1)
        chosen = with_desire.nonzero().squeeze(1)
        if len(chosen):
            signed = self.unpack(post).index_select(1, chosen) * desire[chosen]
            arrived = delayed(self.unpack(pre).index_select(1, chosen), layer.delay)
            sums = self._pairings(layer.synapse, signed, arrived)
            weights += rule.weight_change(sums, self.rate_of(layer, learning_rate))
        return with_desire

    def change_weights(
        self,
        factors: Iterable[tuple[Any, ...]],
        layer: Layer,
        weights: Tensor,
        learning_rate: float,
        *sample: Any,
    ) -> Tensor:
        """Do what :meth:`learn` does, and add the changes of the config's terms.

        Parameters
        ----------
        factors : iterable
            What :meth:`term_factors` yields; terms are computed as it is gone through.
        layer, weights, learning_rate, *sample
            The arguments of :meth:`learn`.

        Returns
        -------
        Tensor
            Samples with desire in a neuron that is kept, (B,) bool.
        """
        with_desire = self.learn(layer, weights, learning_rate, *sample)
        for pair in factors:
            self.add_outer(layer, weights, *pair)
        return with_desire

    def term_factors(self, update: LayerUpdate) -> Iterator[tuple[Any, ...]]:
        """Yield the factors of what terms add to an update, in their order."""
        yield from term_factors(update)

    def rate_of(self, layer: Layer, learning_rate: float) -> float:
        """Return a learning rate with the layer's factor."""
        return learning_rate * self.config.learning_rate_scale_of(layer.number)

    def _pairings(self, synapse: Synapse, signed: Tensor, arrived: Tensor) -> Tensor:
        """Return Σ s_o·r_i: (T, B, N_o) int8 and (T, B, N_i) bool → a weight (Eq. 3 and 4)."""
        traces = self._traces(arrived, torch.float64)
        pairings: Tensor = synapse.pairings(signed, traces)
        return pairings

    def _traces(self, arrived: Tensor, dtype: torch.dtype) -> Tensor:
        return trace_scan(arrived, self.config.decay, dtype, self.config.synapse_decay)

    def desired_spikes(self, desire: Tensor, mask: Tensor | None, trains: Any) -> Array:
        """Sum a layer's spikes signed by desire, Σ_b d · mask · n: (N_ℓ,) int64."""
        signs = desire if mask is None else desire * mask
        return (signs * self.counts(trains)).sum(0)

    def as_array(self, values: Tensor) -> Array:
        """Return a vector as the arrays that terms of an update are computed with."""
        return values

    def add_outer(self, layer: Layer, weights: Tensor, post: Array, pre: Array) -> None:
        """Add a change that is a product of two factors to weights.

        Parameters
        ----------
        layer : Layer
            Which it is.
        weights : Tensor
            Its weights, changed in place.
        post, pre : array
            (N_ℓ,) and (N_{ℓ−1},) float32, as of :meth:`as_array`.
        """
        weights += layer.synapse.outer(torch.as_tensor(post), torch.as_tensor(pre))

    def clip(self, weights: Tensor, limit: float) -> None:
        """Clip weights to a magnitude, in place."""
        weights.clamp_(-limit, limit)

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """Move an average of weights towards them by a share of the way, in place."""
        average.lerp_(weights, share)


def lif_scan(
    current: Tensor,
    decay: float,
    threshold: float,
    mask: Tensor | None,
    reset: str,
    potentials: Tensor | None = None,
) -> Tensor:
    """Run :func:`~lava_desire.rule.integrate_and_fire` over a window from rest.

    The current is (T, B, N) float32, the mask (B, N) bool, spikes are (T, B, N) bool; `potentials`,
    as the current, receives those before the reset.
    """
    potential = torch.zeros_like(current[0])
    spikes = torch.empty(current.shape, dtype=torch.bool, device=current.device)
    for step, step_current in enumerate(current):
        if potentials is not None:
            potentials[step] = decay * potential + step_current
        spikes[step], potential = rule.integrate_and_fire(
            potential, step_current, decay, threshold, mask, reset
        )
    return spikes


def filter_in_place(values: Tensor, decay: float) -> None:
    """Add to each step of (T, ...) what is left of the one before; product and sum round apart."""
    if decay:
        for step in range(1, len(values)):
            values[step] += decay * values[step - 1]


def trace_scan(
    spikes: Tensor, decay: float, dtype: torch.dtype, synapse_decay: float = 0.0
) -> Tensor:
    """Run :func:`~lava_desire.rule.decay_trace` over a window, (T, B, N) bool → `dtype` (Eq. 3).

    With a `synapse_decay` α first, and on what that leaves with `decay`.
    """
    traces = spikes.to(dtype)
    filter_in_place(traces, synapse_decay)
    for step in range(1, len(traces)):
        traces[step].add_(traces[step - 1], alpha=decay)
    return traces


def encode_uint8_table(num_steps: int, threshold: float, device: torch.device) -> Tensor:
    """Tabulate the encoder for the 256 brightnesses of an 8-bit image: (T, 256) bool."""
    levels = torch.arange(256, dtype=torch.float32) / 255
    table: Tensor = rule.encode(levels, num_steps, threshold)
    return table.to(device)


def error_table(config: DesireConfig) -> Tensor:
    """Tabulate local errors by desire + 1 and count: (3, T + 1) float32 (Eq. 14)."""
    counts = torch.arange(config.num_steps + 1).expand(3, -1)
    desires = torch.tensor([[-1], [0], [1]], dtype=torch.int8)
    errors: Tensor = local_errors(config, desires.expand_as(counts), counts)
    return errors.contiguous()


def output_desire_table(config: DesireConfig) -> Tensor:
    """Tabulate output desires by count, of other classes and the label's: (2, T + 1) int8 (Eq. 11).

    They are the paper's, not those of an `output_policy`.
    """
    counts = torch.arange(config.num_steps + 1)
    rates = rule.firing_rate(counts, config.num_steps, config.error_margin)
    pairs: Tensor = rule.output_desire(
        rates[:, None].expand(-1, 2),
        torch.ones(len(counts), dtype=torch.int64),
        config.desire_threshold_output,
    )
    return pairs.T.contiguous()
