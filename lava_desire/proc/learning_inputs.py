"""Inputs of a plastic connection, and whether it has all that it needs to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import AbstractProcess

from lava_desire.lava_runtime.errors import describe
from lava_desire.proc.messages import (
    check_spikes,
    check_ternary,
    refuse_cut_data,
    say_unconnected,
)
from lava_desire.proc.window import UNLABELLED

_EXPECTED = "expected the teacher's third_factor_out, since rates_over is 'desired'"


class AbstractPyHearingModel(PyLoihiProcessModel):
    """Receives spikes, answers, desire and the third factor, and knows whether it may learn."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    s_post_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    desire_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    third_factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int8)
    learning_enabled: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = config = proc_params["config"]
        layer = proc_params["layer"]
        self._step_of_desire = config.num_steps + 1 + config.num_layers - layer
        self._desire = np.zeros(config.num_neurons(layer), np.int8)
        self._third_factor = 0
        self._must_learn = False

    @classmethod
    def check_inputs(cls, process: AbstractProcess, unconnected: frozenset[str]) -> None:
        """Say before a run that the connection will not learn; refuse it without a third factor.

        Raises
        ------
        ValueError
            If the config asks for a third factor and none is connected.
        """
        refuse_cut_data(process)
        config = process.proc_params["config"]
        if config.rates_desired_samples and "third_factor_in" in unconnected:
            raise ValueError(
                f"third_factor_in of {describe(process)} is not connected: {_EXPECTED}"
            )
        learns: Any = process.vars.learning_enabled.init
        for port in ("s_in", "s_post_in", "desire_in"):
            if port in unconnected and learns[0]:
                say_unconnected(process, port, "the connection does not learn")

    def _hear(self, step: int) -> tuple[Any, Any]:
        """Receive, and return spikes (N_{ℓ−1},) and answers (N_ℓ,), bool."""
        spikes = check_spikes("s_in", self.s_in.recv(), step)
        answers = check_spikes("s_post_in", self.s_post_in.recv(), step)
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
        inputs = (self.s_in, self.s_post_in, self.desire_in)
        return (
            bool(self.learning_enabled[0])
            and self._third_factor != UNLABELLED
            and all(port.csp_ports for port in inputs)
        )

    def lrn_guard(self) -> bool:
        """Learn in the step in which a desire has arrived."""
        return self._must_learn
