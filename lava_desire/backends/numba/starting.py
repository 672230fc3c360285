"""Training while kernels are compiled: torch operations first, compiled kernels from then on."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from lava_desire.backends.base import Layer
from lava_desire.backends.numba import ahead
from lava_desire.backends.numba.backend import NumbaBackend
from lava_desire.backends.numba.in_turn import InTurn
from lava_desire.backends.numba.online import Online
from lava_desire.backends.numba.words import WordBackend
from lava_desire.config import DesireConfig
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Dense

_DIGITS = 53  # of a float64


class StartingBackend(NumbaBackend):
    """Compiled kernels, and until others have compiled them what :class:`WordBackend` does.

    Trains and weights are the same, so kernels take over between any two calls, and no bit of a
    result tells when they did. Where float64 does not hold every digit of an update's sum, its last
    bit may depend on the order: such an update waits for its kernels.
    """

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        super().__init__(config, device, precision)
        self._most_spikes = exact_spikes(config)

    def _begin(self) -> None:
        ahead.start(*self._groups, say=ahead.say, meanwhile=True)
        self._is_starting = True

    def is_compiled(self) -> bool:
        """Tell whether kernels compute from now on, but for the loop over single samples."""
        if self._is_starting:
            self._is_starting = not all(map(ahead.is_ready, self._needed))
        return not self._is_starting

    @property
    def online(self) -> Online | None:
        """What runs single samples, where it can and from when on it is compiled."""
        if self._online and not self._has_online:
            self._has_online = ahead.is_ready("single")
        return self._online if self._has_online else None

    @property
    def in_turn(self) -> InTurn | None:
        """What learns minibatches in turn, where it can and from when on it is compiled.

        Other processes begin with it when they are done with the kernels of single steps.
        """
        knows = self._in_turn is not None and self._in_turn.learns and self.is_compiled()
        return self._in_turn if knows and ahead.is_ready(self._loop) else None

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
        is_compiled = self.is_compiled()
        if not is_compiled and not self._is_exact(layer, desire, mask, post):
            self._wait()
            # Who has started no process compiles itself; who could not goes on as before.
            is_compiled = self.is_compiled() or not any(map(ahead.has_failed, self._needed))
        learn = NumbaBackend.learn if is_compiled else WordBackend.learn
        return learn(self, layer, weights, learning_rate, desire, mask, pre, post, first_sample)

    def _is_exact(self, layer: Layer, desire: Tensor, mask: Tensor | None, post: Any) -> bool:
        """Tell whether no sum of an update depends on its order; arguments as of :meth:`learn`."""
        synapse = layer.synapse
        if not isinstance(synapse, (Dense, Conv2d)):
            return True  # torch operations in either case
        if synapse.num_positions > 1 and self.config.terms:
            return False  # whose factors are of any size
        spikes = self.counts(post) * (desire if mask is None else desire * mask).abs()
        of_a_weight = spikes.sum(0).view(-1, synapse.num_positions).sum(1)
        return int(of_a_weight.max()) <= self._most_spikes


def exact_spikes(config: DesireConfig) -> int:
    """Return how many spikes of a neuron an update sums exactly, whatever its inputs did.

    A spike adds a trace, or takes it away: a multiple of what the decays leave of a presynaptic
    spike in T − 1 steps. Float64 holds a sum of them in every order as long as it fits 53 bits.
    """
    decays = Fraction(config.synapse_decay), Fraction(config.decay)
    parts = max(decay.denominator for decay in decays) ** (config.num_steps - 1)
    if parts > 2**_DIGITS:
        return 0
    current = trace = Fraction(0)  # of an input that spikes in every step
    for _ in range(config.num_steps):
        current = decays[0] * current + 1
        trace = decays[1] * trace + current
    return int(2**_DIGITS / (trace * parts))


def _either(name: str) -> Callable[..., Any]:
    """Return a method that does what the one of the kernels does, or the one before them."""
    compiled, before = getattr(NumbaBackend, name), getattr(WordBackend, name)

    @wraps(compiled)
    def method(self: StartingBackend, *arguments: Any, **options: Any) -> Any:
        chosen = compiled if self.is_compiled() else before
        return chosen(self, *arguments, **options)

    return method


for _name in vars(NumbaBackend).keys() & dir(WordBackend):
    if _name not in vars(StartingBackend) and not _name.startswith("__"):
        setattr(StartingBackend, _name, _either(_name))
