"""Networks out of NIR graphs: ours to the bit, those of others where they fit.

The mapping is that of :mod:`lava_desire.deploy.nir_export`, read from right to left. A graph may
come from anywhere, so all of it is checked before a network is built.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.config import RESETS, DesireConfig
from lava_desire.deploy.nir_export import COMPARISON, CONFIG, DELAY, RESIDUAL, unscaled
from lava_desire.deploy.nir_file import MAX_BYTES, read_nir
from lava_desire.deploy.optional import import_optional
from lava_desire.engine import DesireNetwork

_MAX_LAYERS = 64
_Layer = tuple[str, Any, str, Any]  # name and node of Affine or Linear, name and node of LIF


def from_nir(
    source: Any,
    *,
    dt: float | None = None,
    num_steps: int | None = None,
    reset: str | None = None,
    device: Any = "cpu",
    max_bytes: int = MAX_BYTES,
) -> DesireNetwork:
    """Return the network that a NIR graph describes.

    A graph of :func:`to_nir` comes back to the bit. Any other has to be a chain of Affine or
    Linear without bias and LIF with one time constant and one threshold; what NIR does not say is
    taken from the arguments. Its missing delay is made up for by L − 1 steps more, which leaves
    the spike counts as they are; a potential that equals the threshold fires here, and in NIR by
    the letter does not.

    Parameters
    ----------
    source : nir.NIRGraph, str or Path
        A graph, or a file that ``nir.write`` has written.
    dt : float, optional
        Seconds a time step; required unless the graph is ours, and then of no use.
    num_steps : int, optional
        Time steps for which the graph would be run; required unless the graph is ours.
    reset : {"subtract", "zero"}, optional
        What a spike does; by NIR's letter, and by default, a graph of others resets to zero.
    device : str or torch.device
        Where the network will live.
    max_bytes : int
        Largest size of a file's arrays; see ``lava_desire.deploy.nir_file.read_nir``.

    Returns
    -------
    DesireNetwork
        With the configuration of the exported network, or one that fits the graph.

    Raises
    ------
    ValueError
        If the graph holds what the network cannot do, or an argument is missing; the message names
        the node, what it holds and what is allowed.
    OSError
        If the file cannot be read.
    ImportError
        If ``nir`` is not installed.
    """
    nir = import_optional("nir")
    if isinstance(source, (str, Path)):
        source = read_nir(source, max_bytes=max_bytes)
    if not isinstance(source, nir.NIRGraph):
        raise ValueError(f"source is a {type(source).__name__}: expected a NIRGraph or a path")
    pairs = _chain(nir, source)
    metadata = source.metadata if isinstance(source.metadata, dict) else {}
    if CONFIG in metadata:
        given = {"dt": dt, "num_steps": num_steps, "reset": reset}
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise ValueError(
                f"{', '.join(named)} is given, and the graph brings its own: expected neither"
            )
        config, dt = _own_config(metadata)
    else:
        config = _foreign_config(pairs, dt, num_steps, reset)
    assert dt is not None
    _check_against(config, dt, pairs)
    weights = [_weights(affine, neurons, config, dt) for _, affine, _, neurons in pairs]
    return DesireNetwork(config, device, weights)


def _chain(nir: Any, graph: Any) -> list[_Layer]:
    """Return (name, Affine or Linear, name, LIF) a layer, or say what else the graph holds."""
    order = _order(graph)
    ends = (graph.nodes[order[0]], graph.nodes[order[-1]])
    if not isinstance(ends[0], nir.Input) or not isinstance(ends[1], nir.Output):
        raise ValueError(
            f"the graph leads from {_kind(ends[0])} to {_kind(ends[1])}: expected Input and Output"
        )
    inner = order[1:-1]
    if not inner or len(inner) % 2 or len(inner) > 2 * _MAX_LAYERS:
        raise ValueError(
            f"the graph has {len(inner)} nodes between Input and Output: expected Affine or Linear "
            f"and LIF in turn, 1 to {_MAX_LAYERS} times"
        )
    pairs = []
    for first, second in zip(inner[::2], inner[1::2], strict=True):
        affine, neurons = graph.nodes[first], graph.nodes[second]
        if not isinstance(affine, (nir.Affine, nir.Linear)):
            raise ValueError(
                f"node {first!r} is {_kind(affine)}: expected Affine or Linear"
                + (", and the delay of one step left out" if isinstance(affine, nir.Delay) else "")
            )
        if not isinstance(neurons, nir.LIF):
            raise ValueError(f"node {second!r} is {_kind(neurons)}: expected LIF")
        _check_layer(first, affine, second, neurons)
        pairs.append((first, affine, second, neurons))
    for (name, _, _, before), (_, behind, _, _) in pairwise(pairs):
        if behind.weight.shape[1] != before.tau.shape[0]:
            raise ValueError(
                f"the layer behind {name!r} takes {behind.weight.shape[1]} inputs: expected "
                f"{before.tau.shape[0]}, one a neuron"
            )
    return pairs


def _kind(node: Any) -> str:
    return type(node).__name__


def _order(graph: Any) -> list[str]:
    """Return the nodes' names along the chain."""
    following: dict[str, str] = {}
    reached: set[str] = set()
    for start, end in graph.edges:
        if start not in graph.nodes or end not in graph.nodes:
            raise ValueError(f"the edge {start!r} to {end!r} leads from or to a node that is none")
        if start in following or end in reached:
            raise ValueError(
                f"the graph branches, joins or is cyclic at {start!r} to {end!r}: expected a chain"
            )
        following[start] = end
        reached.add(end)
    heads = [name for name in graph.nodes if name not in reached]
    if len(heads) != 1 or len(following) != len(graph.nodes) - 1:
        raise ValueError(
            f"the graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges is no chain from "
            "Input to Output"
        )
    order = [heads[0]]
    while order[-1] in following:
        order.append(following[order[-1]])
    if len(order) != len(graph.nodes):
        raise ValueError(f"the graph has a cycle apart from {order[0]!r}: expected one chain")
    return order


def _check_layer(first: str, affine: Any, second: str, neurons: Any) -> None:
    weight = np.asarray(affine.weight)
    if weight.ndim != 2 or weight.dtype.kind != "f" or not np.isfinite(weight).all():
        raise ValueError(
            f"weight of {first!r} is {weight.dtype} {weight.shape}: expected finite floats, "
            "neurons by inputs"
        )
    bias = np.asarray(getattr(affine, "bias", 0))
    if bias.dtype.kind not in "fiu":
        raise ValueError(f"bias of {first!r} is {bias.dtype}: expected zeros, or none")
    if bias.any():
        raise ValueError(f"{first!r} has a bias: expected zero, neurons here have none")
    for name in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
        values = np.asarray(getattr(neurons, name))
        if values.shape != weight.shape[:1] or values.dtype.kind not in "fiu":
            raise ValueError(
                f"{name} of {second!r} is {values.dtype} {values.shape}: expected floats "
                f"{weight.shape[:1]}, one a neuron"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of {second!r} holds NaN or infinity: expected finite values")
        if name in ("v_leak", "v_reset") and values.any():
            raise ValueError(
                f"{name} of {second!r} holds {values[values != 0][0]}: expected 0, where neurons "
                "here rest"
            )


def _own_config(metadata: dict[str, Any]) -> tuple[DesireConfig, float]:
    expected = {"comparison": COMPARISON, "delay": DELAY}
    for name, value in expected.items():
        if metadata.get(name) != value:
            raise ValueError(
                f"metadata says {name} = {metadata.get(name)!r}: expected {value!r}, as all "
                "networks here have"
            )
    text, dt = metadata[CONFIG], metadata.get("dt")
    if not isinstance(text, str):
        raise ValueError(f"metadata {CONFIG} is a {type(text).__name__}: expected JSON")
    config = DesireConfig.from_json(text)
    if metadata.get("reset") != config.reset or metadata.get("num_steps") != config.num_steps:
        raise ValueError(
            f"metadata says reset = {metadata.get('reset')!r} and num_steps = "
            f"{metadata.get('num_steps')!r}: expected {config.reset!r} and {config.num_steps}, as "
            "in its configuration"
        )
    if isinstance(dt, np.generic):
        dt = dt.item()
    if not isinstance(dt, float) or not 0 < dt < math.inf:
        raise ValueError(f"metadata says dt = {dt!r}: expected seconds, above 0")
    return config, dt


def _foreign_config(
    pairs: list[_Layer],
    dt: float | None,
    num_steps: int | None,
    reset: str | None,
) -> DesireConfig:
    if dt is None or num_steps is None:
        missing = "dt" if dt is None else "num_steps"
        raise ValueError(
            f"the graph does not say {missing}: pass dt, the seconds a time step (1e-4 in "
            "SpikingJelly and snnTorch, 1e-3 in Norse), and num_steps, for how many it is run"
        )
    if not isinstance(dt, (int, float)) or not 0 < dt < math.inf:
        raise ValueError(f"dt is {dt!r}: expected seconds, above 0")
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(f"num_steps is {num_steps!r}: expected an integer of at least 1")
    if reset is not None and reset not in RESETS:
        raise ValueError(f"reset is {reset!r}: expected one of {', '.join(RESETS)}")
    tau = float(pairs[0][3].tau[0])
    if tau < dt * (1 - 1e-6):
        raise ValueError(
            f"tau of {pairs[0][2]!r} is {tau:.3g} s, shorter than dt = {dt:.3g} s: expected at "
            "least dt"
        )
    sizes = (pairs[0][1].weight.shape[1], *(len(neurons.tau) for *_, neurons in pairs))
    steps = num_steps + len(pairs) - 1
    return DesireConfig(
        tuple(int(size) for size in sizes),
        num_steps=steps,
        # tau is a float32 number: 0.75 is what was meant by 0.74999997.
        decay=max(round(1 - dt / tau, 6), 0.0),
        threshold=float(pairs[0][3].v_threshold[0]),
        error_margin=min(4, steps - 1),
        reset=reset or "zero",
    )


def _check_against(config: DesireConfig, dt: float, pairs: list[_Layer]) -> None:
    """Refuse a graph whose neurons differ from each other, or from its configuration."""
    sizes = (pairs[0][1].weight.shape[1], *(len(neurons.tau) for *_, neurons in pairs))
    if tuple(sizes) != config.layer_sizes:
        raise ValueError(f"the graph's layers are {sizes}: expected {config.layer_sizes}")
    wanted = {"tau": dt / (1 - config.decay), "v_threshold": config.threshold}
    for *_, name, neurons in pairs:
        for field, value in wanted.items():
            given = np.asarray(getattr(neurons, field), np.float64)
            wrong = np.abs(given - value) > 1e-5 * value
            if wrong.any():
                raise ValueError(
                    f"{field} of {name!r} holds {given[wrong][0]:.6g}: expected {value:.6g} in all "
                    "neurons of all layers"
                )


def _weights(affine: Any, neurons: Any, config: DesireConfig, dt: float) -> Any:
    """Return W = W_nir · R · (1 − β), with what rounding had taken."""
    resistance = np.asarray(neurons.r, np.float64)
    with np.errstate(over="ignore"):
        weights = unscaled(np.asarray(affine.weight), (resistance * (1 - config.decay))[:, None])
    metadata = affine.metadata if isinstance(affine.metadata, dict) else {}
    residual = metadata.get(RESIDUAL)
    if residual is None:
        return weights
    residual = np.asarray(residual)
    if residual.shape != weights.shape or residual.dtype != np.float32:
        raise ValueError(
            f"{RESIDUAL} is {residual.dtype} {residual.shape}: expected float32 {weights.shape}"
        )
    if (np.abs(residual) > 1e-6 * np.abs(weights) + 1e-37).any():
        raise ValueError(f"{RESIDUAL} exceeds the rounding of the weights: the file was changed")
    return weights + residual
