"""What a plastic connection does in either arithmetic."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_desire.lava_runtime.errors import describe
from lava_desire.model.option import LayerUpdate
from lava_desire.proc.desire_connection.followed_rates import FollowedRates
from lava_desire.proc.desire_connection.process import DesireConnection
from lava_desire.proc.desire_connection.sums import Sums
from lava_desire.proc.messages import (
    check_spikes,
    check_ternary,
    refuse_cut_data,
    say_unconnected,
)
from lava_desire.proc.window import UNLABELLED, step_in_window

_EXPECTED = "expected the teacher's third_factor_out, since rates_over is 'desired'"


class AbstractPyDesireConnectionModel(PyLoihiProcessModel):
    """Receives, computes a step and learns where it may.

    Weights, rates and `training` that are set within a window hold from the next one: until then
    the model goes by the copy of its sums.
    """

    sums: ClassVar[type[Sums]] = Sums
    """What computes the sums over synapses."""
    in_integers: ClassVar[bool] = False
    """Whether it learns in integers."""
    number: ClassVar[Any]
    """The dtype of activations and z before they are sent."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    s_post_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    eligible_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    desire_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    third_factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    a_out: PyOutPort  # their types are those of the arithmetic
    z_out: PyOutPort
    weights: np.ndarray[Any, Any]
    _mean_trace: float
    change: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)
    learning_rate: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    learning_enabled: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    input_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    output_rates: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    rated_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = config = proc_params["config"]
        self._layer = layer = proc_params["layer"]
        self._synapse = synapse = config.synapses[layer - 1]
        self._step_of_desire = config.num_steps + 1 + config.num_layers - layer
        # When connection ℓ + 1 follows the rates of the same neurons, its inputs.
        self._step_of_answers = self._step_of_desire - (layer < config.num_layers)
        self._rates = FollowedRates(config, self.in_integers)
        self._num_spikes = np.zeros(synapse.num_pre, np.int64)
        self._desire = np.zeros(synapse.num_post, np.int8)
        self._third_factor = 0
        self._must_learn = False
        self._activation = np.zeros(synapse.num_post, self.number)
        self._z = self._no_z = np.zeros(synapse.num_pre, self.number)
        self._received = np.zeros((config.num_steps, synapse.num_pre), dtype=bool)
        self._answered = np.zeros((config.num_steps, synapse.num_post), dtype=bool)
        # What is paired with traces: spikes, or steps in which neurons are eligible.
        self._is_eligible = config.eligibility_policy is not None
        self._paired = self._answered.copy() if self._is_eligible else self._answered
        self._sums = self.sums(config, synapse)
        self._taken: Any = None  # the Var's array, while the window's weights are in it

    @classmethod
    def check_inputs(cls, process: DesireConnection, unconnected: frozenset[str]) -> None:
        """Say before a run that the connection will not learn; refuse it without a third factor.

        Raises ValueError if the config asks for a third factor and none is connected.
        """
        refuse_cut_data(process)
        config = process.proc_params["config"]
        if config.rates_desired_samples and "third_factor_in" in unconnected:
            raise ValueError(
                f"third_factor_in of {describe(process)} is not connected: {_EXPECTED}"
            )
        learns: Any = process.vars.learning_enabled.init
        marks = () if config.eligibility_policy is None else ("eligible_in",)
        for port in ("s_in", "s_post_in", *marks, "desire_in"):
            if port in unconnected and learns[0]:
                say_unconnected(process, port, "the connection does not learn")

    def run_spk(self) -> None:
        """Send what was computed one step ago, then receive and compute."""
        num_steps = self._config.num_steps
        step = step_in_window(self.time_step, self._config)
        self.a_out.send(self._activation)
        self.z_out.send(self._z)
        spikes, answers = self._hear(step)
        self._must_learn = False
        self._z = self._no_z
        if step == 1:
            # A RefPort puts another array in place of the Var's; set() writes into it.
            if self._taken is not self.weights:
                self._check_weights()
                self._sums.take(self.weights)
                self._taken = self.weights
            if self._config.follows_rates:
                self._rates.begin(self)
                self._num_spikes.fill(0)
            self._begin_window()
            self.change = np.zeros_like(self.change)
        if step <= num_steps:
            self._received[step - 1] = spikes
        if 2 <= step <= num_steps + 1:
            self._answered[step - 2] = answers
        self._activation = self._current(spikes)
        if self._config.follows_rates:
            self._follow_rates(step, spikes)
        self._follow(step)
        if step == self._step_of_desire:
            has_desire = bool(self._desire.any())
            if has_desire and self.z_out.csp_ports:
                self._z = self._backpropagate(self._paired.sum(axis=0, dtype=np.int64))
            self._must_learn = self._is_learning() and self._prepare(has_desire)

    def _hear(self, step: int) -> tuple[Any, Any]:
        """Receive, and return spikes (N_{ℓ−1},) and answers (N_ℓ,), bool."""
        spikes = check_spikes("s_in", self.s_in.recv(), step)
        answers = check_spikes("s_post_in", self.s_post_in.recv(), step)
        if self._is_eligible:
            marks = check_spikes("eligible_in", self.eligible_in.recv(), step)
            if 2 <= step <= self._config.num_steps + 1:
                self._paired[step - 2] = marks
        desire = self.desire_in.recv()
        if step == self._step_of_desire:
            self._desire = check_ternary("desire_in", desire, step)
        if step == 1:
            self._third_factor = 0
        if self.third_factor_in.csp_ports:
            factor = self.third_factor_in.recv()
            if factor[0]:
                self._third_factor = int(check_ternary("third_factor_in", factor, step)[0])
        elif self._config.rates_desired_samples:
            raise ValueError(f"third_factor_in is not connected: {_EXPECTED}")
        return spikes, answers

    def _is_learning(self) -> bool:
        """Return whether learning is enabled, and its inputs are enough to learn from."""
        inputs = [self.s_in, self.s_post_in, self.desire_in]
        if self._is_eligible:
            inputs.append(self.eligible_in)
        return (
            bool(self.learning_enabled[0])
            and self._third_factor != UNLABELLED
            and all(port.csp_ports for port in inputs)
        )

    def _check_weights(self) -> None:
        """Refuse weights from outside that are none, and have them be as others are."""
        raise NotImplementedError

    def _begin_window(self) -> None:
        """Begin a window, whose weights are taken."""
        raise NotImplementedError

    def _current(self, spikes: Any) -> Any:
        """Return the activation, (N_ℓ,), of the arithmetic (Eq. 1)."""
        raise NotImplementedError

    def _follow(self, step: int) -> None:
        """Take in what came in this step, for what is learned."""

    def _follow_rates(self, step: int, spikes: Any) -> None:
        """Count spikes, and let mean rates follow them in the steps in which they are needed."""
        self._num_spikes += spikes  # also one that comes too late for the window
        is_rated = self._third_factor > 0 or not self._config.rates_desired_samples
        if is_rated and step in (self._step_of_answers, self._step_of_desire):
            if self._is_learning() and step == self._step_of_answers:
                self._rates.follow(self, "output_rates", self._answered.sum(axis=0))
            if self._is_learning() and step == self._step_of_desire:
                self._rates.follow(self, "input_rates", self._num_spikes)
        if step == self._config.window_steps:
            self._rates.show_samples(self)

    def _update(self, rate: Any, signed: Any) -> LayerUpdate:
        """Return what the config's terms are computed from, with spikes signed by desire."""
        config, as_factor = self._config, self._as_factor
        inputs, outputs = self._rates.values["input_rates"], self._rates.values["output_rates"]
        return LayerUpdate(
            config,
            self._layer,
            rate,
            num_samples=1,
            input_rates=as_factor(inputs),
            output_rates=as_factor(outputs) if self._layer < config.num_layers else None,
            desired_spikes=lambda: signed.sum(axis=0, dtype=np.int64),
            mean_trace=self._mean_trace,
        )

    def _as_factor(self, rates: Any) -> Any:
        """Return mean rates as terms are computed with; None where none are followed."""
        return rates

    def _backpropagate(self, counts: Any) -> Any:
        """Return z, (N_{ℓ−1},), of the desire and the counts, (N_ℓ,) int64 (Eq. 13, 14)."""
        raise NotImplementedError

    def _prepare(self, has_desire: bool) -> bool:
        """Return whether this window changes weights, where learning is enabled."""
        raise NotImplementedError

    def lrn_guard(self) -> bool:
        """Learn in the step in which a desire has arrived."""
        return self._must_learn
