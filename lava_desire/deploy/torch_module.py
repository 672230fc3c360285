"""A trained network as a ``torch.nn.Module``, for inference in tools made for torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lava_desire import rule
from lava_desire.backends.inputs import as_input
from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import (
    IntegerNetwork,
    as_integers,
    is_floating,
)
from lava_desire.engine import DesireNetwork
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.integers.constants import whole_decay
from lava_desire.model.integers.limits import ALIGNMENT_BITS, DECAY_BITS, STATE_LIMIT
from lava_desire.model.option import decided
from lava_desire.model.synapses import Synapse, delayed, refuse_synapses


class Linear(nn.Linear):
    """A fully connected layer: (R, N_i) spikes → (R, N_o) sums, float64 as the engine's (Eq. 1)."""

    def forward(self, spikes: Tensor) -> Tensor:
        """Sum weighted spikes."""
        return nn.functional.linear(spikes.double(), self.weight.double())


class Convolution(nn.Conv2d):
    """A convolution: (R, C, H, W) spikes → (R, C', H', W') sums, float64."""

    def forward(self, spikes: Tensor) -> Tensor:
        """Sum weighted spikes."""
        return self._conv_forward(spikes.double(), self.weight.double(), None)


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons, a step a call (Eq. 1).

    β, α, θ and the reset are the config's. With a `threshold`, a mantissa in [1, 2^17), neurons are
    in integers, compare strictly and round toward zero as
    :class:`~lava_desire.deploy.IntegerNetwork` says; sums of weights are times 2^exponent, rounded
    down. `mem` and `current` are potentials and filtered currents after the last step, (B, N)
    float32 or, of potentials in integers, int64; zeros (1,) after :meth:`reset`.
    """

    # What harnesses ask snnTorch's neurons for.
    init_hidden, output = True, False

    mem: Tensor
    current: Tensor

    def __init__(
        self, config: DesireConfig, threshold: int | None = None, exponent: int = 0
    ) -> None:
        super().__init__()
        self._config, self._threshold, self._exponent = config, threshold, exponent
        self._reset_mechanism = config.reset
        self.reset()

    def reset(self) -> None:
        """Set potentials and currents to 0, for a new window."""
        self.current = torch.zeros(1)
        self.mem = torch.zeros(1, dtype=torch.float32 if self._threshold is None else torch.int64)

    def forward(self, sums: Tensor) -> Tensor:
        """Advance by a step: (B, N) float64 sums of weights → (B, N) float32, 0 or 1."""
        config, potential = self._config, self.mem.to(sums.device)
        if self._threshold is None:
            current = self.current.to(sums.device)
            self.current = rule.filter_current(current, sums.float(), config.synapse_decay)
            spikes, self.mem = rule.integrate_and_fire(
                potential, self.current, config.decay, config.threshold, reset=config.reset
            )
            return spikes.float()
        whole, exponent = sums.long(), self._exponent
        shifted = whole << exponent if exponent >= 0 else whole >> -exponent
        current = _held(shifted) << ALIGNMENT_BITS
        if left := whole_decay(config.synapse_decay):
            before = self.current.to(sums.device).long()
            self.current = current = _held(_decayed(before, left) + current)
        held = _held(_decayed(potential, whole_decay(config.decay)) + current)
        threshold = self._threshold << ALIGNMENT_BITS
        spikes = held > threshold
        self.mem = held - spikes * (held if config.reset == "zero" else threshold)
        return spikes.float()

    def extra_repr(self) -> str:
        """Say what the neurons do."""
        fired = self._config.threshold if self._threshold is None else f"{self._threshold} · 64"
        return f"beta={self._config.decay:g}, threshold={fired}, reset={self._config.reset}"


class SpikingModule(nn.Module):
    """A trained network as a torch module: :func:`to_torch` makes it.

    Its children are ``linear_1`` or ``conv_1``, ``lif_1``, ``linear_2``, …: subclasses of
    ``nn.Linear`` and ``nn.Conv2d``, and :class:`LIF`. Nothing in it has a gradient.
    """

    def __init__(self, network: DesireNetwork | IntegerNetwork) -> None:
        super().__init__()
        self.config = network.config
        self._encoder = encoder_of(network)
        formats: Sequence[tuple[int, ...]] = [()] * self.config.num_layers
        weights: Sequence[Any]
        if isinstance(network, DesireNetwork) and is_floating(network):
            weights, dtype = network.numpy_weights(), "float32"
        else:
            integers = as_integers(network)
            weights, dtype = integers.weights, "int8"
            formats = list(zip(integers.thresholds, integers.weight_exponents, strict=True))
        for index, (synapse, array) in enumerate(zip(self.config.synapses, weights, strict=True)):
            connection = _connection(synapse)
            values = torch.tensor(np.asarray(array, dtype))
            connection.weight = nn.Parameter(values, requires_grad=False)
            kind = "conv" if isinstance(synapse, Conv2d) else "linear"
            self.add_module(f"{kind}_{index + 1}", connection)
            self.add_module(f"lif_{index + 1}", LIF(self.config, *formats[index]))
        self.eval()

    def encode(self, images: Any) -> Tensor:
        """Turn images into spikes as the network does (Sec. 4.1).

        Returns (T, B, N_0) bool of what :meth:`~lava_desire.DesireNetwork.forward` takes; spikes
        remain what they are. Raises ValueError if they do not fit the network.
        """
        encoder = self._encoder
        shape = encoder.image_shape
        checked = as_input(images, self.config, encoder.device, image_shape=shape)[:]
        encoder.check_scale(checked)
        return encoder.backend.unpack(encoder.backend.encode(checked)).bool()

    def predict(self, images: Any) -> Tensor:
        """Classify images, or spikes, as :meth:`encode` takes them: (B,) int64, −1 undecided."""
        return self.decide(self(self.encode(images)))

    def decide(self, spikes: Tensor) -> Tensor:
        """Return classes, (B,) int64, −1 undecided, from output spikes, (T, B, N_L) (Sec. 4.2)."""
        spikes = spikes.bool()
        return decided(self.config, spikes.sum(0), lambda: rule.last_spikes(spikes))

    @torch.no_grad()
    def forward(self, spikes: Tensor) -> Tensor:
        """Run a window from rest.

        Input spikes are (T, B, N_0) or (T, B, C, H, W), 0 and 1 of any dtype, with any T above the
        delays. Returns output spikes, (T, B, N_L) float32: those of the network to the bit, layer ℓ
        ≥ 2 a step behind the one below. Raises ValueError if the shape is another.
        """
        trains = spikes.flatten(2) if spikes.ndim > 3 else spikes
        if trains.ndim != 3 or trains.shape[2] != self.config.num_inputs:
            raise ValueError(
                f"spikes have shape {tuple(spikes.shape)}: expected (T, B, "
                f"{self.config.num_inputs})"
            )
        trains = trains.float()
        parts: list[Any] = list(self.children())
        layers = zip(self.config.synapses, parts[::2], parts[1::2], strict=True)
        for layer, (synapse, connection, neurons) in enumerate(layers, start=1):
            arrived = delayed(trains, self.config.delay(layer)).flatten(0, 1)
            if isinstance(synapse, Conv2d):
                arrived = arrived.unflatten(1, synapse.pre_shape)
            current = connection(arrived).flatten(1).unflatten(0, trains.shape[:2])
            neurons.reset()
            trains = torch.stack([neurons(step) for step in current])
        return trains


def encoder_of(network: DesireNetwork | IntegerNetwork) -> DesireNetwork:
    """Return a network of the engine that encodes images as `network` does."""
    if isinstance(network, DesireNetwork):
        return network
    if network.encodes_integers:
        encoder = DesireNetwork(network.config, arithmetic="fixed_point", formats=network.formats)
    else:
        encoder = DesireNetwork(network.config)
    if network.image_shape is not None:
        encoder.card = {"data": {"image_shape": list(network.image_shape)}}
    return encoder


def _decayed(values: Tensor, decay: int) -> Tensor:
    """Return integers times decay / 4096, rounded toward zero."""
    return values.sign() * (values.abs() * decay >> DECAY_BITS)


def _held(values: Tensor) -> Tensor:
    """Hold values to 24 bits."""
    return values.clamp(-STATE_LIMIT, STATE_LIMIT)


def _connection(synapse: Synapse) -> Linear | Convolution:
    if isinstance(synapse, Conv2d):
        return Convolution(
            synapse.in_channels,
            synapse.out_channels,
            synapse.kernel_size,
            synapse.stride,
            synapse.padding,
            bias=False,
        )
    return Linear(synapse.num_pre, synapse.num_post, bias=False)


def to_torch(network: DesireNetwork | IntegerNetwork) -> SpikingModule:
    """Return a trained network as a ``torch.nn.Module``, for inference.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        In floating point or in integers, dense or with convolutions.

    Returns
    -------
    SpikingModule
        With copies of the weights: float32, or int8 in integers. ``module(module.encode(images))``
        are the spikes of the output layer, (T, B, N_L).

    Raises
    ------
    ValueError
        If `network` is none, or has synapses of another kind.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 20, 10)))
    >>> images, module = load_dataset("digits").test_images[:5], to_torch(network)
    >>> bool((module(module.encode(images)).bool() == network.forward(images).spikes[-1]).all())
    True
    """
    if not isinstance(network, (DesireNetwork, IntegerNetwork)):
        raise ValueError(
            f"network is a {type(network).__name__}: expected a DesireNetwork or an IntegerNetwork"
        )
    refuse_synapses(network.config, "a torch module", ("dense", "conv2d"))
    return SpikingModule(network)
