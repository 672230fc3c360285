"""Networks out of NIR graphs: ours to the bit, those of others where they fit.

The mapping is that of :mod:`lava_desire.deploy.nir_export`, read from right to left. A graph may
come from anywhere, so all of it is checked before a network is built.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.hdf5_file import MAX_BYTES, MAX_SECONDS
from lava_desire.deploy.nir_chain import Layer, layers
from lava_desire.deploy.nir_dialects import DEFAULT, DIALECTS, Dialect, dialect_of
from lava_desire.deploy.nir_export import (
    COMPARISON,
    CONFIG,
    DELAY,
    DIALECT,
    RESIDUAL,
    neuron_of,
    unscaled,
)
from lava_desire.deploy.nir_file import read_nir
from lava_desire.deploy.nir_synapses import as_dense
from lava_desire.deploy.optional import import_optional
from lava_desire.engine import DesireNetwork
from lava_desire.model.fields import MAX_STEPS, checked_integer
from lava_desire.model.options.reset import RESETS
from lava_desire.model.synapses import Synapse

_NORSE_DT = 1e-6  # in to_nir and in the cells 1e-3, and tau is multiplied by the former
_ROUNDING = 3e-7  # of a time constant in float32, twice


def from_nir(
    source: Any,
    *,
    dt: float | None = None,
    num_steps: int | None = None,
    reset: str | None = None,
    device: Any = "cpu",
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> DesireNetwork:
    """Return the network that a NIR graph describes.

    A graph of :func:`to_nir` comes back to the bit. Any other has to be a chain of Affine, Linear
    or Conv2d without bias and LIF, or CubaLIF in all layers, with one time constant of a kind and
    one threshold; what NIR does not say is taken from the arguments. Its missing delay is made up
    for by L − 1 steps more, which leaves the spike counts as they are; a potential that equals the
    threshold fires here, and in NIR by the letter does not. A SumPool2d or AvgPool2d before a
    connection becomes part of its kernels. A Flatten is passed over, since planes are flat here
    anyway; graphs within the graph are unfolded; parameters of one number hold for all neurons.

    Parameters
    ----------
    source : nir.NIRGraph, str or Path
        A graph, or a file that ``nir.write`` has written.
    dt : float, optional
        Seconds a time step, at most the neurons' τ; required unless the graph is ours, and then
        of no use. 1e-4 for SpikingJelly and snnTorch; the square of Norse's own dt for Norse
        1.1.0, which writes τ times dt: 1e-6 for its default.
    num_steps : int, optional
        Time steps for which the graph would be run; required unless the graph is ours.
    reset : {"subtract", "zero"}, optional
        What a spike does; by NIR's letter, and by default, a graph of others resets to zero.
    device : str or torch.device
        Where the network will live.
    max_bytes : int
        Largest size of a file's arrays; see ``lava_desire.deploy.nir_file.read_nir``.
    max_seconds : float
        Longest time in seconds that reading a file may take.

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
        source = read_nir(source, max_bytes=max_bytes, max_seconds=max_seconds)
    if not isinstance(source, nir.NIRGraph):
        raise ValueError(f"source is a {type(source).__name__}: expected a NIRGraph or a path")
    chain = layers(nir, source)
    metadata = source.metadata if isinstance(source.metadata, dict) else {}
    if CONFIG in metadata:
        given = {"dt": dt, "num_steps": num_steps, "reset": reset}
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise ValueError(
                f"{', '.join(named)} is given, and the graph brings its own: expected neither"
            )
        config, dt, dialect = _own_config(metadata)
        wanted = neuron_of(config, dialect, dt)
    else:
        config = _foreign_config(chain, dt, num_steps, reset)
        assert dt is not None
        wanted, dialect = neuron_of(config, DIALECTS[DEFAULT], dt), None
        wanted = {name: wanted[name] for name in wanted if name not in ("r", "w_in")}
    _check_against(config, wanted, chain)
    parts = zip(chain, config.synapses, strict=True)
    weights = [_weights(*part, config, dialect) for part in parts]
    return DesireNetwork(config, device, weights)


def _own_config(metadata: dict[str, Any]) -> tuple[DesireConfig, float, Dialect]:
    expected = {"comparison": COMPARISON, "delay": DELAY}
    for name, value in expected.items():
        if metadata.get(name) != value:
            raise ValueError(
                f"metadata says {name} = {metadata.get(name)!r}: expected {value!r}, as all "
                "networks here have"
            )
    text, dt, name = metadata[CONFIG], metadata.get("dt"), metadata.get(DIALECT, DEFAULT)
    if name not in DIALECTS:
        raise ValueError(
            f"metadata says {DIALECT} = {name!r}: expected one of {', '.join(DIALECTS)}; a newer "
            "release may know it"
        )
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
    return config, dt, dialect_of(name, config.filters_currents)


def _foreign_config(
    chain: list[Layer],
    dt: float | None,
    num_steps: int | None,
    reset: str | None,
) -> DesireConfig:
    if dt is None or num_steps is None:
        missing = "dt" if dt is None else "num_steps"
        raise ValueError(
            f"the graph does not say {missing}: pass dt, the seconds a time step (1e-4 for "
            f"SpikingJelly and snnTorch, {_NORSE_DT:g} for Norse 1.1.0, as it writes tau · dt), "
            "and num_steps, for how many it is run"
        )
    if not isinstance(dt, (int, float)) or not 0 < dt < math.inf:
        raise ValueError(f"dt is {dt!r}: expected seconds, above 0")
    num_steps = checked_integer("num_steps", num_steps, 1, MAX_STEPS - len(chain) + 1)
    if reset is not None and reset not in RESETS:
        raise ValueError(f"reset is {reset!r}: expected one of {', '.join(RESETS)}")
    first = chain[0].parameters
    taus = {name: float(first[name][0]) for name in ("tau", "tau_mem", "tau_syn") if name in first}
    for name, tau in taus.items():
        if tau < dt * (1 - 1e-6):
            raise ValueError(
                f"{name} of {chain[0].neurons!r} is {tau:.3g} s, shorter than dt = {dt:.3g} s: "
                f"expected at least dt. {_other_dt(tau)}"
            )
    decays = [_decay(dt, tau) for tau in taus.values()]
    steps = num_steps + len(chain) - 1
    planes = chain[0].synapse.pre_shape
    return DesireConfig(
        _sizes(chain),
        layers=[str(layer.synapse) for layer in chain],
        input_shape=planes if len(planes) == 3 else (),
        num_steps=steps,
        decay=decays[0],
        synapse_decay=decays[1] if len(decays) > 1 else 0.0,
        threshold=float(first["v_threshold"][0]),
        error_margin=min(4, steps - 1),
        reset=reset or "zero",
    )


def _sizes(chain: list[Layer]) -> tuple[int, ...]:
    return (chain[0].synapse.num_pre, *(layer.synapse.num_post for layer in chain))


def _other_dt(tau: float) -> str:
    """Suggest the dt that is likely to be meant."""
    if tau < _NORSE_DT * (1 - 1e-6):
        return f"Pass dt of at most {tau:.3g}"
    return (
        f"If Norse 1.1.0 wrote the graph, which writes tau times its dt, pass dt = {_NORSE_DT:g}, "
        f"the square of its default, or that of the one it was given; else dt of at most {tau:.3g}"
    )


def _decay(dt: float, tau: float) -> float:
    """Return 1 − dt/τ, or the shortest number of which τ, in float32, says the same."""
    decay = max(1 - dt / tau, 0.0)
    for digits in range(1, 12):
        short = round(decay, digits)
        if short < 1 and abs(dt / (1 - short) - tau) <= _ROUNDING * tau:
            return short
    return decay


def _check_against(config: DesireConfig, wanted: dict[str, float], chain: list[Layer]) -> None:
    """Refuse a graph whose neurons differ from each other, or from its configuration."""
    if _sizes(chain) != config.neurons:
        raise ValueError(f"the graph's layers are {_sizes(chain)}: expected {config.neurons}")
    for layer, synapse in zip(chain, config.synapses, strict=True):
        if layer.synapse != as_dense(synapse):
            raise ValueError(
                f"{layer.synapses!r} is {layer.synapse} behind {layer.synapse.pre_shape}: expected "
                f"{synapse} behind {synapse.pre_shape}, as in its configuration"
            )
    for layer in chain:
        for field, value in wanted.items():
            if field not in layer.parameters:
                raise ValueError(
                    f"{layer.neurons!r} has no {field}: expected LIF in all layers, or CubaLIF in "
                    "all"
                )
            given = layer.parameters[field]
            wrong = np.abs(given - value) > 1e-5 * abs(value)
            if wrong.any():
                raise ValueError(
                    f"{field} of {layer.neurons!r} holds {given[wrong][0]:.6g}: expected "
                    f"{value:.6g} in all neurons of all layers"
                )


def _weights(layer: Layer, synapse: Synapse, config: DesireConfig, dialect: Dialect | None) -> Any:
    """Return W = W_nir · R · (1 − β), of a CubaLIF · w_in · (1 − α), its rounding undone."""
    table = layer.weight.reshape(len(layer.weight), -1)
    gain: Any = 1.0
    for name, decay in (("r", config.decay), ("w_in", config.synapse_decay)):
        if name not in layer.parameters:
            continue
        given = layer.parameters[name]
        factor = given.reshape(min(len(given), len(table)), -1) * (1 - decay)  # a row a map
        as_they_are = name == "r" and dialect is not None and not dialect.scales_weights
        factor[as_they_are | (np.abs(factor - 1) < _ROUNDING)] = 1  # τ/dt, but for rounding
        if (factor != factor[:, :1]).any():
            raise ValueError(
                f"{name} of {layer.neurons!r} differs within a map of neurons: expected one number "
                "a map"
            )
        gain = gain * factor
    with np.errstate(over="ignore"):
        weights = unscaled(table, gain[:, :1]).reshape(synapse.weight_shape)
    residual = layer.metadata.get(RESIDUAL)
    if residual is None:
        return weights
    residual = np.asarray(residual)
    if residual.shape != weights.shape or residual.dtype != np.float32:
        raise ValueError(
            f"{RESIDUAL} of {layer.synapses!r} is {residual.dtype} {residual.shape}: expected "
            f"float32 {weights.shape}"
        )
    if (np.abs(residual) > 1e-6 * np.abs(weights) + 1e-37).any():
        raise ValueError(
            f"{RESIDUAL} of {layer.synapses!r} exceeds the rounding of the weights: the file was "
            "changed"
        )
    return weights + residual
