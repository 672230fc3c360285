"""A learning-rate finder: short runs at rates from low to high, each from the same weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lava_desire.config import DesireConfig
from lava_desire.data import DataWarning
from lava_desire.errors import NotFiniteError
from lava_desire.model.fields import MAX_INTEGER, checked_integer, number
from lava_desire.network import DesireNetwork
from lava_desire.training.loop import TrainingRun
from lava_desire.training.samples import split_off

_HELD_OUT = 0.2


@dataclass(frozen=True)
class TriedRate:
    """What a learning rate came to in a short run.

    Parameters
    ----------
    learning_rate : float
        η, the same in all of its minibatches.
    accuracy : float
        In [0, 1], on samples that were not learned; 0 where weights grew beyond all bounds.
    loss : float
        Mean of Eq. 6 over these; infinite there.
    rates : list of float
        Mean firing rate of each layer, 1 to L, in spikes a time step; empty there.
    """

    learning_rate: float
    accuracy: float
    loss: float
    rates: list[float]


@dataclass(frozen=True)
class RateSearch:
    """Learning rates that were tried, from low to high.

    Parameters
    ----------
    tried : list of TriedRate
        One a rate.
    """

    tried: list[TriedRate]

    @property
    def best(self) -> TriedRate:
        """The highest accuracy, of equal ones that with the lowest loss."""
        return max(self.tried, key=lambda each: (each.accuracy, -each.loss))

    @property
    def is_inside(self) -> bool:
        """Whether the best rate is neither the lowest nor the highest that was tried."""
        return self.best not in (self.tried[0], self.tried[-1])


def find_learning_rate(
    config: DesireConfig,
    train: Any,
    *,
    lowest: float = 1e-6,
    highest: float = 1e-2,
    count: int = 9,
    samples: int = 2000,
    epochs: int = 1,
    on_tried: Callable[[TriedRate], None] | None = None,
    **options: Any,
) -> RateSearch:
    """Try learning rates in short runs, each from the weights that the config's seed draws.

    What a short run does best with need not be what a long one does: take it as where a sweep
    begins, and not as its result.

    Parameters
    ----------
    config : DesireConfig
        Of the network; its `epochs`, and learning rate with decay and schedule, do not count.
    train : tuple, Dataset, mapping, torch Dataset or DataLoader, SpikeSource
        As of :func:`~lava_desire.engine.fit`; a fifth of it, at most `samples` / 4, is not learned
        but classified. Test samples are not looked at.
    lowest, highest : float
        0 < lowest < highest; rates between them are as far from each other in their logarithm.
    count : int
        How many rates, at least 2.
    samples : int
        Learned at most, at least 1, drawn class by class.
    epochs : int
        How often, at least 1.
    on_tried : callable, optional
        Called with a :class:`TriedRate` when it is done.
    **options : object
        Of :class:`~lava_desire.engine.DesireNetwork`, as ``device``.

    Returns
    -------
    RateSearch

    Raises
    ------
    ValueError
        If a value is out of its range, or the data do not fit the network.

    Examples
    --------
    >>> from lava_desire import DesireConfig, load_dataset
    >>> from lava_desire.engine import find_learning_rate
    >>> config = DesireConfig((64, 40, 10), batch_size=16)
    >>> found = find_learning_rate(config, load_dataset("digits"), count=5)
    >>> [f"{each.learning_rate:.0e}" for each in found.tried], found.is_inside
    (['1e-06', '1e-05', '1e-04', '1e-03', '1e-02'], True)
    """
    bounds = [
        float(number(name, value, "above 0"))
        for name, value in (("lowest", lowest), ("highest", highest))
    ]
    if not 0 < bounds[0] < bounds[1] < math.inf:
        raise ValueError(f"lowest is {lowest}, highest {highest}: expected 0 < lowest < highest")
    count, samples = checked_integer("count", count, 2), checked_integer("samples", samples, 1)
    epochs = checked_integer("epochs", epochs, 1, MAX_INTEGER)

    def network(rate: float) -> DesireNetwork:
        short = config.replace(
            learning_rate=rate,
            learning_rate_decay=0.0,
            learning_rate_schedule="exponential",
            epochs=epochs,
        )
        return DesireNetwork(short, **options)

    for name, rate in zip(("lowest", "highest"), bounds, strict=True):
        try:  # before any of them learns
            network(rate).check_trainable()
        except ValueError as error:
            said = str(error).replace("learning_rate is", f"{name} is", 1)
            raise ValueError(said.replace("expected 0, or", "expected")) from None
    step = (bounds[1] / bounds[0]) ** (1 / (count - 1))
    tried = []
    for index in range(count):
        tried.append(_try(network(bounds[0] * step**index), train, samples))
        if on_tried is not None:
            on_tried(tried[-1])
    return RateSearch(tried)


def _try(network: DesireNetwork, train: Any, samples: int) -> TriedRate:
    rate, seed = network.config.learning_rate, network.config.seed
    run = TrainingRun(network, train, None, None, _HELD_OUT)
    run.test = None
    most = {"train": samples, "validation": max(samples // 4, 1)}
    for name, size in most.items():
        checked = getattr(run, name)
        if len(checked[1]) > size:
            _, part = split_off(checked, size / len(checked[1]), seed)
            setattr(run, name, part)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # silence is what a low rate may come to
            history = run.carry_out()
    except NotFiniteError:
        return TriedRate(rate, 0.0, math.inf, [])
    last = history.last
    assert last is not None
    return TriedRate(rate, last.accuracy or 0.0, last.validation_loss or 0.0, last.rates or [])
