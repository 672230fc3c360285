"""The Triton kernels of convolutions compute what the torch operations do, to the bit."""

from __future__ import annotations

import pytest
import torch

from lava_desire import DesireNetwork

from .test_integer_convolutions import GEOMETRIES, config_of, data_of
from .test_triton import DEVICE, OPTIONS, AsksNothing, CapturedStep, WeightAverage, to

CASES = {
    "uncovered": {"num_steps": 5},
    "padded": {"num_steps": 3, "dropout_conv": 0.0, "reset": "zero"},
    "oblong": {"num_steps": 3, "decay": 0.9},
    "one position": {"num_steps": 33},
    "stride beyond the kernel": {"num_steps": 5},
}


def both(config, precision="float32"):
    made = [("cpu", "torch"), (DEVICE, "triton")]
    return [DesireNetwork(config, at, precision=precision, kernels=name) for at, name in made]


def assert_same(mine, others) -> None:
    for one, other in zip(mine, others, strict=True):
        assert torch.equal(one.cpu(), other)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_step_is_that_of_the_torch_operations(name):
    config = config_of(name, **CASES[name])
    reference, network = both(config, "bfloat16x2" if name == "padded" else "float32")
    images, labels = (array[:2] for array in data_of(config))
    expected, found = (each.train_step(images, labels, 0.1) for each in (reference, network))
    assert_same(found.spikes, expected.spikes)
    assert_same(found.desires, expected.desires)
    assert found.num_active == expected.num_active
    assert_same(network.weights[:2], reference.weights[:2])
    for layer, before in enumerate(DesireNetwork(config).weights):
        assert expected.spikes[layer + 1].any()
        assert not torch.equal(reference.weights[layer], before)


def test_samples_without_desire_teach_nothing_and_no_samples_are_run():
    config = config_of("uncovered", num_steps=5)
    network, images = both(config)[1], data_of(config)[0]
    layer, weights = network.backend.layers[1], network.weights[1]
    trains, before = network.forward(images[:2]).trains, weights.clone()
    desire = torch.zeros((2, layer.synapse.num_post), dtype=torch.int8, device=DEVICE)
    assert not network.backend.learn(layer, weights, 0.1, desire, None, *trains[1:3]).any()
    assert not network.backend.pass_back(layer, weights, desire, trains[2], None).any()
    assert torch.equal(weights, before)
    assert network.forward(images[:0]).spikes[1].shape == (5, 0, config.neurons[1])


@pytest.mark.parametrize(
    "options", [{}, {**OPTIONS, "weight_average": 0.7}], ids=["paper", "options"]
)
def test_a_captured_step_is_a_training_step_and_asks_for_no_answer(options):
    config = config_of("uncovered", num_steps=6, batch_size=2, **options)
    images, labels = data_of(config)
    reference, network = both(config)
    assert network.backend.captures
    averages = [WeightAverage(each) if options else None for each in (reference, network)]
    step = CapturedStep(network, 2, 2, averages[1])
    step.begin(to(torch.from_numpy(images[:4])), to(torch.from_numpy(labels[:4])), 0.1, 0)
    for first in (0, 2):
        part = slice(first, first + 2)
        reference.train_step(images[part], labels[part], 0.1)
        if averages[0] is not None:
            averages[0].update()
        with AsksNothing():
            step.run()
    assert_same(network.weights, reference.weights)
    if options:
        assert_same(network.input_rates.rates, reference.input_rates.rates)
        for mine, theirs in zip(*(each.network.weights for each in averages), strict=True):
            assert (mine - theirs.to(mine.device)).abs().max() <= 2**-25
