from __future__ import annotations

import pytest

from lava_desire import DesireConfig
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, fit


@pytest.fixture(scope="session")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="session")
def trained(digits):
    """A small network that has learned something."""
    config = DesireConfig((64, 30, 20, 10), learning_rate=3e-4, batch_size=16, epochs=3, seed=5)
    network = DesireNetwork(config)
    fit(network, digits.train, digits.test)
    return network
