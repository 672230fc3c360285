"""Networks as HDF5 files for lava-dl's ``netx``, which builds Lava processes from them.

``lava.lib.dl.netx.hdf5.Network`` turns such a file into ``Dense`` and ``Conv`` connections and
``LIF`` neurons, ``LIFReset`` where it is given a ``reset_interval``. Its weights are integers, its
neurons reset to zero, and it knows no exponent: that is all a file can say. Planes are (channel,
row, column) in the file and (x, y, channel) in Lava.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.deploy.integer_network import (
    IntegerNetwork,
    as_integers,
    is_floating,
    scale_to_integers,
)
from lava_desire.deploy.optional import import_optional
from lava_desire.engine import DesireNetwork
from lava_desire.files import replacing
from lava_desire.model.conv2d import Conv2d

_NO_CURRENT_MEMORY = 4096
_SYNAPSE_LIMITS = (-256, 254)


def write_netx(
    network: DesireNetwork | IntegerNetwork,
    path: str | Path,
    convert_reset: bool,
    convert_exponents: bool,
) -> IntegerNetwork:
    """Write a network, and return the integers that stand in the file."""
    h5py = import_optional("h5py")
    if isinstance(network, DesireNetwork) and is_floating(network):
        integers = scale_to_integers(network)
    else:
        integers = as_integers(network)
    if convert_reset:
        config = integers.config.replace(reset="zero")
        integers = dataclasses.replace(integers, config=config)
    layers = range(integers.config.num_layers)
    if convert_exponents:
        integers = integers.without_exponents(
            [layer for layer in layers if not _is_held(integers, layer)]
        )
    weights = [_synapses(integers, layer) for layer in layers]
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        _write(h5py, file, integers, weights)
    return integers


def _is_held(network: IntegerNetwork, index: int) -> bool:
    """Tell whether netx can hold a layer's weights with the exponent multiplied in."""
    exponent, weights = network.weight_exponents[index], network.weights[index]
    low, high = _SYNAPSE_LIMITS
    return exponent == 0 or (
        exponent > 0 and weights.min() << exponent >= low and weights.max() << exponent <= high
    )


def _synapses(network: IntegerNetwork, index: int) -> Any:
    """Return a layer's weights as netx takes them, with the exponent multiplied in."""
    layer, exponent = index + 1, network.weight_exponents[index]
    weights = network.weights[index]
    if not weights.any():
        raise ValueError(f"weights of layer {layer} are all 0, which netx cannot read")
    if not _is_held(network, index):
        low, high = _SYNAPSE_LIMITS
        raise ValueError(
            f"weights of layer {layer} are {weights.min()} to {weights.max()} times 2^{exponent}: "
            f"expected integers in [{low}, {high}], as netx knows no exponent; export with "
            "convert_exponents=True, and measure the accuracy then"
        )
    # An odd weight beyond 8 bits would lose its last bit.
    return (weights << exponent).astype(np.int32)


def _write(h5py: Any, file: Any, network: IntegerNetwork, weights: list[Any]) -> None:
    """Write the layers; planes have an input layer before them, and a flatten layer behind."""
    string = h5py.string_dtype("ascii")

    def add(kind: bytes, **fields: Any) -> Any:
        group = file.create_group(f"layer/{len(file.get('layer', ()))}")
        group.create_dataset("type", (1,), dtype=string, data=np.array([kind]))
        for name, value in fields.items():
            group.create_dataset(name, data=value)
        return group

    planes = False
    for index, (synapse, array) in enumerate(zip(network.config.synapses, weights, strict=True)):
        if isinstance(synapse, Conv2d):
            if not planes:
                add(b"input", shape=np.array(synapse.pre_shape))
            planes, shape = True, synapse.post_shape
            parts = {"stride": synapse.stride, "padding": synapse.padding, "dilation": (1, 1)}
            layer = add(b"conv", shape=np.array(shape), groups=1, **parts)
        else:
            if planes:
                add(b"flatten")
            planes = False
            layer = add(b"dense", shape=np.array([len(array), 1, 1]))
        layer.create_dataset("weight", data=array, compression="gzip")
        neuron = layer.create_group("neuron")
        neuron.create_dataset("type", (1,), dtype=string, data=np.array([b"CUBA"]))
        neuron.create_dataset("iDecay", data=_NO_CURRENT_MEMORY)
        neuron.create_dataset("vDecay", data=network.voltage_decay)
        neuron.create_dataset("vThMant", data=network.thresholds[index])
        neuron.create_dataset("refDelay", data=1)
        neuron.create_dataset("gradedSpike", data=False)
