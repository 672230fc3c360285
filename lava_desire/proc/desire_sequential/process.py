"""A whole network that learns, as one process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.card import learned
from lava_desire.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from lava_desire.config import DesireConfig
from lava_desire.model.integers import IntegerRule, LayerFormat, formats_from_dicts
from lava_desire.model.state import ARRAYS, COUNTERS, NetworkState
from lava_desire.proc.checked_var import (
    A_COUNT,
    A_SHARE,
    TERNARY,
    CheckedVar,
    SharedVar,
    a_learning_rate,
    finite,
    weights_of,
    within,
)
from lava_desire.proc.checks import (
    check_arrays,
    check_count,
    check_layer,
    check_options,
    check_per_layer,
    in_both_arithmetics,
)
from lava_desire.proc.window import sample_shape


class DesireSequential(AbstractProcess):
    """A network that learns by desire backpropagation, as one process.

    Two kinds of model stand behind it, chosen by the tag of the run configuration
    (:class:`~lava_desire.proc.DesireSimCfg`): ``"floating_pt"`` and ``"fixed_pt"`` build encoder,
    connections, layers and teacher as processes of their own, in that arithmetic, and ``"torch"``
    runs the engine in floating point, once a window. From outside ``"floating_pt"`` and ``"torch"``
    are the same, step by step.

    Parameters
    ----------
    config : DesireConfig
        The network. What a schedule is made of is left to whoever runs it and has no effect here:
        `epochs`, `learning_rate_decay` (set the Var `learning_rate`), `batch_size` (the parameter),
        what moves images (the source) and `weight_average`.
    weights : sequence of array, optional
        L arrays (N_ℓ, N_{ℓ−1}), of convolutions (C', C, k_h, k_w), float, finite, or integer
        mantissas; drawn from the config's seed when not given.
    training : bool
        Whether neurons are dropped and spikes scaled (Eq. 16).
    learning_enabled : bool
        Whether weights change.
    dropout_masks : sequence, optional
        L arrays (S, N_ℓ) bool, of the input and each hidden layer, used in turn; drawn from the
        config's seed when not given.
    samples_seen : int
        Samples that have had their dropout masks before, so that a network goes on where it
        stopped.
    batch_size : int
        Samples B a window, whose changes of weights are summed. More than one asks for the tag
        ``"torch"``.
    device : str
        Where the torch model runs: ``"cpu"``, ``"cuda"`` or ``"cuda:N"``. It is looked for when
        the run begins, in the operating-system process that Lava makes for the model.
    precision : {"float32", "bfloat16x2"}
        Arithmetic of the torch model; ``"float32"`` is exact. A run with another tag than
        ``"torch"`` refuses other values than the defaults of these three.
    formats : sequence of LayerFormat, optional
        How the L layers are written in fixed point, with the tag ``"fixed_pt"``.
    input_rates : sequence of array, optional
        L arrays (N_{ℓ−1},) float, mean firing rates of each layer's inputs, where a network that
        follows them goes on; see :class:`~lava_desire.proc.DesireConnection`.
    rated_samples : int
        Samples that they are the mean of.
    image_shape : tuple of int, optional
        Height and width of the images that it has learned. A run in which a
        :class:`~lava_desire.proc.SampleSource` sends others is refused.

    Ports
    -----
    brightness_in : (N,) brightness in [0, 1], the same in the steps 1 to T of a window, as
        :class:`~lava_desire.proc.RateEncoder` takes it, N the config's `num_pixels`.
    s_in : (N_0,), 0 or 1, in its place: spikes of t = step − 1 in the steps 1 to T of a window, as
        :class:`~lava_desire.proc.EventSource` sends them. Both are refused.
    label_in : (B,), the class, a whole number in [0, N_L), read in step T + 1 of a window. Where
        this, or both of the above, is not connected, the network only infers: nothing is learned,
        nothing is scored, and a warning says so.
    s_out : (N_L,) bool, output spikes of t = step − 2 in the steps 2 to T + 1.
    prediction_out : (B,) int64, in step T + 1: the class, or −1 where undecided.
    counts_out : (N_L,) int64, in step T + 1: output spikes of the window.
    desire_out : (N_L,) int8, in step T + 1: desire of the output layer.
        With B > 1 the (N,) are (B, N).

    Vars
    ----
    weights_1 … weights_L : of these shapes, float32, mantissas in fixed point; also as the list
        :attr:`weights`.
    desire_1 … desire_{L−1} : (N_ℓ,) or (B, N_ℓ) int8, latest desire of each hidden layer.
    desire : (N_L,) or (B, N_L) int8, latest desire of the output layer.
    counts : (N_L,) or (B, N_L) int64, output spikes so far in this window.
    prediction : (B,) int64, of the latest window.
    num_samples, num_correct, num_active, confusion, loss : as of
        :class:`~lava_desire.proc.DesireTeacher`.
    samples_seen : (1,) int64, samples that have had dropout masks.
    learning_rate : (1,) float64, η ≥ 0, for all layers.
    training, learning_enabled : (1,) bool, for all parts.
        Learning rate and `learning_enabled` take effect at once: each connection looks at them in
        the step in which it learns. Weights, `training` and rates that are set within a window take
        effect with the next; what that window still learns is added to the weights that were set.
    input_rates_1 … input_rates_L : (N_{ℓ−1},) float64, and rated_samples : (1,) int64, of
        :class:`~lava_desire.proc.DesireConnection`; the former also as the list
        :attr:`input_rates`.

    Raises
    ------
    ValueError
        If an argument is not as above.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.

    Examples
    --------
    >>> from lava.magma.core.run_conditions import RunSteps
    >>> from lava_desire import DesireConfig, load_dataset
    >>> from lava_desire.proc import DesireSequential, DesireSimCfg, SampleSource
    >>> config = DesireConfig((64, 20, 10), learning_rate=1e-4)
    >>> images, labels = load_dataset("digits").train
    >>> source = SampleSource(config=config, images=images, labels=labels)
    >>> network = DesireSequential(config=config)
    >>> source.brightness_out.connect(network.brightness_in)
    >>> source.label_out.connect(network.label_in)
    >>> network.run(RunSteps(2 * config.window_steps), DesireSimCfg("floating_pt"))
    >>> int(network.num_samples.get()[0])
    2
    >>> network.stop()
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(
        self,
        *,
        config: DesireConfig,
        weights: Sequence[Any] | None = None,
        training: bool = True,
        learning_enabled: bool = True,
        dropout_masks: Sequence[Any] | None = None,
        samples_seen: int = 0,
        batch_size: int = 1,
        device: str = "cpu",
        precision: str = "float32",
        formats: Sequence[LayerFormat] | None = None,
        input_rates: Sequence[Any] | None = None,
        rated_samples: int = 0,
        image_shape: tuple[int, ...] | None = None,
        **options: Any,
    ) -> None:
        check_layer(config, 1)
        arrays, counters = {"input_rates": input_rates}, {"rated_samples": rated_samples}
        for name, kind in ARRAYS.items():  # what else a network of this config learns
            if name not in ("weights", *arrays) and kind.is_held(config, in_integers=False):
                arrays[name] = options.pop(name, None)
        for name, counter in COUNTERS.items():
            if name not in counters and counter.of in arrays:
                counters[name] = options.pop(name, 0)
        check_options(type(self), options)
        samples_seen = check_count("samples_seen", samples_seen, 0)
        batch_size = check_count("batch_size", batch_size, 1)
        if not re.fullmatch(r"cpu|cuda(:\d+)?", str(device)):
            raise ValueError(f"device is {device!r}: expected cpu, cuda or cuda:N")
        if precision not in ("float32", "bfloat16x2"):
            raise ValueError(f"precision is {precision!r}: expected float32 or bfloat16x2")
        weights, masks = check_per_layer(config, weights, dropout_masks)
        both = [
            in_both_arithmetics(config, layer, array, formats)
            for layer, array in enumerate(weights, start=1)
        ]
        super().__init__(
            config=config,
            given=[given for _, given in both],
            dropout_masks=masks,
            samples_seen=samples_seen,
            batch_size=batch_size,
            device=str(device),
            precision=precision,
            formats=formats,
            kept=(*arrays, *counters),
            image_shape=image_shape,
            **options,
        )
        num_classes = config.num_classes
        classes = sample_shape(batch_size, num_classes)
        self.brightness_in = InPort(shape=sample_shape(batch_size, config.num_pixels))
        self.s_in = InPort(shape=sample_shape(batch_size, config.num_inputs))
        self.label_in = InPort(shape=(batch_size,))
        self.s_out = OutPort(shape=classes)
        self.prediction_out = OutPort(shape=(batch_size,))
        self.counts_out = OutPort(shape=classes)
        self.desire_out = OutPort(shape=classes)
        for layer, (array, _) in enumerate(both, start=1):
            check = weights_of(config, layer, formats)
            setattr(self, f"weights_{layer}", CheckedVar(array.shape, array, check))
            if layer < config.num_layers:
                shape = sample_shape(batch_size, config.num_neurons(layer))
                setattr(self, f"desire_{layer}", CheckedVar(shape, 0, TERNARY))
        self.counts = CheckedVar(classes, 0, A_COUNT)
        self.desire = CheckedVar(classes, 0, TERNARY)
        self.prediction = CheckedVar((batch_size,), -1, within(-1, num_classes - 1))
        self.num_samples = CheckedVar((1,), 0, A_COUNT)
        self.num_correct = CheckedVar((1,), 0, A_COUNT)
        self.num_active = CheckedVar((1,), 0, A_COUNT)
        self.confusion = CheckedVar((num_classes, num_classes + 1), 0, A_COUNT)
        self.loss = CheckedVar((1,), 0, within(0, np.inf))
        self.samples_seen = CheckedVar((1,), np.array([samples_seen]), A_COUNT)
        rate = np.array([config.learning_rate])
        self.learning_rate = SharedVar((1,), rate, a_learning_rate(config, formats))
        self.training = SharedVar((1,), np.array([training]), A_SHARE)
        self.learning_enabled = SharedVar((1,), np.array([learning_enabled]), A_SHARE)
        for name, given in arrays.items():
            in_range = ARRAYS[name].in_range
            check = finite() if in_range is None else within(*in_range[:2])
            for layer, array in enumerate(check_arrays(config, name, given), start=1):
                setattr(self, f"{name}_{layer}", SharedVar(array.shape, array, check))
        for name, number in counters.items():
            value = np.array([check_count(name, number, 0)])
            setattr(self, name, SharedVar((1,), value, A_COUNT))

    @property
    def config(self) -> DesireConfig:
        """The network's configuration."""
        config: DesireConfig = self.proc_params["config"]
        return config

    @property
    def weights(self) -> list[Var]:
        """The Vars of the weights, layer 1 first."""
        return [getattr(self, f"weights_{layer}") for layer in range(1, self.config.num_layers + 1)]

    @property
    def input_rates(self) -> list[Var]:
        """The Vars of the inputs' mean firing rates, layer 1 first."""
        layers = range(1, self.config.num_layers + 1)
        return [getattr(self, f"input_rates_{layer}") for layer in layers]

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height and width of the images that it has learned or is sent, where they are known."""
        sources = [port.process for port in self.brightness_in.get_src_ports()]
        known = (process.proc_params.get("image_shape") for process in (self, *sources))
        return next(filter(None, known), None)

    @classmethod
    def from_checkpoint(cls, path: str | Path | Checkpoint, **options: Any) -> DesireSequential:
        """Build the network that a training run, or :meth:`to_checkpoint`, has written.

        Parameters
        ----------
        path : path or Checkpoint
            The file, or what it holds.
        **options
            Further parameters of the process: ``training``, ``learning_enabled``, ``device``, …

        Returns
        -------
        DesireSequential
            A process of the configuration and weights of the file.

        Raises
        ------
        CheckpointError
            If the file is none of ours, or damaged.
        OSError
            If it cannot be read.
        ValueError
            If an option is not as the process expects it.
        """
        checkpoint = path if isinstance(path, Checkpoint) else read_checkpoint(path)
        for name in checkpoint.names(for_training=False):
            value = getattr(checkpoint, name)
            is_each = name in COUNTERS and COUNTERS[name].of_each_layer
            options.setdefault(name, max(value) if is_each else value)
        if checkpoint.formats:
            options.setdefault("formats", formats_from_dicts(checkpoint.formats))
        options.setdefault("image_shape", learned(checkpoint.card, "image_shape", int))
        return cls(config=checkpoint.config, **options)

    def to_checkpoint(self, path: str | Path) -> None:
        """Write the weights as they are, for the engine or :meth:`from_checkpoint`, atomically.

        Parameters
        ----------
        path : path
            The file.

        Raises
        ------
        RuntimeError
            If the network runs at this moment, or has been stopped.
        OSError
            If the file cannot be written; an older one is then still whole.
        """
        formats: list[dict[str, int]] = []
        if self._runs_in_fixed_point():
            formats = IntegerRule(self.config, self.proc_params["formats"]).to_dicts()
        card = {"data": {"image_shape": list(self.image_shape)}} if self.image_shape else {}
        checkpoint = Checkpoint(self.config, formats=formats, card=card, **vars(self.state()))
        write_checkpoint(checkpoint, path)

    def state(self) -> NetworkState:
        """Return a copy of what the Vars of weights, mean rates and counters show.

        Raises
        ------
        RuntimeError
            If the network runs at this moment, or has been stopped.
        """
        state, in_integers = NetworkState(), self._runs_in_fixed_point()
        layers = range(1, self.config.num_layers + 1)
        for name, kind in ARRAYS.items():
            if kind.is_held(self.config, in_integers):
                dtype = kind.dtype_of(in_integers)
                found = [_read(getattr(self, f"{name}_{layer}"), self) for layer in layers]
                setattr(state, name, [np.array(array, dtype) for array in found])
        for name, counter in COUNTERS.items():
            if state.holds(counter.of):
                number = int(np.asarray(_read(getattr(self, name), self))[0])
                shown = [number] * len(layers) if counter.of_each_layer else number
                setattr(state, name, shown)
        return state

    def _runs_in_fixed_point(self) -> bool:
        part = self.weights[0].aliased_var
        return part is not None and "fixed_pt" in part.process.model_class.tags


def _read(var: Var, network: DesireSequential) -> Any:
    runtime = network.runtime
    if runtime is not None and (runtime._is_running or not runtime._is_started):
        state = (
            "is running: pause it" if runtime._is_running else "has been stopped: save it before"
        )
        raise RuntimeError(f"{network.name} {state}, so that its weights can be read")
    return var.get()


DesireMLP = DesireSequential
"""The former name of :class:`DesireSequential`."""
