"""NEST: a script that runs the network on its iaf_psc_delta neurons, without this library."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lava_desire.deploy.targets import base

_BODY = '''import nest


def run(images):
    """Return the spike trains of the output neurons: image, time, neuron."""
    return record(encode(images))[-1].transpose(1, 0, 2).astype(int)


def build():
    """Return the inputs and the layers of neurons, connected, a millisecond a time step."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.resolution = 1.0
    neuron = {"C_m": 1.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "t_ref": 0.0}
    neuron["tau_m"] = SETTINGS["tau_m"]
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        weights = [file[f"weights_{layer + 1}"] for layer in range(len(SETTINGS["thresholds"]))]
    groups = [nest.Create("spike_generator", weights[0].shape[1])]
    for matrix, threshold in zip(weights, SETTINGS["thresholds"]):
        layer = nest.Create("iaf_psc_delta", len(matrix), {**neuron, "V_th": threshold})
        post, pre = matrix.nonzero()
        if len(post):
            synapses = {"weight": matrix[post, pre].astype(float), "delay": np.ones(len(post))}
            nest.Connect(ids(groups[-1])[pre], ids(layer)[post], "one_to_one", synapses)
        groups.append(layer)
    return groups[0], groups[1:]


def ids(group):
    """Return the numbers of a group's nodes."""
    return np.atleast_1d(group.global_id)


def record(spikes):
    """Return the spikes of all layers, each (T, S, N), for those of the input, (T, S, N_0)."""
    inputs, layers = build()
    num_steps, num_samples, _ = spikes.shape
    window = num_steps + len(layers)
    recorder = nest.Create("spike_recorder")
    for neuron, trains in zip(inputs, spikes.transpose(2, 1, 0)):
        samples, times = trains.nonzero()
        neuron.spike_times = samples * window + times + 1.0
    neurons = layers[0]
    nest.Connect(layers[0], recorder)
    for layer in layers[1:]:
        neurons = neurons + layer
        nest.Connect(layer, recorder)
    for _ in range(num_samples):
        neurons.V_m = 0.0
        if SETTINGS["decay"] is None:
            nest.Simulate(window)
        else:
            run_integers(neurons, window)
    times, senders = (recorder.events[name] for name in ("times", "senders"))
    senders = senders.astype(int)  # floats where there are none
    # What the input spikes in step t arrives a step later, and spikes in its millisecond's end.
    times = np.rint(times).astype(int) - 2
    found = []
    for layer in layers:
        first, size = ids(layer)[0], len(ids(layer))
        mine = (senders >= first) & (senders < first + size)
        trains = np.zeros((num_samples * window, size), dtype=bool)
        trains[times[mine], senders[mine] - first] = True
        windows = trains.reshape(num_samples, window, size)[:, :num_steps]
        found.append(windows.transpose(1, 0, 2))
    return found


def run_integers(neurons, window):
    """Run a window in integers: potentials of 24 bits decay here, rounded toward zero."""
    potentials = np.zeros(len(ids(neurons)))
    for _ in range(window):
        decayed = np.floor(np.abs(potentials) * SETTINGS["decay"] / 4096)
        neurons.V_m = np.copysign(decayed, potentials)
        nest.Simulate(1.0)
        potentials = np.clip(np.atleast_1d(neurons.V_m), 1 - 2.0**23, 2.0**23 - 1)
'''


def refuse(network: Any, options: base.ResetOptions) -> None:
    """Refuse reset by subtraction, unless it is to be converted, and negative exponents."""
    from lava_desire.deploy.integer_network import is_floating, refuse_negative_exponents

    options.refuse_subtraction(network, "iaf_psc_delta neurons of NEST")
    if not is_floating(network):
        reason = "as NEST adds weight by weight and cannot shift a sum"
        refuse_negative_exponents(network, f"{reason}; export the network in floating point")


def write(network: Any, path: Path, options: base.ResetOptions) -> str:
    """Write the script, and its weights beside it."""
    from lava_desire.deploy.integer_network import as_integers, is_floating
    from lava_desire.deploy.script import write_script
    from lava_desire.model.integers.limits import ALIGNMENT_BITS, DECAY_BITS

    config = network.config
    settings: dict[str, Any] = {"decay": None, "thresholds": [config.threshold] * config.num_layers}
    # What is left of a potential after a millisecond is exp(-1 / tau_m).
    settings["tau_m"] = -1.0 / math.log(max(config.decay, 1e-300))
    if is_floating(network):
        weights = network.numpy_weights()
    else:
        integers = as_integers(network)
        shifts = [exponent + ALIGNMENT_BITS for exponent in integers.weight_exponents]
        weights = [array << shift for array, shift in zip(integers.weights, shifts, strict=True)]
        settings = {
            "decay": (1 << DECAY_BITS) - integers.voltage_decay,
            # NEST spikes at the threshold, a chip above it.
            "thresholds": [float((each << ALIGNMENT_BITS) + 1) for each in integers.thresholds],
            "tau_m": 1e300,  # nothing decays in NEST
        }
    matrices = {
        f"weights_{layer}": synapse.matrix(array)
        for layer, (synapse, array) in enumerate(zip(config.synapses, weights, strict=True), 1)
    }
    script, beside = write_script(
        network,
        path,
        summary="A trained spiking network in NEST, on iaf_psc_delta neurons.",
        needs="Needs numpy and nest-simulator.",
        body=_BODY,
        settings=settings,
        weights=matrices,
    )
    report = (
        f"{script} runs {config.shape_text} in NEST (iaf_psc_delta), with the weights of {beside}: "
        f"python {script} images.npz"
    )
    if config.reset == "subtract":
        return report + base.CONVERTED
    return f"{report}; with NEST 3.10.0 no spike differed in what docs/fixed_point.md lists"


TARGET = base.Target(
    name="nest",
    summary="a script for NEST, whose neurons reset to zero.",
    suffix=".py",
    write=write,
    refuse=refuse,
    options=base.ResetOptions,
    beside=".npz",
    synapses=("dense", "conv2d"),
)
