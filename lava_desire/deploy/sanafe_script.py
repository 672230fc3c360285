"""A trained network as a Python script that runs it on SANA-FE's Loihi, without this library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.deploy.chips import find_chip
from lava_desire.deploy.integer_network import (
    IntegerNetwork,
    as_integers,
    refuse_negative_exponents,
)
from lava_desire.deploy.placement import place
from lava_desire.deploy.script import check_script, write_script
from lava_desire.engine import DesireNetwork
from lava_desire.model.integers.limits import DECAY_BITS
from lava_desire.model.option import CurrentFilter, refuse_options

_NEEDS = """Needs numpy and sanafe 2.2.9.
The report holds energy and time as SANA-FE simulates them, by part and, of a window, by layer."""

_BODY = '''
import json

import sanafe

FOUND = []  # what sim() returned, a sample each


def build():
    """Return the chip with the network on it, and the names of the layers."""
    architecture, network = sanafe.load_loihi(), sanafe.Network()
    cores = architecture.cores()
    before = network.create_neuron_group("input", SETTINGS["num_inputs"])
    names = []
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        for index, (neuron, core) in enumerate(zip(before.neurons, file["cores_0"].tolist())):
            # A soma for inputs holds one spike train, whatever the number of its neurons.
            neuron.set_attributes(soma_hw_name=f"loihi_inputs[{index % 1024}]")
            neuron.map_to_core(cores[core])
        for number, layer in enumerate(SETTINGS["layers"], start=1):
            pairs, weights = file[f"synapses_{number}"], file[f"weights_{number}"]
            group = network.create_neuron_group(
                f"layer_{number}",
                layer["neurons"],
                model_attributes={
                    "threshold": float(layer["threshold"]),
                    "leak_decay": SETTINGS["decay"],
                    "reset_mode": SETTINGS["reset_mode"],
                },
                soma_hw_name="loihi_lif",
                default_synapse_hw_name=layer["synapse"],
                log_spikes=True,
            )
            for neuron, core in zip(group.neurons, file[f"cores_{number}"].tolist()):
                neuron.map_to_core(cores[core])
            scaled = (weights * 2.0 ** layer["exponent"]).tolist()
            before.connect_neurons_sparse(
                group, {"weight": scaled}, list(map(tuple, pairs.tolist()))
            )
            before = group
            names.append(f"layer_{number}")
    chip = sanafe.SpikingChip(architecture)
    chip.load(network)
    return chip, names


def run_layers(images):
    """Return the spike trains of all layers: L arrays (image, time, neuron)."""
    trains = encode(images)
    chip, names = build()
    inputs = list(chip.mapped_neuron_groups["input"])
    steps = SETTINGS["num_steps"]
    spikes = [np.zeros((len(images), steps, layer["neurons"]), int) for layer in SETTINGS["layers"]]
    FOUND.clear()
    for sample in range(len(images)):
        chip.reset()
        for index, neuron in enumerate(inputs):
            train = trains[:, sample, index].tolist()
            neuron.set_attributes(model_attributes={"spikes": [*train, False]})
        # Inputs are heard a step later, and so is every layer: layer 1 is silent in the first.
        found = chip.sim(steps + 1, spike_trace=True)
        for step, fired in enumerate(found.pop("spike_trace")[1:]):
            for neuron in fired:
                if neuron.group_name in names:
                    layer = names.index(neuron.group_name)
                    spikes[layer][sample, step, neuron.neuron_offset] = 1
        counts = [int(each[sample].sum()) for each in spikes]
        FOUND.append({**found, "input_spikes": int(trains[:, sample].sum()), "layers": counts})
    return spikes


def run(images):
    """Return the spike trains of the output neurons: image, time, neuron."""
    return run_layers(images)[-1]


def write_report(path):
    """Write what SANA-FE simulated, a mean over samples, as JSON."""
    energy = {part: np.mean([one["energy"][part] for one in FOUND]) for part in FOUND[0]["energy"]}
    report = {
        "simulated_by": "sanafe, load_loihi()",
        "network": SETTINGS["network"],
        "reset": {"hard": "zero", "soft": "subtract"}[SETTINGS["reset_mode"]],
        "samples": len(FOUND),
        "steps": SETTINGS["num_steps"] + 1,
        "energy_J": {part: float(mean) for part, mean in energy.items()},
        "time_s": float(np.mean([one["sim_time"] for one in FOUND])),
        "synaptic_operations": float(np.mean([one["spikes"] for one in FOUND])),
        "messages": float(np.mean([one["packets_sent"] for one in FOUND])),
        "input_spikes": float(np.mean([one["input_spikes"] for one in FOUND])),
        "spikes": np.mean([one["layers"] for one in FOUND], axis=0).tolist(),
    }
    Path(path).write_text(json.dumps(report, indent=1) + "\\n")
'''


def write_sanafe_script(network: DesireNetwork | IntegerNetwork, path: str | Path) -> list[Path]:
    """Write a script ``*.py``, and beside it its weights ``*.npz``; return both.

    A synapse is listed by its two neurons, (S, 2), also those of a convolution. SANA-FE's neuron
    does not saturate at 24 bits. Raises ValueError if the network is in floating point, is larger
    than the chip, or has a negative exponent; and as
    :func:`~lava_desire.deploy.script.write_script`.
    """
    path = check_script(network, path)
    refuse_options(network.config, CurrentFilter, " for sanafe")
    integers, config = as_integers(network), network.config
    reason = "as SANA-FE does not shift sums of weights; see IntegerNetwork.without_exponents"
    refuse_negative_exponents(integers, reason)
    placed = place(config, find_chip("loihi1"))
    arrays: dict[str, Any] = {f"cores_{number}": cores for number, cores in enumerate(placed)}
    layers = []
    parts = zip(config.synapses, integers.weights, integers.formats, strict=True)
    for number, (synapse, weights, form) in enumerate(parts, start=1):
        layers.append(
            {
                "neurons": synapse.num_post,
                "threshold": form.threshold,
                "exponent": form.weight_exp,
                "synapse": f"loihi_{'conv' if synapse.num_positions > 1 else 'dense'}_synapse",
            }
        )
        unit = np.eye(synapse.num_pre, dtype=bool)
        pairs = np.argwhere(synapse.current(np.ones_like(weights), unit)).astype(np.int32)
        arrays[f"weights_{number}"] = synapse.current(weights, unit)[tuple(pairs.T)]
        arrays[f"synapses_{number}"] = pairs
    return write_script(
        network,
        path,
        summary="A trained spiking network on SANA-FE's Loihi.",
        needs=_NEEDS,
        body=_BODY,
        settings={
            "decay": 1 - integers.voltage_decay / 2**DECAY_BITS,
            "network": config.shape_text,
            "reset_mode": {"zero": "hard", "subtract": "soft"}[config.reset],
            "layers": layers,
        },
        weights=arrays,
    )
