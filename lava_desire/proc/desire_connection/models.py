"""Process models of the plastic connection, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.model.option import local_errors, term_factors
from lava_desire.proc.checks import bounded
from lava_desire.proc.desire_connection.learning import AbstractPyDesireConnectionModel
from lava_desire.proc.desire_connection.process import DesireConnection
from lava_desire.randomness import feedback_held


class AbstractPyDesireConnectionModelFloat(AbstractPyDesireConnectionModel):
    """Floating point: trains are kept over the window, and paired in one product at its end."""

    number = np.float32
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    z_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.float32)
    weights: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        config = self._config
        self._gain = config.dropout_gain(self._layer - 1)
        self._gain_of_window = 1.0
        self._feedback: Any = None  # what is kept for a feedback policy, when first needed
        self._mean_trace = config.mean_trace

    def _check_weights(self) -> None:
        if not np.isfinite(self.weights).all():
            raise ValueError("weights hold NaN or infinity: expected finite values")
        self._keep_within_bounds()

    def _keep_within_bounds(self) -> None:
        """Have weights that come from outside be as others are; a RefPort writes any type."""
        self.weights = self.weights.astype(np.float32, copy=False)
        self.weights[...] = bounded(self._config, self.weights)

    def on_var_update(self) -> None:
        """Keep weights within their bounds, and look at them anew when the next window begins."""
        self._keep_within_bounds()
        self._taken = None

    def _begin_window(self) -> None:
        self._gain_of_window = self._gain if self.training[0] else 1.0

    def _current(self, spikes: Any) -> Any:
        total = self._sums.current(spikes)
        if self._gain_of_window != 1.0:
            total *= self._gain_of_window
        self._activation[...] = total
        return self._activation

    def _backpropagate(self, counts: Any) -> Any:
        config = self._config
        error, policy = local_errors(config, self._desire, counts), config.feedback_policy
        if policy is None or self._layer == 1:
            return self._sums.backward(error).astype(np.float32)
        if self._feedback is None:
            self._feedback = feedback_held(self._config, self._layer)
        weights = self._sums.weights.astype(np.float32)
        return self._synapse.backward(policy.matrix(weights, self._feedback), error)

    def _prepare(self, has_desire: bool) -> bool:
        return has_desire or bool(self._config.terms)

    def run_lrn(self) -> None:
        """Change the weights by Eq. 4 and what the config adds to it."""
        if self._taken is not self.weights:
            self._keep_within_bounds()
        rate = float(self.learning_rate[0]) * self._config.learning_rate_scale_of(self._layer)
        signed = self._paired * self._desire
        self.change = self._sums.learn(
            self.weights,
            rate,
            signed,
            self._received,
            list(term_factors(self._update(rate, signed))),
        )


@implements(proc=DesireConnection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireConnectionModelFloat(AbstractPyDesireConnectionModelFloat):
    """Of any kind of synapse."""
