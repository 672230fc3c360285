"""The sums over the synapses of a connection, of any kind, in either arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.model.synapses import Synapse
from lava_desire.proc.checks import bounded


class Sums:
    """What a window computes with the weights that it began with, by the sums of any synapse.

    Sums are float64; those of mantissas are whole numbers, and exact.
    """

    def __init__(self, config: DesireConfig, synapse: Synapse) -> None:
        self.config, self.synapse = config, synapse
        self._weights = np.zeros(synapse.weight_shape)

    def take(self, weights: Any, rows: Any = slice(None)) -> None:
        """Go on with these weights, or with what they are now in some rows; they are copied."""
        self._weights[rows] = weights[rows]

    @property
    def weights(self) -> Any:
        """The weights of the window, `weight_shape` float64."""
        return self._weights

    def current(self, spikes: Any) -> Any:
        """Return W u of one step, (N_o,) float64 (Eq. 1); it is the caller's until the next."""
        return self.synapse.forward(self._weights, spikes.astype(np.float64))

    def backward(self, error: Any) -> Any:
        """Return z = Wᵀ c, (N_i,) float64, of errors (N_o,) (Eq. 13)."""
        return self.synapse.transpose(self._weights, error.astype(np.float64))

    def pairings(self, signed: Any, traces: Any, rows: Any = slice(None)) -> Any:
        """Return the pairs of Eq. 4, the rows of `weight_shape` that are asked for, in float64.

        `signed` is d · s, (T, N_o), and traces r, (T, N_i), float64 or integers. `rows` are indices
        (n,) of postsynaptic neurons, or channels; the others have no pairs, or are not asked for.
        """
        return self.synapse.pair(signed.astype(np.float64), traces.astype(np.float64))[rows]

    def outer(self, post: Any, pre: Any) -> Any:
        """Return the change from a factor a neuron on both sides, `weight_shape` float32."""
        return self.synapse.outer(post, pre)

    def learn(
        self,
        weights: Any,
        rate: float,
        signed: Any,
        received: Any,
        factors: Sequence[tuple[Any, Any]],
    ) -> Any:
        """Change weights by Eq. 4 and by further terms, within their bounds, and take them.

        Weights, `weight_shape` float32, change in place; `rate` is η with the layer's factor;
        `signed`, d · s, is (T, N_o) int8, received spikes (T, N_i) bool, and factors of terms
        (N_o,) and (N_i,) float32. Returns Σ_i |ΔW| of each neuron, (N_o,) float32; where neurons
        share weights, of these.
        """
        pairings = self.pairings(signed, traces_of(received, self.config))
        changes = [rule.weight_change(pairings, rate)]
        changes += [self.outer(*pair) for pair in factors]
        for change in changes:
            weights += change
        weights[...] = bounded(self.config, weights)
        self.take(weights)
        return self.synapse.by_neuron(np.abs(sum(changes)))


def traces_of(spikes: Any, config: DesireConfig) -> Any:
    """Return the traces of spikes, (T, N) bool → float64 (Eq. 3)."""
    traces = spikes.astype(np.float64)
    for decay in filter(None, (config.synapse_decay, config.decay)):
        for step in range(1, len(traces)):
            traces[step] += decay * traces[step - 1]
    return traces
