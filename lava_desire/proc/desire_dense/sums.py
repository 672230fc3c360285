"""The sums over the synapses of a connection that is all to all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.model.synapses import Synapse
from lava_desire.proc.checks import bounded
from lava_desire.proc.desire_connection.sums import Sums, traces_of


class DenseSums(Sums):
    """Sums over the spikes that there are, and changes of the weights that take part."""

    def __init__(self, config: DesireConfig, synapse: Synapse) -> None:
        self.config, self.synapse = config, synapse
        # Weights by input: a sum over active inputs then adds whole rows.
        self._by_input = np.zeros((synapse.num_pre, synapse.num_post))
        self._total = np.zeros(synapse.num_post)

    def take(self, weights: Any, rows: Any = slice(None)) -> None:
        """See :class:`Sums`."""
        self._by_input[:, rows] = weights[rows].T

    @property
    def weights(self) -> Any:
        """See :class:`Sums`."""
        return self._by_input.T

    def current(self, spikes: Any) -> Any:
        """See :class:`Sums`."""
        (active,) = spikes.nonzero()
        return np.add.reduce(self._by_input.take(active, axis=0), axis=0, out=self._total)

    def backward(self, error: Any) -> Any:
        """See :class:`Sums`."""
        return self._by_input @ error.astype(np.float64)

    def pairings(self, signed: Any, traces: Any, rows: Any = slice(None)) -> Any:
        """See :class:`Sums`."""
        return signed[:, rows].astype(np.float64).T @ traces

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
        traces = traces_of(received[:, active], self.config)
        change = rule.weight_change(self.pairings(signed, traces, chosen), rate)
        weights[part] += change
        if factors:
            added = np.zeros((len(chosen), weights.shape[1]), np.float32)
            for post, pre in factors:
                one = self.outer(post[chosen], pre)
                weights[chosen] += one
                added += one
            added[:, active] += change
            change, active = added, np.arange(weights.shape[1])
        if self.config.bounds:
            weights[chosen] = bounded(self.config, weights[chosen])
        part = np.ix_(active, chosen)
        self._by_input[part] = weights.T[part]
        change_of[chosen] = np.abs(change).sum(axis=1)
        return change_of
