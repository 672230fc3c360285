"""Process models of the layer of neurons, in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire import rule
from lava_desire.proc.desire_lif.process import DesireLIF
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.messages import check_finite, refuse_cut_data, say_unconnected
from lava_desire.proc.window import step_in_window


class AbstractPyDesireLIFModel(PyLoihiProcessModel):
    """What the layer does in either arithmetic."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    eligible_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    potential: np.ndarray[Any, Any]  # its type is that of the arithmetic
    mask: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = config = proc_params["config"]
        self._layer = layer = proc_params["layer"]
        self._masks = MaskSequence(
            config, layer, proc_params["dropout_masks"], proc_params["samples_seen"]
        )
        # Connection ℓ + 1 sends z in this step; the output layer's desire is the teacher's.
        is_hidden = layer < config.num_layers
        steps = config.num_steps + 1 + config.num_layers - layer
        self._step_of_desire = steps if is_hidden else None
        size = config.num_neurons(layer)
        self._no_spikes = np.zeros(size, dtype=bool)
        self._eligible = self._no_spikes
        self._no_desire = np.zeros(size, dtype=np.int8)

    @classmethod
    def check_inputs(cls, process: DesireLIF, unconnected: frozenset[str]) -> None:
        """Say before a run that no neuron will spike."""
        refuse_cut_data(process)
        if "a_in" in unconnected:
            say_unconnected(process, "a_in", "no neuron spikes")

    def run_spk(self) -> None:
        """Send the spikes of one time step, and the desire when z has come."""
        step = step_in_window(self.time_step, self._config)
        if step == 1:
            self._begin_window(bool(self.training[0]))
        # Both connections have sent before they wait for what is sent here.
        current = self.a_in.recv()
        if 2 <= step <= self._config.num_steps + 1:
            self.s_out.send(self._integrate_and_fire(current, step))
        else:
            self.s_out.send(self._no_spikes)
            self._eligible = self._no_spikes
        self.eligible_out.send(self._eligible)
        z = self.z_in.recv()
        if step == self._step_of_desire:
            self.desire = self._hidden_desire(z, step)
            self.desire_out.send(self.desire * self.mask)
        else:
            self.desire_out.send(self._no_desire)

    def _begin_window(self, training: bool) -> None:
        self.potential = np.zeros_like(self.potential)
        self.mask = self._masks.next(training)

    def _integrate_and_fire(self, current: Any, step: int) -> Any:
        """Advance the potential by a step and return the spikes, (N_ℓ,) bool (Eq. 1 and 16).

        Raises ValueError if what ``a_in`` received in this step of the window are no numbers to go
        on with.
        """
        raise NotImplementedError

    def _mark_eligible(self, reached: Any, threshold: float) -> None:
        """Keep which neurons may learn from this step, of potentials before their reset."""
        policy = self._config.eligibility_policy
        if policy is not None:
            self._eligible = self.mask
            if self._layer < self._config.num_layers:  # the output may learn in every step
                self._eligible = policy.eligible(reached, threshold) & self.mask

    def _hidden_desire(self, z: Any, step: int) -> Any:
        """Return what the neurons desire, (N_ℓ,) int8 (Eq. 15); errors likewise, of ``z_in``."""
        raise NotImplementedError


@implements(proc=DesireLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyDesireLIFModelFloat(AbstractPyDesireLIFModel):
    """Floating point."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    z_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    potential: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        config, size = self._config, len(self._no_spikes)
        self._next, self._spikes = np.zeros(size, np.float32), np.zeros(size, bool)
        # As arrays: NumPy would make one of a number in every step.
        self._decay = np.full(size, config.decay, np.float32)
        self._current = np.zeros(size, np.float32)
        self._threshold = np.full(size, config.threshold, np.float32)

    def _begin_window(self, training: bool) -> None:
        super()._begin_window(training)
        self._current = np.zeros_like(self._current)

    def _integrate_and_fire(self, current: Any, step: int) -> Any:
        """Do what :func:`~lava_desire.rule.integrate_and_fire` does, without new arrays."""
        arrived = current
        if self._config.synapse_decay:
            arrived = arrived.astype(np.float32, copy=False)
            arrived = rule.filter_current(self._current, arrived, self._config.synapse_decay)
            self._current = arrived
        potential = np.multiply(self.potential, self._decay, out=self._next, casting="same_kind")
        potential += arrived
        if not np.logical_and.reduce(np.isfinite(potential, out=self._spikes)):
            check_finite("a_in", current, step)
            raise ValueError("the membrane potential is no longer finite")
        self._mark_eligible(potential, self._config.threshold)
        spikes = np.greater_equal(potential, self._threshold, out=self._spikes)
        spikes &= self.mask
        (fired,) = spikes.nonzero()
        if len(fired):
            is_zeroed = self._config.reset == "zero"
            potential[fired] = 0 if is_zeroed else potential[fired] - self._threshold[fired]
        self.potential = potential
        return spikes

    def _hidden_desire(self, z: Any, step: int) -> Any:
        z = check_finite("z_in", z, step)
        return rule.hidden_desire(z, self._config.desire_threshold_of(self._layer))
