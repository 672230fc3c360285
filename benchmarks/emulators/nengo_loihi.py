"""Run our integers in nengo-loihi's emulator of the chip, and count what differs.

``make check-emulators`` calls ``python -m benchmarks.emulators.nengo_loihi FOLDER``. The integers
are put into its blocks; then, one at a time, what its own builder would have put there, and what
its emulator does otherwise is undone. Its neurons reset to zero and know nothing else.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nengo_loihi.block import Axon, Compartment, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import discretize_compartment, discretize_weights
from nengo_loihi.emulator import EmulatorInterface, interface
from nengo_loihi.inputs import SpikeInput
from nengo_loihi.probe import LoihiProbe

from benchmarks.emulators.common import Array, Network, compare, networks, write

OURS = {"vmin": -(2**23) + 1, "refract_delay": 1}


def builder_defaults() -> dict[str, tuple[dict[str, Any], str]]:
    """Return, by name, what nengo-loihi's builder sets otherwise, and why it matters."""
    compartment = Compartment(1)
    compartment.configure_lif(tau_ref=0.001)  # nengo's is a step, at the least
    compartment.configure_filter(0)  # a connection with synapse=None
    vmin, refractory = compartment.vmin, int(compartment.refract_delay[0])
    discretize_compartment(compartment, w_max=1.0)
    decay = int(compartment.decay_u[0])
    return {
        f"decay_u = {decay}, of an unfiltered connection": (
            {"decay_u": decay},
            "the chip adds 1, so 1/4096 of the current is left",
        ),
        "its weight rounding": ({"rounding": True}, "the mantissa -128 becomes -127"),
        f"vmin = {vmin}": ({"vmin": vmin}, "negative potentials are cut off"),
        f"refract_delay = {refractory}": (
            {"refract_delay": refractory},
            "a neuron is silent in the step after a spike",
        ),
    }


def block_of(network: Network, layer: int, settings: dict[str, Any]) -> LoihiBlock:
    """Return a layer as a block that holds integers."""
    matrix, exponent = network.matrices[layer], network.exponents[layer]
    block = LoihiBlock(len(matrix))
    compartment = block.compartment
    compartment.scale_u = compartment.scale_v = False
    for name, value in {
        "decay_u": settings.get("decay_u", network.current_decay - 1),  # the chip adds 1
        "decay_v": network.voltage_decay,
        "vth": network.thresholds[layer] << 6,
        "bias": 0,
        "refract_delay": settings["refract_delay"],
    }.items():
        setattr(compartment, name, np.full(len(matrix), value, np.int32))
    compartment.vmin, compartment.vmax = settings["vmin"], 2**23 - 1
    synapse = Synapse(matrix.shape[1])
    # The weight 2·m with the exponent e − 1, six bits below the potential.
    synapse.format(weight_exp=0, weight_bits=7, fanout_type=1)
    if settings.get("rounding"):
        twice = discretize_weights(synapse.synapse_cfg, 2.0 * matrix, check_result=False) >> 6
    else:
        twice = 2 * matrix
    integers = twice.T << (6 + exponent - 1)
    synapse._set_weights_indices(integers.astype(np.int32), weight_dtype=np.int32)
    block.add_synapse(synapse)
    return block


def run(network: Network, **changed: Any) -> tuple[list[Array], list[Array]]:
    """Return the spikes and the potentials of all layers, each L of (T, B, N_ℓ)."""
    steps, samples, num_inputs = network.inputs.shape
    window = network.window
    settings, model = {**OURS, **changed}, Model()
    source = SpikeInput(num_inputs)
    model.add_input(source)
    blocks: list[LoihiBlock] = []
    for layer in range(network.layers):
        block = block_of(network, layer, settings)
        axon = Axon(block.synapses[0].n_axons)
        axon.target = block.synapses[0]
        (blocks[-1] if blocks else source).add_axon(axon)
        model.add_block(block)
        blocks.append(block)
    probes = [
        [LoihiProbe(target=block, key=key) for block in blocks] for key in ("spiked", "voltage")
    ]
    for probe in (*probes[0], *probes[1]):
        model.add_probe(probe)
    with EmulatorInterface(model, seed=0) as emulator:
        for sample in range(samples):
            # A window ends in silence; input spikes take one step to arrive.
            emulator.compartment.voltage[:] = 0
            emulator.compartment.current[:] = 0
            emulator.compartment.ref_count[:] = 0
            for step in range(steps):
                fired = np.flatnonzero(network.inputs[step, sample])
                source.add_spikes(sample * window + step + 1, fired)
            emulator.run_steps(window)
        outputs = [
            [emulator.collect_probe_output(probe) for probe in of_kind] for of_kind in probes
        ]
    if any(each[window - 1 :: window].any() for each in outputs[0][:-1]):
        raise ValueError(f"{network.name}: a hidden neuron spikes in the last step of a window")
    spikes, potentials = (
        [each.reshape(samples, window, -1)[:, 1 : 1 + steps].transpose(1, 0, 2) for each in of_kind]
        for of_kind in outputs
    )
    return spikes, potentials


@contextmanager
def width_of_sum(bits: int) -> Iterator[None]:
    """Let the sum of a step's input have so many bits and a sign; it has 21."""
    before, interface.Q_BITS = interface.Q_BITS, bits
    try:
        yield
    finally:
        interface.Q_BITS = before


def main() -> None:
    """Compare the integers, with either reset."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # "Overflow in q0": counted here, by what it changes
    folder, rows = Path(sys.argv[1]), []
    for network in networks(folder, arithmetic="integers"):
        if network.reset == "subtract":
            why = "its neurons reset to zero, and keep nothing above the threshold"
            rows += compare(network, "our integers, reset to zero", run(network)[0], why)
            continue
        spikes, potentials = run(network)
        why = ""
        if any((a != b).any() for a, b in zip(spikes, network.spikes, strict=True)):
            why = "the sum of a step's input wraps at 22 bits with its sign"
        rows += compare(network, "our integers", spikes, why, potentials)
        with width_of_sum(23):
            if why:
                spikes, potentials = run(network)
                rows += compare(network, "a sum of 24 bits", spikes, "", potentials)
            if network.current_decay < 4096:
                continue
            for how, (changed, why) in builder_defaults().items():
                rows += compare(network, how, run(network, **changed)[0], why)
    write(folder, "nengo_loihi", ("nengo-loihi", "nengo", "numpy"), rows)


if __name__ == "__main__":
    main()
