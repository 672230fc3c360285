"""A network as a torch module spikes as the engine does, in floating point and in integers."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork, load_dataset
from lava_desire.deploy import neurobench, neurobench_report, quantize, to_torch
from lava_desire.deploy.neurobench import _STATIC as STATIC
from lava_desire.deploy.neurobench import _WORKLOAD as WORKLOAD

DIGITS = load_dataset("digits")
SOME = DIGITS.train_images[:100], DIGITS.train_labels[:100]
DENSE = DesireConfig((64, 30, 20, 10), num_steps=12)
CONV = DesireConfig(
    layers=[Conv2d(4, 3, stride=2, padding=1), Conv2d(6, 3), Dense(10)], input_shape=(1, 8, 8)
)


def loud(config):
    """Return a network whose layers all spike."""
    network = DesireNetwork(config)
    for weights in network.weights:
        weights.mul_(3).add_(0.02)
    return network


@pytest.mark.parametrize("config", [DENSE, CONV], ids=["dense", "convolutions"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("form", ["float", "integers", "integers of the engine"])
def test_output_spikes_are_those_of_the_network_to_the_bit(config, reset, form):
    network = loud(config.replace(reset=reset))
    if form != "float":
        network = quantize(network, SOME, weight_bits=6).network
    images = DIGITS.test_images[:30]
    wanted = network.forward(images).spikes[-1]
    if form == "integers":
        from lava_desire.deploy.integer_network import as_integers

        network = as_integers(network)
        assert torch.equal(torch.from_numpy(network.spikes(network.encode(images))[-1]), wanted)
    module = to_torch(network)
    given = module(module.encode(images))
    assert wanted.any()
    assert torch.equal(given.bool(), wanted)


def test_filtered_images_and_currents_give_the_spikes_of_the_network():
    network = loud(DENSE.replace(synapse_decay=0.5, image_brightness=0.3, tie_break="earliest"))
    images = DIGITS.test_images[:30]
    module = to_torch(network)
    wanted = network.forward(images).spikes[-1]
    assert wanted.any()
    assert torch.equal(module(module.encode(images)).bool(), wanted)
    assert torch.equal(module.predict(images), network.predict(images))


def test_integers_need_no_formats_but_their_own():
    """An encoder was made with formats chosen anew, which weights as bounded as these have not."""
    from lava_desire.deploy.integer_network import IntegerNetwork

    config, images = DENSE.replace(weight_limit=1e-6), DIGITS.test_images[:5]
    with pytest.raises(ValueError, match="weight_limit is 1e-06: expected more"):
        DesireNetwork(config, arithmetic="fixed_point")
    weights = [np.full(each.weight_shape, 3, np.int8) for each in config.synapses]
    network = IntegerNetwork(config, weights, [9] * config.num_layers, encodes_integers=True)
    spikes = to_torch(network).encode(images)
    assert spikes.any()
    assert spikes.numpy().tolist() == network.encode(images).tolist()


def test_weights_are_parameters_of_their_own_width():
    network = loud(DENSE)
    integers = quantize(network, SOME).network
    floats, bytes_ = to_torch(network), to_torch(integers)
    assert {each.dtype for each in floats.parameters()} == {torch.float32}
    assert {each.dtype for each in bytes_.parameters()} == {torch.int8}
    network.weights[0].zero_()
    assert floats.linear_1.weight.any()  # a copy
    assert "threshold=1" in str(floats)


def test_spikes_of_another_shape_are_refused():
    module = to_torch(DesireNetwork(DENSE))
    with pytest.raises(ValueError, match=r"spikes have shape \(12, 5, 63\): expected \(T, B, 64\)"):
        module(torch.zeros(12, 5, 63))


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="network is a ndarray: expected a DesireNetwork or an"):
        to_torch(np.zeros(3))


def test_neurobench_is_given_so_many_samples_at_a_time(monkeypatch):
    class Benchmark:
        def __init__(self, model, loader, *others):
            self.loader = loader

        def run(self):
            return [len(labels) for _, labels in self.loader]

    modules = SimpleNamespace(Benchmark=Benchmark, **dict.fromkeys(STATIC + WORKLOAD))
    monkeypatch.setattr(neurobench, "_neurobench", lambda _: modules)
    monkeypatch.setattr(neurobench, "to_neurobench", to_torch)
    for size, batches in ((np.int64(60), [60, 40]), (sys.maxsize, [100])):
        assert neurobench_report(DesireNetwork(DENSE), SOME, size) == batches


def test_neurobench_says_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "neurobench", None)
    with pytest.raises(ImportError, match=r"is not installed; run: pip install neurobench==2\.3"):
        neurobench_report(DesireNetwork(DENSE), DIGITS)
