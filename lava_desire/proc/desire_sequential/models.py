"""Process models of the whole network: as separate processes, or by the engine once a window.

This is the one place where the processes meet the engine, which is imported when a torch model is
built, in the operating-system process that Lava has made for it.
"""

from __future__ import annotations

import multiprocessing
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.resources import CPU, GPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_desire.data.spike_trains import SpikeTrains
from lava_desire.model.state import ARRAYS, COUNTERS
from lava_desire.proc.chain import DesireChain
from lava_desire.proc.checks import bounded
from lava_desire.proc.desire_sequential.process import DesireSequential
from lava_desire.proc.masks import MaskSequence
from lava_desire.proc.messages import (
    check_brightness,
    check_constant,
    check_labels,
    check_spikes,
    has_one_input,
    is_fed,
    refuse_cut_data,
    say_unconnected,
)
from lava_desire.proc.scoring import AbstractPyScoringModel
from lava_desire.proc.window import sample_shape, step_in_window


@implements(proc=DesireSequential, protocol=LoihiProtocol)
@tag("floating_pt", "fixed_pt")
class SubDesireSequentialModel(AbstractSubProcessModel):
    """Encoder, connections, layers and teacher as processes; which arithmetic the tag decides."""

    def __init__(self, proc: DesireSequential) -> None:
        config, parameters = proc.config, proc.proc_params
        if parameters["batch_size"] != 1:
            raise ValueError(
                f"batch_size of {proc.name} is {parameters['batch_size']}: processes take one "
                'sample a window, expected 1, or a run with the tag "torch"'
            )
        for name, only in (("device", "cpu"), ("precision", "float32")):
            if parameters[name] != only:
                raise ValueError(
                    f"{name} of {proc.name} is {parameters[name]!r}: only the torch model takes "
                    f'others, expected {only!r}, or a run with the tag "torch"'
                )
        chain = DesireChain.build(
            config,
            parameters["given"],
            dropout_masks=parameters["dropout_masks"],
            samples_seen=parameters["samples_seen"],
            formats=parameters["formats"],
        )
        # Lava finds the parts among the attributes.
        self.encoder, self.teacher = chain.encoder, chain.teacher
        learners: list[Any] = list(chain.connections)
        for name in parameters["kept"]:
            if not hasattr(learners[0], name):
                raise ValueError(
                    f"{name} of {proc.name}: only the torch model learns it, "
                    'expected a run with the tag "torch"'
                )
        for number, (connection, layer) in enumerate(
            zip(chain.connections, chain.layers, strict=True), start=1
        ):
            setattr(self, f"connection_{number}", connection)
            setattr(self, f"layer_{number}", layer)
            getattr(proc, f"weights_{number}").alias(connection.weights)
            for name in ARRAYS.keys() & set(parameters["kept"]):
                parts = [getattr(connection, name)]
                if name == "input_rates" and number > 1:
                    # The inputs of a connection are the neurons that the one before leads to.
                    parts.append(learners[number - 2].output_rates)
                getattr(proc, f"{name}_{number}").share(parts)
            if number < config.num_layers:
                getattr(proc, f"desire_{number}").alias(layer.desire)
        proc.brightness_in.connect(self.encoder.brightness_in)
        proc.s_in.connect(self.encoder.s_in)
        proc.label_in.connect(self.teacher.label_in)
        # Without images or spikes there is nothing that labels belong to.
        self.teacher.proc_params["has_input"] = is_fed(proc.brightness_in) or is_fed(proc.s_in)
        chain.layers[-1].s_out.connect(proc.s_out)
        for name in ("prediction_out", "counts_out", "desire_out"):
            getattr(self.teacher, name).connect(getattr(proc, name))
        for name in (
            *("counts", "desire", "prediction", "num_samples", "num_correct", "num_active"),
            *("confusion", "loss"),
        ):
            getattr(proc, name).alias(getattr(self.teacher, name))
        proc.samples_seen.alias(self.encoder.samples_seen)
        proc.learning_rate.share([part.learning_rate for part in learners])
        proc.learning_enabled.share([part.learning_enabled for part in learners])
        for name in COUNTERS.keys() & set(parameters["kept"]):
            getattr(proc, name).share([getattr(part, name) for part in learners])
        proc.training.share([part.training for part in (chain.encoder, *learners, *chain.layers)])


class _TypesOfLayers(ABCMeta):
    """Gives a model class the types of the Vars that follow from layers and state."""

    def __getattr__(cls, name: str) -> Any:
        kind, _, layer = name.rpartition("_")
        if layer.isdecimal() and kind in ARRAYS:
            return LavaPyType(np.ndarray, np.dtype(ARRAYS[kind].dtype).type)
        if layer.isdecimal() and kind == "desire":
            return LavaPyType(np.ndarray, np.int8)
        if name in COUNTERS:
            return LavaPyType(np.ndarray, np.int64)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


# Lava's own run configurations choose among several models by tag, but only among those that are
# Python models; the parts of this one are.
AbstractPyProcessModel.register(SubDesireSequentialModel)


@implements(proc=DesireSequential, protocol=LoihiProtocol)
@requires([CPU, GPU])
@tag("torch")
class PyDesireSequentialModelTorch(AbstractPyScoringModel, metaclass=_TypesOfLayers):
    """The engine: forward when a window begins, backward at its end, each output in its step.

    Spikes that come in are known a step at a time: the window is computed at its end, and before
    then, from what has come, whenever output spikes or counts are asked for.
    """

    brightness_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.float32)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, bool)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool)
    samples_seen: np.ndarray[Any, Any]
    learning_rate: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)
    training: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)
    learning_enabled: np.ndarray[Any, Any] = LavaPyType(np.ndarray, bool)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        import torch

        # Torch's threads do not survive a fork: a child that asks for more than one waits forever
        # for those of its parent.
        if multiprocessing.parent_process() is not None:
            torch.set_num_threads(1)
        self._torch = torch
        self._batch_size = proc_params["batch_size"]
        self._masks = [
            MaskSequence(self._config, layer, given, proc_params["samples_seen"])
            for layer, given in enumerate(proc_params["dropout_masks"])
        ]
        self._network: Any = None
        self._stale: set[int] = set()  # layers whose Vars are older than the engine's weights
        self._weights_were_set = False
        self._weights_are_needed = False  # of the window's beginning, for the desires
        self._desires: Any = None
        self._layer_that_learns: int | None = None
        self._shown: dict[str, Any] = {}  # what Vars of the state showed when they were copied
        self._step, self._num_counted = 0, 0
        self._is_behind = False  # whether spikes have come that the window was computed without
        shape = sample_shape(self._batch_size, self._config.num_classes)
        self._no_spikes = np.zeros(shape, dtype=bool)

    @classmethod
    def check_inputs(cls, process: DesireSequential, unconnected: frozenset[str]) -> None:
        """Say before a run that nothing will be learned or scored; refuse images beside spikes."""
        refuse_cut_data(process)
        if has_one_input(process, unconnected) and "label_in" in unconnected:
            say_unconnected(process, "label_in", "nothing is learned, and nothing is scored")

    @property
    def _layers(self) -> range:
        return range(1, self._config.num_layers + 1)

    def run_spk(self) -> None:
        """Send what is due in this step, and receive; compute where a window begins or ends."""
        if self._network is None:
            self._build_network()
        config = self._config
        step = self._step = step_in_window(self.time_step, config)
        is_last = step == config.num_steps + 1
        # Spikes come from what was received before: sent first, they may be part of a cycle.
        spikes = self._no_spikes
        if step == 1:
            self.counts, self._num_counted = np.zeros_like(self.counts), 0
        elif is_last or (step <= config.num_steps and self._must_follow()):
            self._count_spikes()
            spikes = self._output_trains[step - 2]
        self.s_out.send(spikes)
        labels = self.label_in.recv()
        if is_last:
            self._conclude(labels)
        self._send_verdict(is_last)
        self._receive(step)
        self._layer_that_learns = self._let_desire_arrive(step)

    def _must_follow(self) -> bool:
        """Return whether output spikes are known, or somebody hears them."""
        return not self._is_behind or bool(self.s_out.csp_ports)

    def _count_spikes(self) -> None:
        """Know and count the output spikes up to this step."""
        if self._is_behind:
            self._run_window(SpikeTrains.pack(self._received).planes)
        new = self._output_trains[self._num_counted : self._step - 1]
        self.counts = self.counts + new.sum(axis=0)
        self._num_counted += len(new)

    def _receive(self, step: int) -> None:
        """Take the images of a window in its first step, or spikes in each."""
        if step == 1:
            self._begin_window()
        num_steps = self._config.num_steps
        if self.s_in.csp_ports:
            spikes = self.s_in.recv()
            if step == 1:
                self._received = np.zeros((num_steps, self._batch_size, spikes.shape[-1]), bool)
            if step <= num_steps:
                self._received[step - 1] = check_spikes("s_in", spikes, step)
                self._is_behind = True
            return
        brightness = self.brightness_in.recv()
        if step == 1:
            self._received = brightness
            self._run_window(check_brightness(brightness).reshape(self._batch_size, -1))
        elif step <= num_steps:
            check_constant(brightness, self._received, step)

    def _build_network(self) -> None:
        from lava_desire.engine import DesireNetwork

        self._network = DesireNetwork(
            self._config,
            self.proc_params["device"],
            [getattr(self, f"weights_{layer}") for layer in self._layers],
            precision=self.proc_params["precision"],
        )

    def _learned_beside_weights(self) -> Iterator[tuple[str, Any]]:
        """Yield the name of a Var with the engine's tensor or counter that it shows."""
        state = self._network.state
        for name in self.proc_params["kept"]:
            for layer, array in enumerate(getattr(state, name) if name in ARRAYS else (), start=1):
                yield f"{name}_{layer}", array
            if name in COUNTERS and state.holds(COUNTERS[name].of):
                yield name, getattr(state, name)

    def _take_over_the_rest(self) -> None:
        """Go on from what Vars of the state were set to since they were shown."""
        for name, learned in self._learned_beside_weights():
            value = getattr(self, name)
            if name not in self._shown or not np.array_equal(value, self._shown[name]):
                self._shown[name] = value.copy()
                if isinstance(learned, int):
                    setattr(self._network.state, name, int(value[0]))
                else:
                    learned.copy_(self._torch.from_numpy(value))

    def _take_over_weights(self) -> None:
        """Go on with the weights that Vars were set to."""
        if not self._weights_were_set:
            return
        self._weights_were_set = False
        for layer in set(self._layers) - self._stale:
            weights, own = getattr(self, f"weights_{layer}"), self._network.weights[layer - 1]
            if not np.array_equal(weights, own.cpu().numpy()):
                own.copy_(self._torch.from_numpy(weights))

    def _begin_window(self) -> None:
        """Take over what was set, and draw the masks."""
        self._take_over_weights()
        self._take_over_the_rest()
        self._drawn: Any = None
        if self.training[0]:
            drawn = [mask.draw(self._batch_size) for mask in self._masks]
            self._drawn = [self._torch.from_numpy(mask).to(self._network.device) for mask in drawn]
            self.samples_seen = self.samples_seen + self._batch_size
        self._weights_are_needed = True

    def _run_window(self, inputs: Any) -> None:
        """Compute the window of images, (B, N), or of spikes, packed, as many as have come."""
        network = self._network
        inputs = self._torch.from_numpy(inputs).to(network.device)
        with self._torch.inference_mode():
            self._activity = network.forward_checked(inputs, self._drawn)
        trains = self._activity.spikes[-1].cpu().numpy()
        self._output_trains = trains.reshape(len(trains), *self.desire.shape)
        self._is_behind = False

    def _conclude(self, labels: Any) -> None:
        """Predict, and let desire arise from the labels, where there are any."""
        self.prediction = self._activity.prediction.cpu().numpy()
        if self.label_in.csp_ports:
            labels = check_labels(labels, self._config.num_classes)
        if self.label_in.csp_ports and (self.brightness_in.csp_ports or self.s_in.csp_ports):
            self._desires = self._network.desires(self._activity, self._torch.from_numpy(labels))
            self.desire = self._desires[-1].cpu().numpy().reshape(self.desire.shape)
            self._keep_score(labels, self._activity.counts[-1].cpu().numpy())
        self._weights_are_needed = False
        self._take_over_weights()

    def _let_desire_arrive(self, step: int) -> int | None:
        """Return the layer whose connection has its desire in this step and learns from it."""
        config = self._config
        layer = config.num_steps + 1 + config.num_layers - step
        if layer not in self._layers or self._desires is None:
            return None
        desire = self._desires[layer - 1].cpu().numpy()
        if layer < config.num_layers:
            name = f"desire_{layer}"
            setattr(self, name, desire.reshape(getattr(self, name).shape))
        always = config.follows_rates or bool(config.terms)
        return layer if self.learning_enabled[0] and (always or desire.any()) else None

    def lrn_guard(self) -> bool:
        """Learn in the steps in which the connections of the network would."""
        return self._layer_that_learns is not None

    def run_lrn(self) -> None:
        """Change the weights of the layer whose turn it is."""
        layer = self._layer_that_learns
        assert layer is not None
        desire, rated = self._desires[layer - 1], self._network.rated(self._desires[-1])
        rate = float(self.learning_rate[0])
        self._network.update_layer(layer, self._activity, desire, rate, rated)
        self._stale.add(layer)

    def refresh_vars(self) -> None:
        """Copy the engine's weights to the Vars that somebody is about to read or write."""
        if self._is_behind and 1 < self._step <= self._config.num_steps:
            self._count_spikes()
        for layer in self._stale:
            weights = self._network.weights[layer - 1]
            getattr(self, f"weights_{layer}")[...] = weights.cpu().numpy()
        self._stale.clear()
        for name, learned in self._learned_beside_weights() if self._shown else ():
            value = getattr(self, name)
            if np.array_equal(value, self._shown[name]):  # else it was set, and is held
                # A counter of each layer is shown by that of the first.
                found = self._torch.as_tensor(learned).cpu().numpy().reshape(-1)[: value.size]
                self._shown[name] = found.reshape(value.shape).copy()
                setattr(self, name, self._shown[name].copy())

    def _get_var(self) -> None:
        self.refresh_vars()
        super()._get_var()

    def _set_var(self) -> None:
        self.refresh_vars()
        super()._set_var()

    def _handle_var_port(self, var_port: Any) -> None:
        self.refresh_vars()
        before = getattr(self, var_port.var_name)
        super()._handle_var_port(var_port)
        if getattr(self, var_port.var_name) is not before:  # a RefPort has written
            self.on_var_update()

    def on_var_update(self) -> None:
        """Take over weights that were set from outside, when the window no longer needs its own."""
        for layer in self._layers:
            weights = getattr(self, f"weights_{layer}")
            if not np.isfinite(weights).all():
                raise ValueError(
                    f"weights of layer {layer} hold NaN or infinity: expected finite values"
                )
            setattr(self, f"weights_{layer}", bounded(self._config, weights).astype(np.float32))
        self._weights_were_set = True
        if self._network is not None and not self._weights_are_needed:
            self._take_over_weights()
