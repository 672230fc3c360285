"""The sums over the synapses of a connection in floating point: of any kind, and of dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.model.synapses import Dense, Synapse
from lava_desire.proc.checks import bounded


class Sums:
    """What a window computes with the weights that it began with, by the sums of any synapse.

    Parameters
    ----------
    config : DesireConfig
        β, and what bounds weights.
    synapse : Synapse
        The connection.
    """

    def __init__(self, config: DesireConfig, synapse: Synapse) -> None:
        self.config, self.synapse = config, synapse
        self._weights = np.zeros(synapse.weight_shape, np.float32)

    def take(self, weights: Any) -> None:
        """Begin with these weights; they are copied."""
        self._weights[...] = weights

    @property
    def weights(self) -> Any:
        """The weights that the window began with, `weight_shape` float32."""
        return self._weights

    def current(self, spikes: Any, gain: float) -> Any:
        """Return a = W (g·u) of one step, (N_o,) float32 (Eq. 1)."""
        return self.synapse.current(self._weights, spikes, gain)

    def backward(self, weights: Any, error: Any) -> Any:
        """Return z = Wᵀ c, (N_i,) float32, of (N_o,) float32 errors (Eq. 13)."""
        return self.synapse.backward(weights, error)

    def learn(
        self,
        weights: Any,
        rate: float,
        signed: Any,
        received: Any,
        factors: Sequence[tuple[Any, Any]],
    ) -> Any:
        """Change weights by Eq. 4 and by further terms, within their bounds, and take them.

        Parameters
        ----------
        weights : ndarray
            `weight_shape` float32, changed in place.
        rate : float
            η with the layer's factor.
        signed, received : ndarray
            d · s, (T, N_o) int8, and presynaptic spikes, (T, N_i) bool.
        factors : sequence of pairs of ndarray
            Of the terms, (N_o,) and (N_i,) float32.

        Returns
        -------
        ndarray
            Σ_i |ΔW| of each neuron, (N_o,) float32; where neurons share weights, of these.
        """
        pairings = self.synapse.pairings(signed, traces_of(received, self.config.decay))
        changes = [rule.weight_change(pairings, rate)]
        changes += [self.synapse.outer(*pair) for pair in factors]
        for change in changes:
            weights += change
        weights[...] = bounded(self.config, weights)
        self.take(weights)
        return self.synapse.by_neuron(np.abs(sum(changes)))


class DenseSums(Sums):
    """Sums over the spikes that there are, and changes of the weights that take part."""

    def __init__(self, config: DesireConfig, synapse: Synapse) -> None:
        self.config, self.synapse = config, synapse
        # Weights by input and in float64: a sum over active inputs then adds whole rows.
        self._rows = np.zeros((synapse.num_pre, synapse.num_post))
        self._total = np.zeros(synapse.num_post)
        self._current = np.zeros(synapse.num_post, np.float32)

    def take(self, weights: Any) -> None:
        """See :class:`Sums`."""
        self._rows[...] = weights.T

    @property
    def weights(self) -> Any:
        """See :class:`Sums`."""
        return np.ascontiguousarray(self._rows.T, np.float32)

    def current(self, spikes: Any, gain: float) -> Any:
        """See :class:`Sums`."""
        (active,) = spikes.nonzero()
        if len(active):
            total = np.add.reduce(self._rows.take(active, axis=0), axis=0, out=self._total)
            if gain != 1.0:
                total *= gain
            self._current[...] = total
        else:
            self._current.fill(0)
        return self._current

    def backward(self, weights: Any, error: Any) -> Any:
        """See :class:`Sums`."""
        (wanted,) = error.nonzero()  # the others would add zeros
        return rule.backpropagate_error(weights[wanted], error[wanted])

    def learn(
        self,
        weights: Any,
        rate: float,
        signed: Any,
        received: Any,
        factors: Sequence[tuple[Any, Any]],
    ) -> Any:
        """See :class:`Sums`."""
        change_of = np.zeros(len(weights), np.float32)
        takes_part = signed.any(axis=0)
        for post, _ in factors:
            takes_part |= post != 0
        (chosen,), (active,) = takes_part.nonzero(), received.any(axis=0).nonzero()
        if not len(chosen):
            return change_of
        part = np.ix_(chosen, active)
        traces = traces_of(received[:, active], self.config.decay)
        change = rule.weight_change(signed[:, chosen].astype(np.float64).T @ traces, rate)
        weights[part] += change
        if factors:
            added = np.zeros((len(chosen), weights.shape[1]), np.float32)
            for post, pre in factors:
                one = self.synapse.outer(post[chosen], pre)
                weights[chosen] += one
                added += one
            added[:, active] += change
            change, active = added, np.arange(weights.shape[1])
        if self.config.bounds:
            weights[chosen] = bounded(self.config, weights[chosen])
        part = np.ix_(active, chosen)
        self._rows[part] = weights.T[part]
        change_of[chosen] = np.abs(change).sum(axis=1)
        return change_of


def sums_of(config: DesireConfig, synapse: Synapse) -> Sums:
    """Return the sums of a connection, the fast ones where it is dense."""
    return (DenseSums if type(synapse) is Dense else Sums)(config, synapse)


def traces_of(spikes: Any, decay: float) -> Any:
    """Return the traces of spikes, (T, N) bool → float64 (Eq. 3)."""
    traces = spikes.astype(np.float64)
    for step in range(1, len(traces)):
        traces[step] += decay * traces[step - 1]
    return traces
