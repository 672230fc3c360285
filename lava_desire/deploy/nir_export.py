"""Networks as NIR graphs, the exchange format of neuromorphic frameworks.

NIR describes a neuron by a differential equation and stores no time step:

    τ dv/dt = (v_leak − v) + R·I,    a spike where v > θ,    then v = v_reset

One Euler step of length dt is v ← (1 − dt/τ)·v + (dt/τ)·R·I, and ours is p ← β·p + W·s (Eq. 1), so

    τ = dt / (1 − β),    R = 1,    W_nir = W / (1 − β),    v_leak = v_reset = 0,

and with a `synapse_decay` α a CubaLIF, whose current is τ_syn dI/dt = −I + w_in·W·s, with

    τ_syn = dt / (1 − α),    w_in = 1 / (1 − α),    R = τ/dt,    W_nir = W,

unless one of :mod:`lava_desire.deploy.nir_dialects` has R and weights otherwise. For β = 1 − 2^−k
the gain is a power of two and costs no bit; for any other β what rounding takes is kept beside the
weights, so that the way back is exact. What the format cannot say (the time step, reset by
subtraction, ``≥``, the delay of one step between layers) stands in the graph's metadata.

From the first convolution on every layer is a Conv2d, a dense one with kernels as large as the
planes before it: readers do not agree whether a Flatten counts the axis of samples.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.nir_dialects import DIALECTS, Dialect, dialect_of
from lava_desire.deploy.optional import import_optional
from lava_desire.engine import DesireNetwork
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Synapse

CONFIG, DIALECT, RESIDUAL = "lava_desire_config", "dialect", "weight_residual"
COMPARISON, DELAY = ">=", 1
"""What the metadata say beside dt, num_steps and reset."""


def graph_of(network: DesireNetwork, name: str, dt: float) -> Any:
    """Return the graph of a network in floating point, in the dialect of a name."""
    nir = import_optional("nir")
    config = network.config
    dialect = dialect_of(name, config.filters_currents)
    first = config.synapses[0]
    shape = first.pre_shape if isinstance(first, Conv2d) else (first.num_pre,)
    nodes = {"input": nir.Input(input_type=np.array(shape))}
    for layer, weights in enumerate(network.numpy_weights(), start=1):
        synapse, lost = config.synapses[layer - 1], dict[str, Any]()
        if dialect.scales_weights:
            weights, lost = _scaled(weights, config.decay)
        kind = "conv" if len(shape) == 3 else dialect.dense.lower()
        if kind == "conv":
            node, shape = _conv2d(nir, synapse, shape, weights, lost)
        else:
            bias = {"bias": np.zeros(len(weights), np.float32)} if kind == "affine" else {}
            node = getattr(nir, dialect.dense)(weight=weights, **bias, metadata=lost)
            shape = synapse.post_shape
        nodes[f"{kind}_{layer}"] = node
        nodes[f"lif_{layer}"] = _neurons(nir, config, shape, dialect, dt)
    nodes["output"] = nir.Output(output_type=np.array(shape))
    names = list(nodes)
    metadata = {
        "dt": float(dt),
        "num_steps": config.num_steps,
        "reset": config.reset,
        "comparison": COMPARISON,
        "delay": DELAY,
        DIALECT: name,
        CONFIG: config.to_json(),
    }
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)), metadata=metadata)


def _scaled(weights: Any, decay: float) -> tuple[Any, dict[str, Any]]:
    """Return weights as NIR has them, and what rounding took from them as metadata."""
    with np.errstate(over="ignore"):
        scaled = (weights.astype(np.float64) / (1 - decay)).astype(np.float32)
    if not np.isfinite(scaled).all():
        raise ValueError(
            f"weights reach {np.abs(weights).max():.3g}: divided by 1 − β = {1 - decay:.3g} they "
            "exceed float32"
        )
    residual = weights - unscaled(scaled, 1 - decay)
    return scaled, {RESIDUAL: residual} if residual.any() else {}


def _conv2d(
    nir: Any, synapse: Synapse, shape: tuple[int, ...], weights: Any, metadata: dict[str, Any]
) -> tuple[Any, tuple[int, ...]]:
    """Return a convolution, or a dense layer of planes as one."""
    stride, padding, kernel = (1, 1), (0, 0), shape[1:]
    if isinstance(synapse, Conv2d):
        stride, padding, kernel = synapse.stride, synapse.padding, synapse.kernel_size
    post = (*synapse.post_shape, 1, 1)[:3]
    node = nir.Conv2d(
        input_shape=shape[1:],
        weight=weights.reshape(-1, shape[0], *kernel),
        stride=stride,
        padding=padding,
        dilation=(1, 1),
        groups=1,
        bias=np.zeros(len(weights), np.float32),
        metadata=metadata,
    )
    # nir 1.0.8 takes the height of kernels for their width too. A file does not keep this.
    node.output_type = {"output": np.array(post)}
    return node, post


def unscaled(scaled: Any, gain: Any) -> Any:
    """Return W = W_nir · gain, computed in float64 and rounded once."""
    return (scaled.astype(np.float64) * gain).astype(np.float32)


def _neurons(
    nir: Any, config: DesireConfig, shape: tuple[int, ...], dialect: Dialect, dt: float
) -> Any:
    def filled(value: float) -> Any:
        return np.full(shape, value, np.float32)

    values = {**neuron_of(config, dialect, dt), "v_leak": 0, "v_reset": 0}
    kind = nir.CubaLIF if config.synapse_decay else nir.LIF
    return kind(**{name: filled(value) for name, value in values.items()})


def neuron_of(config: DesireConfig, dialect: Dialect, dt: float) -> dict[str, float]:
    """Return the parameters of a network's LIF, or CubaLIF, that are not 0, by their names."""
    alpha, tau = config.synapse_decay, dialect.tau(config.decay, dt)
    values = {"r": dialect.r(config.decay), "v_threshold": config.threshold}
    if not alpha:
        return {"tau": tau, **values}
    return {"tau_mem": tau, "tau_syn": dt / (1 - alpha), "w_in": 1 / (1 - alpha), **values}


def packed(graph: Any) -> bytes:
    """Return a graph as the bytes of a file, for nir 1.0.4 without what it does not know."""
    nir, h5py = import_optional("nir"), import_optional("h5py")
    stream = io.BytesIO()
    nir.write(stream, graph)
    if not DIALECTS[graph.metadata[DIALECT]].v_reset:
        with h5py.File(stream, "r+") as file:
            for node in file["node/nodes"].values():
                node.pop("v_reset", None)
    return stream.getvalue()
