"""The compiled convolutions are the equations' to the bit, whatever the geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lava_desire import Conv2d, Dense, DesireConfig, DesireNetwork
from lava_desire.errors import NotFiniteError

TERMS = {"trace_baseline": 0.5, "rate_floor": 0.3, "weight_limit": 0.9, "threshold": 0.4}
CASES = {
    "strides, uncovered rows": ((1, 10, 9), [Conv2d(16, 4, stride=3), Conv2d(5, 2)], {}),
    "padding": ((2, 6, 7), [Conv2d(9, 3, padding=2), Conv2d(4, 3, stride=2, padding=1)], {}),
    "not square": ((3, 8, 6), [Conv2d(7, (2, 5), (2, 1), (1, 3)), Conv2d(4, (3, 1), (1, 2))], {}),
    "one position": ((1, 5, 5), [Conv2d(6, (5, 4), (4, 2)), Conv2d(8, 1)], {}),
    "stride above the kernel": ((2, 9, 9), [Conv2d(8, 2, stride=3), Conv2d(3, 1, stride=2)], {}),
    "64 steps": ((1, 7, 7), [Conv2d(8, 3, stride=2), Conv2d(4, 2)], {"num_steps": 64}),
    "rounded traces": ((1, 7, 7), [Conv2d(8, 3, stride=2), Conv2d(4, 2)], {"decay": 0.9}),
    "filtered": ((1, 7, 7), [Conv2d(8, 3, stride=2), Conv2d(4, 2)], {"synapse_decay": 0.6}),
    "reset to zero": ((1, 7, 7), [Conv2d(8, 3, stride=2), Conv2d(4, 2)], {"reset": "zero"}),
    "terms": ((2, 7, 7), [Conv2d(8, 3, stride=2), Conv2d(4, 2, padding=1)], TERMS),
}


def network_of(name: str, kernels: str) -> DesireNetwork:
    shape, layers, options = CASES[name]
    fields = {"num_steps": 16, "threshold": 0.7, "dropout_input": 0.1, "dropout_conv": 0.2}
    thresholds = {"desire_threshold_conv": 0.02, "desire_threshold_hidden": 0.02}
    config = DesireConfig(
        layers=[*layers, Dense(3)], input_shape=shape, **(fields | thresholds | options)
    )
    weights = [3 * array for array in DesireNetwork(config).numpy_weights()]  # so that they spike
    return DesireNetwork(config, weights=weights, kernels=kernels)


def same(ones, others) -> None:
    for one, other in zip(ones, others, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", CASES)
def test_compiled_convolutions_spike_desire_and_learn_as_the_equations_do(name):
    networks = [network_of(name, kernels) for kernels in ("torch", "compiled")]
    before = [weights.clone() for weights in networks[0].weights]
    draw = np.random.default_rng(5)
    for num_samples in (5, 1, 11):
        images = draw.integers(0, 256, (num_samples, np.prod(CASES[name][0]))).astype(np.uint8)
        labels = draw.integers(0, 3, num_samples)
        steps = [network.train_step(images, labels, 0.02) for network in networks]
        same(*(step.activity.spikes for step in steps))
        same(*(step.desires for step in steps))
        same(*(network.weights for network in networks))
        same(*([network.predict(images)] for network in networks))
    assert all(spikes.any() for spikes in steps[0].activity.spikes)
    for old, new in zip(before, networks[0].weights, strict=True):
        assert not torch.equal(old, new)


def test_weights_that_cancel_leave_nothing_in_any_order():
    """Potentials are 0 then, the end of the band, whatever the gain of dropout is."""
    config = DesireConfig(
        layers=[Conv2d(8, 3, stride=2), Conv2d(8, 3), Dense(3)],
        input_shape=(1, 11, 11),
        decay=0.0,
        dropout_input=0.3,
        dropout_conv=0.3,
        eligibility_width=1.0,
    )
    draw = np.random.default_rng(8)
    weights = [draw.integers(-3, 4, array.shape) / 8 for array in DesireNetwork(config).weights]
    images = draw.integers(0, 256, (16, 121)).astype(np.uint8)
    found = []
    for kernels in ("torch", "compiled"):
        network = DesireNetwork(config, weights=weights, kernels=kernels)
        step = network.train_step(images, np.zeros(16, np.int64), 0.02)
        found.append([network.backend.counts(steps) for steps in step.activity.eligible])
    same(*found)
    assert found[0][1].any()


def test_no_result_of_a_convolution_depends_on_threads():
    networks = [network_of("rounded traces", "compiled") for _ in range(2)]
    draw = np.random.default_rng(6)
    images, labels = draw.integers(0, 256, (23, 49)).astype(np.uint8), draw.integers(0, 3, 23)
    before = torch.get_num_threads()
    try:
        for num_threads, network in zip((1, 3), networks, strict=True):
            torch.set_num_threads(num_threads)
            network.train_step(images, labels, 0.02)
    finally:
        torch.set_num_threads(before)
    same(*(network.weights for network in networks))


def test_weights_that_overflow_are_noticed():
    network = network_of("one position", "compiled")
    network.weights[0].fill_(3e38)
    with pytest.raises(NotFiniteError, match="weights of layer 1 reach"):
        network.predict(np.full((2, 25), 255, np.uint8))
