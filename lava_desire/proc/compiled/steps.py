"""Compiled steps of source, encoder, dense connections, layers and teacher in floating point.

They stand for the steps 2 to T of a window, in which spikes go forward alone; in the others, and
with options that have no kernel, the models run as they are written.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lava_desire.lava_runtime.arrays import Unfit, address
from lava_desire.lava_runtime.program import Call, CompiledSteps, steps_for
from lava_desire.proc.desire_dense.models import PyDesireDenseModelFloat
from lava_desire.proc.desire_dense.sums import DenseSums
from lava_desire.proc.desire_lif.models import PyDesireLIFModelFloat
from lava_desire.proc.desire_teacher.models import PyDesireTeacherModelFloat
from lava_desire.proc.rate_encoder.models import PyRateEncoderModelFloat
from lava_desire.proc.sample_source.models import PySampleSourceModel

_BOOL, _SINGLE = np.dtype(bool), np.dtype(np.float32)


class WindowSteps(CompiledSteps):
    """Of a model that has a config; silent ports send zeros."""

    kernels = "lava_desire.proc.compiled.kernels"

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._num_steps = model._config.num_steps
        self._window_steps = model._config.window_steps

    def room(self, step: int) -> int:
        """See :class:`CompiledSteps`: from a window's first step on as far as its T-th."""
        return self._num_steps - ((step - 1) % self._window_steps + 1)

    def _silent(self, *names: str) -> None:
        for name in names:
            port = getattr(self.model, name)
            self.messages[name] = np.zeros(port._shape, port._d_type)


@steps_for(PySampleSourceModel)
class SourceSteps(WindowSteps):
    """Sends the same image and label in all steps."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._silent("brightness_out", "label_out")
        self.early = frozenset(self.messages)

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        return [], []

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        # As the sum with zeros, which makes a -0.0 into 0.0.
        brightness = self.messages["brightness_out"]
        np.add(self.model._brightness.astype(brightness.dtype), 0.0, out=brightness)
        self.messages["label_out"][...] = self.model._labels
        return True


@steps_for(PyRateEncoderModelFloat)
class EncoderSteps(WindowSteps):
    """Of an encoder of images."""

    receives: ClassVar[dict[str, Any]] = {"brightness_in": _SINGLE}
    gives_up: ClassVar[str] = "was sent another brightness than at first"
    leaves = ("potential",)

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        if model.s_in.csp_ports:
            raise Unfit("hears spikes at s_in: kernels encode images")
        self._silent("s_out")
        size = self.messages["s_out"].size
        names = ("_received", "_brightness", "potential")
        self.takes = {name: np.zeros(size, np.float32) for name in names}
        self.takes["mask"] = np.zeros(size, bool)
        self.variables = {"potential": self.takes["potential"]}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        arrays = [
            heard["brightness_in"],
            self.takes["_received"],
            self.takes["_brightness"],
            self.takes["potential"],
            self.model._threshold,
            self.takes["mask"],
            self.messages["s_out"],
        ]
        return [], [("encoder", [self.takes["mask"].size, *map(address, arrays)])]


@steps_for(PyDesireDenseModelFloat)
class DenseSteps(WindowSteps):
    """Sends the activation of the step before, and keeps the trains."""

    # The third factor is of a teacher, which is silent meanwhile.
    receives: ClassVar[dict[str, Any]] = {
        "s_in": _BOOL,
        "s_post_in": _BOOL,
        "third_factor_in": np.dtype(np.int8),
    }
    optional = frozenset({"s_post_in", "third_factor_in"})

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        if type(model._sums) is not DenseSums or model._is_eligible:
            raise Unfit("has an eligibility_width, or sums of its own, which have no kernel")
        if model._synapse.num_post < 2:
            # NumPy sums a single column in another order.
            raise Unfit("has one output: kernels take two or more")
        self._silent("a_out", "z_out")
        self.early = frozenset(self.messages)
        self.takes = {"_activation": np.zeros_like(model._activation)}
        self._num_spikes = np.zeros_like(model._num_spikes)
        if model._config.follows_rates:
            self.takes["_num_spikes"] = self._num_spikes
        self.leaves = tuple(self.takes)
        self._gain, self._no_answers = np.ones(1), np.zeros(model._synapse.num_post, bool)

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        model, num_out = self.model, self._no_answers.size
        num_in, activation = model._synapse.num_pre, self.takes["_activation"]
        arrays = [
            model._sums._by_input,
            model._sums._total,
            self._gain,
            heard["s_in"],
            heard.get("s_post_in", self._no_answers),
            model._received,
            model._answered,
            activation,
            self._num_spikes,
        ]
        table = [num_out, num_in, self._window_steps, *map(address, arrays)]
        sent = [num_out, address(activation), address(self.messages["a_out"])]
        return [("send_single", sent)], [("connection", table)]

    def begin(self) -> bool:
        """See :class:`CompiledSteps`."""
        if self.model._z is not self.model._no_z:
            raise Unfit("has desires to send")
        self._gain[0] = self.model._gain_of_window
        return super().begin()


@steps_for(PyDesireLIFModelFloat)
class LifSteps(WindowSteps):
    """Of neurons without a filter of their currents, which learn whatever their potential."""

    receives: ClassVar[dict[str, Any]] = {"a_in": _SINGLE}
    leaves = ("potential",)

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        config = model._config
        if config.synapse_decay or config.eligibility_policy is not None:
            raise Unfit("has a synapse_decay or an eligibility_width, which have no kernel")
        self._silent("s_out", "eligible_out", "desire_out")
        self._is_zeroed = int(config.reset == "zero")
        self.takes = {"potential": np.zeros_like(model._next), "mask": np.zeros_like(model._spikes)}
        self.variables = {"potential": self.takes["potential"]}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        arrays = [
            self.takes["potential"],
            self.model._decay,
            heard["a_in"],
            self.model._threshold,
            self.takes["mask"],
            self.messages["s_out"],
        ]
        size = self.takes["mask"].size
        return [], [("neurons", [size, self._is_zeroed, *map(address, arrays)])]


@steps_for(PyDesireTeacherModelFloat)
class TeacherSteps(WindowSteps):
    """Counts spikes; labels are heard when the trains are over."""

    receives: ClassVar[dict[str, Any]] = {"s_in": _BOOL}
    leaves = ("counts", "_num_spikes", "last_spikes")

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._silent("desire_out", "prediction_out", "counts_out", "third_factor_out")
        self.takes = {name: np.zeros_like(model.counts) for name in self.leaves}

    def calls(self, heard: dict[str, Any]) -> tuple[list[Call], list[Call]]:
        """See :class:`CompiledSteps`."""
        counted = [self.takes[name] for name in ("counts", "_num_spikes", "last_spikes")]
        arrays = [heard["s_in"], *counted]
        sizes = [self.takes["counts"].size, self._window_steps]
        return [], [("teacher", [*sizes, *map(address, arrays)])]
