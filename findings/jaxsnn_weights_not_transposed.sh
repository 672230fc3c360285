#!/usr/bin/env bash
# jaxsnn 0.3.0: its reader of NIR graphs takes (outputs, inputs) weights for (inputs, outputs).
#
# NIR's Linear holds a row a neuron, jaxsnn's own Linear a row an input. Seen: from_nir passes the array on as it is.
# A layer of 2 inputs and 3 neurons fails with a TypeError when it runs, and not when it is read; of a square layer the
# spike of input 0 goes where the weight of neuron 0 from input 1 leads. With the array transposed both are right.
# For our users: there is no dialect for jaxsnn, whose neurons fire between the steps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install jaxsnn==0.3.0 jax==0.10.2 nir==1.0.8 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import logging
import sys

logging.disable(logging.CRITICAL)
import jax
import jax.numpy as jnp
import nir
import numpy as np
from jaxsnn.event.types import Spike
from jaxsnn.event.utils.from_nir import ConversionConfig, from_nir


def fired(weight, source):
    """Return which neurons fire where one input sends one spike."""
    one = np.ones(max(weight.shape[0], 1))
    neurons = nir.CubaLIF(
        tau_syn=5 * one, tau_mem=10 * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one
    )
    nodes = {"input": nir.Input(np.array([2])), "linear": nir.Linear(weight), "lif": neurons}
    nodes["output"] = nir.Output(np.array([len(one)]))
    edges = [("input", "linear"), ("linear", "lif"), ("lif", "output")]
    graph = nir.NIRGraph(nodes, edges, type_check=False)
    init, apply = from_nir(graph, ConversionConfig(t_max=0.1, n_steps={"lif": 3})).done()
    none = jnp.zeros((1, 1), int)
    spikes = Spike(jnp.array([[0.001]]), none + source, 0.0 * none, none, none == 0)
    events = apply({"input": spikes}, init(jax.random.PRNGKey(0)))["lif"]
    return sorted(set(np.asarray(events.idx)[np.asarray(events.internal)].tolist()))


to_neuron_0_from_input_1 = np.array([[0.0, 50.0], [0.0, 0.0]])
seen = [fired(to_neuron_0_from_input_1, source) for source in (0, 1)]
turned = [fired(to_neuron_0_from_input_1.T, source) for source in (0, 1)]
print("square, as NIR has it: fired", *seen, "; transposed: fired", *turned)
try:
    failed = f"fired {fired(np.ones((3, 2)), 0)}"
except TypeError as error:
    failed = str(error)
print("3 neurons of 2 inputs:", failed)
sys.exit(not (seen == [[1], []] and turned == [[], [0]] and "incompatible shapes" in failed))
PYTHON
