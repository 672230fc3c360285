"""A trained network as the processes of plain Lava.

Networks trained with ``reset="zero"`` run on stock processes alone, ``LIFReset`` and ``Dense``:

    u ← u·(1 − du) + a;   v ← v·(1 − dv) + u;   a spike where v > vth;   v = 0 at a spike

with du = 1 (the current keeps nothing) and dv = 1 − β. Ours fire at v ≥ θ, Lava's at v > vth: in
floating point vth is the number just below θ. Nothing in Lava deducts a threshold, so networks that
reset by subtraction, as the paper's do, get ``DesireLIF`` between stock ``Dense`` connections.

A sample takes a window of T + L steps. Layer ℓ fires no later than step T + ℓ, so in the first
step of the next window all is silent, and there ``LIFReset`` clears all layers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import (
    IntegerNetwork,
    as_integers,
    encode_images,
    is_floating,
    predict_class,
)
from lava_desire.engine import DesireNetwork
from lava_desire.model.synapses import refuse_synapses

FLOATING, FIXED = "floating_pt", "fixed_pt"
_LARGEST_SOURCE = 1 << 25  # values in a ring buffer, which is copied between OS processes


@dataclass
class LavaNetwork:
    """Wired Lava processes, ready for a source of spikes and a sink.

    Parameters
    ----------
    config : DesireConfig
        Its configuration.
    arithmetic : str
        ``floating_pt`` or ``fixed_pt``, the tag to run it with.
    neuron_class : str
        ``LIFReset`` (stock Lava) or ``DesireLIF`` (this library).
    connections : list of Dense
        L stock connections; spikes go into ``connections[0].s_in``.
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
        kind = (
            "stock Lava processes (Dense and LIFReset)"
            if self.is_stock
            else "stock Dense connections and DesireLIF neurons of lava_desire, since no neuron of "
            "Lava resets by subtraction"
        )
        return (
            f"{sizes} in {self.arithmetic}: {kind}; {self.config.window_steps} time steps a sample"
        )

    def count_spikes(self, images: Any) -> Any:
        """Run images through newly built processes and count the output spikes.

        Parameters
        ----------
        images : array
            (B, N_0) uint8, or float brightness in [0, 1].

        Returns
        -------
        array
            Output spikes of T steps, (B, N_L) int64.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return self.output_spikes(self._encode(images)).sum(axis=0)

    def _encode(self, images: Any) -> Any:
        if isinstance(self._source, IntegerNetwork):
            return encode_images(images, self.config)
        # In fixed point the engine has an encoder of its own.
        return self._source.forward(images).spikes[0].cpu().numpy()

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

    def predict(self, images: Any) -> Any:
        """Classify images as :meth:`count_spikes` does.

        Parameters
        ----------
        images : array
            (B, N_0) uint8, or float brightness in [0, 1].

        Returns
        -------
        ndarray
            Class a sample, (B,) int64; −1 where undecided.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return predict_class(self.config, self.output_spikes(self._encode(images)))


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
        If the network is none.
    ImportError
        If Lava is not installed; the message holds the command that installs it.
    """
    import lava_desire.proc  # noqa: F401  Lava has to be imported past its obstacle first

    arithmetic, *parts = on_stock(network)
    connections = [_connection(array, exponent) for array, exponent, _ in zip(*parts, strict=True)]
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
            _resetting(config, len(array), **parameters)
            for array, _, parameters in zip(*parts, strict=True)
        ]
    for index, (connection, layer) in enumerate(zip(connections, neurons, strict=True)):
        if index:
            neurons[index - 1].s_out.connect(connection.s_in)
        connection.a_out.connect(layer.a_in)
    name = type(neurons[0]).__name__
    return LavaNetwork(config, arithmetic, name, connections, neurons, network)


def on_stock(network: Any) -> tuple[str, list[Any], list[int], list[dict[str, Any]]]:
    """Return what stock processes take: tag, and weights, exponent and neurons of each layer."""
    if is_floating(network):
        config = network.config
        refuse_synapses(config, "stock Lava")
        just_below = float(np.nextafter(config.threshold, 0.0))  # ours fire at the threshold itself
        neurons = {"vth": just_below, "du": 1.0, "dv": 1.0 - config.decay}
        weights = [array.astype(np.float64) for array in network.numpy_weights()]
        return FLOATING, weights, [0] * config.num_layers, [neurons] * config.num_layers
    integers = as_integers(network)
    # Lava's mixed-sign weights are even numbers up to 254: twice ours, at half the exponent.
    # It adds 1 to du: 4095 keeps nothing of the current.
    return (
        FIXED,
        [(2 * array).astype(np.int32) for array in integers.weights],
        [exponent - 1 for exponent in integers.weight_exponents],
        [{"vth": each, "du": 4095, "dv": integers.voltage_decay} for each in integers.thresholds],
    )


def _connection(weights: Any, exponent: int) -> Any:
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode

    return Dense(weights=weights, weight_exp=exponent, num_weight_bits=8, sign_mode=SignMode.MIXED)


def _resetting(config: DesireConfig, size: int, **parameters: Any) -> Any:
    from lava.proc.lif.process import LIFReset

    return LIFReset(shape=(size,), reset_interval=config.window_steps, reset_offset=1, **parameters)


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
    source.s_out.connect(fresh.connections[0].s_in)
    fresh.neurons[-1].s_out.connect(sink.a_in)
    try:
        steps = RunSteps(num_steps=num_samples * window)
        sink.run(condition=steps, run_cfg=Loihi2SimCfg(select_tag=network.arithmetic))
        received = sink.data.get()
    finally:
        sink.stop()
    # Spikes of step t are sent in step t + 2 of the window, counted from 1.
    spikes = received.T.reshape(num_samples, window, -1)[:, 1 : 1 + num_steps]
    return spikes.transpose(1, 0, 2) != 0
