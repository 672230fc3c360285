"""Run our integers in Brian2Loihi, and count what differs.

``make check-emulators`` calls ``python -m benchmarks.emulators.brian2_loihi FOLDER``. A mantissa m
with exponent e is the weight 2·m with e − 1 here, since its mixed-sign weights are even;
decay_I = 4096 clears the current in every step, less lets it last, and the threshold's mantissa is
ours. Its neurons reset to zero and know nothing else: a network that subtracts its threshold is run
as well, and shows what that makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import brian2
import numpy as np
from brian2_loihi import (
    LoihiNetwork,
    LoihiNeuronGroup,
    LoihiSpikeGeneratorGroup,
    LoihiSpikeMonitor,
    LoihiStateMonitor,
    LoihiSynapses,
    synapse_sign_mode,
)

from benchmarks.emulators.common import Array, Network, compare, networks, write


def run(network: Network) -> tuple[list[Array], list[Array]]:
    """Return the spikes and the potentials of all layers, each L of (T, B, N_ℓ)."""
    steps, samples, num_inputs = network.inputs.shape
    window = network.window
    times, which, neurons = network.inputs.nonzero()
    source = LoihiSpikeGeneratorGroup(num_inputs, neurons, times + which * window)
    groups, synapses = [], []
    for layer, (matrix, exponent, threshold) in enumerate(
        zip(network.matrices, network.exponents, network.thresholds, strict=True)
    ):
        group = LoihiNeuronGroup(
            len(matrix),
            threshold_v_mant=threshold,
            decay_v=network.voltage_decay,
            decay_I=network.current_decay,
            name=f"layer{layer}",
        )
        before = groups[-1] if groups else source
        synapse = LoihiSynapses(
            before,
            group,
            w_exp=exponent - 1,
            sign_mode=synapse_sign_mode.MIXED,
            name=f"synapses{layer}",
        )
        post, pre = matrix.nonzero()
        synapse.connect(i=pre, j=post)
        synapse.w = 2 * matrix[post, pre]
        groups.append(group)
        synapses.append(synapse)
    spikes = [LoihiSpikeMonitor(group) for group in groups]
    potentials = [LoihiStateMonitor(group, "v") for group in groups]

    # A window ends in silence, so all layers are cleared in the first step of the next.
    @brian2.network_operation(dt=window * brian2.ms, when="start")
    def clear() -> None:
        for group in groups:
            group.v = group.I = 0

    LoihiNetwork(source, *groups, *synapses, *spikes, *potentials, clear).run(samples * window)
    fired, reached = [], []
    for group, monitor, states in zip(groups, spikes, potentials, strict=True):
        found = np.zeros((samples * window, len(group)), dtype=bool)
        # The monitor's own t cuts 1000·t off, which makes 4006 of step 4007.
        found[np.rint(monitor.t_ * 1000).astype(int), monitor.i] = True
        if group is not groups[-1] and found[window - 1 :: window].any():
            raise ValueError(f"{network.name}: a hidden neuron spikes in the last step of a window")
        for values, into in ((found, fired), (np.asarray(states.v).T, reached)):
            windows = values.reshape(samples, window, -1)[:, :steps]
            into.append(windows.transpose(1, 0, 2))
    return fired, reached


def main() -> None:
    """Compare the integers, with either reset."""
    brian2.prefs.codegen.target = "numpy"
    folder, rows = Path(sys.argv[1]), []
    for network in networks(folder, arithmetic="integers"):
        spikes, potentials = run(network)
        if network.reset == "zero":
            rows += compare(network, "our integers", spikes, potentials=potentials)
        else:
            why = "its neurons reset to zero, and keep nothing above the threshold"
            rows += compare(network, "our integers, reset to zero", spikes, why)
    write(folder, "brian2_loihi", ("brian2-loihi", "brian2", "numpy"), rows)


if __name__ == "__main__":
    main()
