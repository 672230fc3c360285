"""A trained network as a Python script that runs it in Lava, without this library."""

from __future__ import annotations

from pathlib import Path

from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import IntegerNetwork, is_floating
from lava_desire.deploy.lava_processes import on_stock
from lava_desire.deploy.script import check_script, write_script
from lava_desire.engine import DesireNetwork

_NEEDS = """Needs numpy and lava-nc; on Python 3.11 and later and with
NumPy 2, for which Lava 0.10 is not made, lava_desire as well."""

_BODY = '''try:
    from lava_desire.lava_runtime.compat import import_lava

    import_lava()
except ImportError:
    pass

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode


def build():
    """Return the connections and the layers of neurons, wired."""
    window = SETTINGS["num_steps"] + len(SETTINGS["neurons"])
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        weights = [file[f"weights_{layer + 1}"] for layer in range(len(SETTINGS["neurons"]))]
    connections = [connect(*pair) for pair in zip(weights, SETTINGS["connections"])]
    # A sample takes a window of steps, and in the first of them layers are cleared, one a step.
    layers = [
        LIFReset(shape=(each.a_out.size,), reset_interval=window, **parameters)
        for each, parameters in zip(connections, SETTINGS["neurons"])
    ]
    for index, (connection, layer) in enumerate(zip(connections, layers)):
        if index:
            hear(connection, layers[index - 1].s_out)
        # Neurons are in a row: channel by channel, row by row. A Conv has x, y, channel.
        planes = connection.a_out
        row = planes.transpose((2, 1, 0)).flatten() if len(planes.shape) == 3 else planes
        row.connect(layer.a_in)
    return connections, layers, window


def connect(weights, options):
    """Return a connection."""
    if "input_shape" in options:
        return Conv(weight=weights, **options)
    # In fixed point a weight is an even number up to 254; floating point has no use for the rest.
    return Dense(weights=weights, num_weight_bits=8, sign_mode=SignMode.MIXED, **options)


def hear(connection, spikes):
    """Connect a port of neurons in a row to a connection."""
    shape = connection.s_in.shape
    if len(shape) == 3:
        spikes = spikes.reshape(shape[::-1]).transpose((2, 1, 0))
    spikes.connect(connection.s_in)


def run(images):
    """Return the spike trains of the output neurons: image, time, neuron."""
    connections, layers, window = build()
    num_steps, num_samples = SETTINGS["num_steps"], len(images)
    spikes = encode(images)
    windows = np.zeros((num_samples, window, SETTINGS["num_inputs"]), np.int32)
    windows[:, :num_steps] = spikes.transpose(1, 0, 2)
    source = Source(data=windows.reshape(-1, SETTINGS["num_inputs"]).T)
    sink = Sink(shape=layers[-1].s_out.shape, buffer=num_samples * window)
    hear(connections[0], source.s_out)
    layers[-1].s_out.connect(sink.a_in)
    try:
        sink.run(RunSteps(num_samples * window), Loihi2SimCfg(select_tag=SETTINGS["tag"]))
        received = sink.data.get()
    finally:
        sink.stop()
    # The spikes of time t are sent in step t + 2 of a window, counted from 1.
    # Before any can come through all layers, they are of the sample before.
    spikes = received.T.reshape(num_samples, window, -1)[:, 1 : 1 + num_steps].astype(int)
    spikes[:, : len(layers) - 1] = 0
    return spikes
'''


def write_lava_script(network: DesireNetwork | IntegerNetwork, path: str | Path) -> list[Path]:
    """Write a script ``*.py``, and beside it its weights ``*.npz``; return both.

    Floating point runs with the tag ``floating_pt``, integers with ``fixed_pt``. Raises ValueError
    if the network resets by subtraction, and as :func:`~lava_desire.deploy.script.write_script`.
    """
    path = check_script(network, path)
    refuse_subtraction(network)
    tag, synapses, neurons = on_stock(network)
    processes = processes_of(network.config)
    return write_script(
        network,
        path,
        summary=f"A trained spiking network on the stock processes of Lava: {processes}.",
        needs=_NEEDS,
        body=_BODY,
        settings={
            "tag": tag,
            "connections": [options for _, options in synapses],
            "neurons": neurons,
        },
        weights={f"weights_{layer}": array for layer, (array, _) in enumerate(synapses, start=1)},
    )


def processes_of(config: DesireConfig) -> str:
    """Return the names of the processes that a script for a network is made of."""
    names = {"Conv" if synapse.name == "conv2d" else "Dense" for synapse in config.synapses}
    return ", ".join([*sorted(names), "LIFReset"])


def refuse_subtraction(network: DesireNetwork | IntegerNetwork) -> None:
    """Refuse reset by subtraction, which no stock neuron does: raises ValueError."""
    if network.config.reset != "zero":
        other = "nir" if is_floating(network) else "onnx"
        raise ValueError(
            "reset is 'subtract', and stock Lava neurons reset to zero: train with reset='zero', "
            f"or export with to='{other}', or use lava_desire.deploy.to_lava, which puts DesireLIF "
            "in their place"
        )
