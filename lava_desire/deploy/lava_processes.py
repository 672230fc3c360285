"""A trained network as the processes of plain Lava.

Networks trained with ``reset="zero"`` run on stock processes alone, ``LIFReset``, ``Dense`` and
``Conv``:

    u ← u·(1 − du) + a;   v ← v·(1 − dv) + u;   a spike where v > vth;   v = 0 at a spike

with du = 1 − α (1: the current keeps nothing) and dv = 1 − β. Ours fire at v ≥ θ, Lava's at
v > vth: in floating point vth is the number just below θ. Nothing in Lava deducts a threshold, so
networks that reset by subtraction, as the paper's do, get ``DesireLIF`` between stock connections.

``Conv`` has axes (x, y, channel), turns kernels, and in Lava 0.10 has no use for its
``weight_exp``. Neurons stay in a row here, in C order of (channel, row, column); ports are reshaped
and transposed on the way into a ``Conv`` and out of it.

A sample takes a window of T + L steps. What is left of it in currents may go on firing, so
``LIFReset`` clears layer ℓ in step ℓ of the next window: the layer before was cleared in the step
before, and its first spikes of this window come later. What the output fires before step L + 1 is
of the window before, and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import (
    ExportedNetwork,
    IntegerNetwork,
    as_integers,
    is_floating,
)
from lava_desire.engine import DesireNetwork
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.integers.limits import STATE_LIMIT
from lava_desire.model.synapses import Synapse, refuse_synapses

FLOATING, FIXED = "floating_pt", "fixed_pt"
_LARGEST_SOURCE = 1 << 25  # values in a ring buffer, which is copied between OS processes


@dataclass
class LavaNetwork(ExportedNetwork):
    """Wired Lava processes, ready for a source of spikes and a sink.

    Parameters
    ----------
    config : DesireConfig
        Its configuration.
    arithmetic : str
        ``floating_pt`` or ``fixed_pt``, the tag to run it with.
    neuron_class : str
        ``LIFReset`` (stock Lava) or ``DesireLIF`` (this library).
    connections : list of Dense or Conv
        L stock connections; spikes go into ``connections[0].s_in``, by :meth:`connect_from`.
    neurons : list
        L layers; spikes come out of ``neurons[-1].s_out``.
    """

    config: DesireConfig
    arithmetic: str
    neuron_class: str
    connections: list[Any]
    neurons: list[Any]
    _source: Any = field(repr=False)

    @property
    def is_stock(self) -> bool:
        """Whether every process is one that Lava brings."""
        return self.neuron_class == "LIFReset"

    @property
    def description(self) -> str:
        """Describe the network in a sentence."""
        sizes = self.config.shape_text
        names = sorted({type(each).__name__ for each in self.connections})
        kind = (
            f"stock Lava processes ({', '.join(names)} and LIFReset)"
            if self.is_stock
            else f"stock {' and '.join(names)} connections and DesireLIF neurons of lava_desire, "
            "since no neuron of Lava resets by subtraction"
        )
        return (
            f"{sizes} in {self.arithmetic}: {kind}; {self.config.window_steps} time steps a sample"
        )

    def connect_from(self, port: Any) -> None:
        """Let the first connection hear a port.

        Parameters
        ----------
        port : OutPort
            (N_0,) spikes; those of planes are in C order of (channel, row, column).
        """
        _into(port, self.connections[0])

    def count_spikes(self, images: Any) -> Any:
        """Run images through newly built processes and count the output spikes.

        Parameters
        ----------
        images : array
            (B, N) uint8, or float brightness in [0, 1].

        Returns
        -------
        array
            Output spikes of T steps, (B, N_L) int64.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return self._outputs(images).sum(axis=0)

    def _outputs(self, images: Any) -> Any:
        if isinstance(self._source, IntegerNetwork):
            return self.output_spikes(self._source.encode(images))
        return self.output_spikes(self._source.forward(images).spikes[0].cpu().numpy())

    def output_spikes(self, trains: Any) -> Any:
        """Run spike trains through freshly built processes.

        Parameters
        ----------
        trains : array
            Spikes of the input, (T, B, N_0), 0 or 1.

        Returns
        -------
        ndarray
            Spikes of the output layer, (T, B, N_L) bool.

        Raises
        ------
        ValueError
            If the trains do not fit the network.
        """
        config, window = self.config, self.config.window_steps
        trains = np.asarray(trains)
        if trains.ndim != 3 or trains.shape[::2] != (config.num_steps, config.num_inputs):
            raise ValueError(
                f"spike trains have shape {trains.shape}: expected ({config.num_steps}, B, "
                f"{config.num_inputs}), time, sample, neuron"
            )
        at_once = max(1, _LARGEST_SOURCE // (window * config.num_inputs))
        parts = [
            _run_part(self, trains[:, first : first + at_once])
            for first in range(0, trains.shape[1], at_once)
        ]
        if not parts:
            return np.zeros((config.num_steps, 0, config.num_classes), dtype=bool)
        return np.concatenate(parts, axis=1)


def to_lava(network: DesireNetwork | IntegerNetwork) -> LavaNetwork:
    """Return a trained network as Lava processes.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        Floating point becomes processes to run with the tag ``floating_pt``, integers with
        ``fixed_pt``.

    Returns
    -------
    LavaNetwork
        The wired processes; its ``description`` says which neurons they are.

    Raises
    ------
    ValueError
        If the network is none, or has convolutions in integers that a ``Conv`` cannot sum.
    ImportError
        If Lava is not installed; the message holds the command that installs it.
    """
    import lava_desire.proc  # noqa: F401  Lava has to be imported past its obstacle first

    arithmetic, synapses, parameters = on_stock(network)
    connections = [_connection(weights, **options) for weights, options in synapses]
    config = network.config
    if config.reset == "subtract":
        from lava_desire.proc import DesireLIF

        formats = None if arithmetic == FLOATING else as_integers(network).formats
        neurons = [
            DesireLIF(config=config, layer=layer, training=False, formats=formats)
            for layer in range(1, config.num_layers + 1)
        ]
    else:
        neurons = [
            _resetting(config, connection.a_out.size, **each)
            for connection, each in zip(connections, parameters, strict=True)
        ]
    for index, (connection, layer) in enumerate(zip(connections, neurons, strict=True)):
        if index:
            _into(neurons[index - 1].s_out, connection)
        _in_a_row(connection).connect(layer.a_in)
    name = type(neurons[0]).__name__
    return LavaNetwork(config, arithmetic, name, connections, neurons, network)


def on_stock(network: Any) -> tuple[str, list[tuple[Any, dict[str, Any]]], list[dict[str, Any]]]:
    """Return what stock processes take: tag, weights and options of connections, and of neurons."""
    integers = None if is_floating(network) else as_integers(network)
    config = network.config
    refuse_synapses(config, "stock Lava", ("dense", "conv2d"))
    if integers is None:
        just_below = float(np.nextafter(config.threshold, 0.0))  # ours fire at the threshold itself
        neurons = {"vth": just_below, "du": 1.0 - config.synapse_decay, "dv": 1.0 - config.decay}
        weights = tuple(array.astype(np.float64) for array in network.numpy_weights())
        exponents: Sequence[int | None] = [None] * config.num_layers
        tag, parameters = FLOATING, [neurons] * config.num_layers
    else:
        tag, weights, exponents = FIXED, integers.weights, integers.weight_exponents
        # Lava adds 1 to du: 4095 keeps nothing of the current.
        rest = {"du": 4095 - integers.synapse_decay, "dv": integers.voltage_decay}
        parameters = [{"vth": threshold, **rest} for threshold in integers.thresholds]
    parameters = [{**each, "reset_offset": layer} for layer, each in enumerate(parameters, start=1)]
    parts = enumerate(zip(config.synapses, weights, exponents, strict=True), start=1)
    return tag, [_stock_synapse(layer, *part) for layer, part in parts], parameters


def _stock_synapse(
    layer: int, synapse: Synapse, weights: Any, exponent: int | None
) -> tuple[Any, dict[str, Any]]:
    """Return weights and options of a stock connection; the exponent is None in floating point."""
    if not isinstance(synapse, Conv2d):
        if exponent is None:
            return weights, {"weight_exp": 0}
        # Mixed-sign weights are even numbers up to 254: twice ours, at half the exponent.
        return (2 * weights).astype(np.int32), {"weight_exp": exponent - 1}
    if exponent is not None:
        sums = np.abs(weights).sum(axis=(1, 2, 3)).max() * 2.0**exponent
        if exponent < 0 or sums > STATE_LIMIT:
            raise ValueError(
                f"weights of layer {layer} have the exponent {exponent} and sum to {sums:.0f}: "
                f"expected at least 0 and at most {STATE_LIMIT} in a Conv of Lava, which knows no "
                "exponents and wraps around; see IntegerNetwork.without_exponents"
            )
        weights = (weights << exponent).astype(np.int32)
    channels, height, width = synapse.pre_shape
    return np.ascontiguousarray(weights[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)), {
        "input_shape": (width, height, channels),
        "stride": synapse.stride[::-1],
        "padding": synapse.padding[::-1],
    }


def _connection(weights: Any, **options: Any) -> Any:
    if "input_shape" in options:
        from lava.proc.conv.process import Conv

        return Conv(weight=weights, **options)
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode

    return Dense(weights=weights, num_weight_bits=8, sign_mode=SignMode.MIXED, **options)


def _into(port: Any, connection: Any) -> None:
    """Connect neurons in a row to a connection."""
    shape = connection.s_in.shape
    if len(shape) == 3:
        port = port.reshape(shape[::-1]).transpose((2, 1, 0))
    port.connect(connection.s_in)


def _in_a_row(connection: Any) -> Any:
    """Return the port by which a connection reaches neurons in a row."""
    port = connection.a_out
    return port.transpose((2, 1, 0)).flatten() if len(port.shape) == 3 else port


def _resetting(config: DesireConfig, size: int, **parameters: Any) -> Any:
    from lava.proc.lif.process import LIFReset

    return LIFReset(shape=(size,), reset_interval=config.window_steps, **parameters)


def _run_part(network: LavaNetwork, trains: Any) -> Any:
    """Run one batch from a stock ring buffer into another, in processes of its own."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    config, window = network.config, network.config.window_steps
    num_steps, num_samples, num_inputs = trains.shape
    windows = np.zeros((num_samples, window, num_inputs), np.int32)
    windows[:, :num_steps] = trains.transpose(1, 0, 2)
    fresh = to_lava(network._source)
    source = Source(data=windows.reshape(-1, num_inputs).T)
    sink = Sink(shape=(config.num_classes,), buffer=num_samples * window)
    fresh.connect_from(source.s_out)
    fresh.neurons[-1].s_out.connect(sink.a_in)
    try:
        steps = RunSteps(num_steps=num_samples * window)
        sink.run(condition=steps, run_cfg=Loihi2SimCfg(select_tag=network.arithmetic))
        received = sink.data.get()
    finally:
        sink.stop()
    # Spikes of step t are sent in step t + 2 of the window, counted from 1.
    spikes = received.T.reshape(num_samples, window, -1)[:, 1 : 1 + num_steps]
    spikes[:, : config.num_layers - 1] = 0
    return spikes.transpose(1, 0, 2) != 0
