"""One neuron in plain Python, on numbers that count operations: Table 3.

Spikes and desires are conditions here, not factors, as the paper counts them. The tests hold the
three functions of the rule to :mod:`lava_desire.rule`, to the bit, so that what is counted is the
algorithm. Changes of sign, of precision, and the magnitude of a number are bit operations and count
as nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Tally:
    """Multiplications, additions (and subtractions) and conditions counted so far."""

    multiplications: int = 0
    additions: int = 0
    conditions: int = 0

    def reset(self) -> tuple[int, int, int]:
        """Return the three counts and set them to 0."""
        counts = (self.multiplications, self.additions, self.conditions)
        self.multiplications = self.additions = self.conditions = 0
        return counts


class Counted:
    """A number that tallies the operations it takes part in.

    `value` is a NumPy scalar, and operations are done in its precision.
    """

    __slots__ = ("_tally", "value")

    def __init__(self, value: Any, tally: Tally) -> None:
        self.value, self._tally = value, tally

    def __mul__(self, other: Counted) -> Counted:
        self._tally.multiplications += 1
        return Counted(self.value * other.value, self._tally)

    def __add__(self, other: Counted) -> Counted:
        self._tally.additions += 1
        return Counted(self.value + other.value, self._tally)

    def __sub__(self, other: Counted) -> Counted:
        self._tally.additions += 1
        return Counted(self.value - other.value, self._tally)

    def __ge__(self, other: Counted) -> bool:
        self._tally.conditions += 1
        return bool(self.value >= other.value)

    def __gt__(self, other: Counted) -> bool:
        self._tally.conditions += 1
        return bool(self.value > other.value)

    def __bool__(self) -> bool:
        self._tally.conditions += 1
        return bool(self.value)

    def __neg__(self) -> Counted:
        return Counted(-self.value, self._tally)

    def __abs__(self) -> Counted:
        return Counted(abs(self.value), self._tally)

    def single(self) -> Counted:
        """Return the number rounded to float32."""
        return Counted(np.float32(self.value), self._tally)

    def double(self) -> Counted:
        """Return the number widened to float64."""
        return Counted(np.float64(self.value), self._tally)


@dataclass(frozen=True)
class Constants:
    """The numbers of the rule, counted like all others."""

    zero: Counted
    one: Counted
    decay: Counted
    threshold: Counted
    desire_threshold: Counted
    learning_rate: Counted


def spiking_forward(
    weights: Sequence[Counted], spikes: Sequence[Sequence[Counted]], constants: Constants
) -> list[Counted]:
    """Run a leaky integrate-and-fire neuron on T steps of I input spikes (Eq. 1).

    Returns its train, T numbers 0 or 1.
    """
    potential, train = constants.zero, []
    for step in spikes:
        current = constants.zero.double()
        for weight, spike in zip(weights, step, strict=True):
            if spike:
                current = current + weight.double()
        potential = constants.decay * potential + current.single()
        if potential >= constants.threshold:
            potential = potential - constants.threshold
            train.append(constants.one)
        else:
            train.append(constants.zero)
    return train


def spiking_backward(
    weights: Sequence[Counted],
    desires: Sequence[Counted],
    rates: Sequence[Counted],
    constants: Constants,
) -> int:
    """Derive a hidden neuron's desire from the O neurons behind it (Eq. 13 to 15).

    Those that want to fall silent are as wrong as they spike, those that want to spike as wrong as
    their rate is from 1, and the indifferent are left out (Eq. 14).
    """
    total = constants.zero.double()
    for weight, desire, rate in zip(weights, desires, rates, strict=True):
        if not desire:
            continue
        wants_more = desire > constants.zero
        error = abs(constants.one - rate) if wants_more else -rate
        total = total + weight.double() * error.double()
    z = total.single()
    if z > constants.desire_threshold:
        return 1
    return -1 if -constants.desire_threshold > z else 0


def spiking_update(
    weight: Counted,
    desire: Counted,
    train: Sequence[Counted],
    traces: Sequence[Counted],
    constants: Constants,
) -> Counted:
    """Change one weight for a sample: d·η·Σ s[t]·r[t] (Eq. 4).

    The traces r of the input are given: they are shared by all neurons that it reaches, and cost
    a multiplication and an addition a time step (Eq. 3).
    """
    if not desire:
        return weight
    pairings = constants.zero.double()
    for spike, trace in zip(train, traces, strict=True):
        if spike:
            pairings = pairings + trace
    change = (constants.learning_rate * pairings).single()
    return weight + change if desire > constants.zero else weight - change


def classical_forward(
    weights: Sequence[Counted], inputs: Sequence[Counted], zero: Counted
) -> Counted:
    """Compute the weighted sum of an artificial neuron's I inputs."""
    total = zero
    for weight, value in zip(weights, inputs, strict=True):
        total = total + weight * value
    return total


def classical_backward(
    weights: Sequence[Counted], errors: Sequence[Counted], slopes: Sequence[Counted], zero: Counted
) -> Counted:
    """Backpropagate the errors of the O artificial neurons behind, each through its slope."""
    total = zero
    for weight, error, slope in zip(weights, errors, slopes, strict=True):
        total = total + weight * (error * slope)
    return total


def classical_update(
    weight: Counted, error: Counted, value: Counted, learning_rate: Counted
) -> Counted:
    """Change one weight by the product of learning rate, error and input."""
    return weight - learning_rate * (error * value)
