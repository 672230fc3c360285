"""Vars that check values before they are sent to a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.lava_runtime.errors import describe
from lava_desire.lava_runtime.variables import as_numbers
from lava_desire.model.integers import IntegerRule, LayerFormat

MOST = 2**62
"""What a counter may be set to, at most; it counts on from there."""

Check = Callable[["CheckedVar", Any], None]


class CheckedVar(Var):
    """A Var with a check of the values that it may be set to.

    `check` gets the Var and an array of numbers, and raises ValueError.
    """

    def __init__(self, shape: tuple[int, ...], init: Any, check: Check) -> None:
        super().__init__(shape=shape, init=init)
        self._check = check

    def set(self, value: Any, idx: Any = None) -> None:
        """Set the Var.

        Raises ValueError if these are no numbers, or the process could not go on with them; it
        keeps what it has.
        """
        values = as_numbers(f"{self.name} of {describe(self.process)}", value)
        # The Var of a part that this one stands for has a check of its own.
        if self.aliased_var is None:
            try:
                self._check(self, values)
            except ValueError as error:
                raise ValueError(f"{self.name} of {describe(self.process)}: {error}") from None
        super().set(value, idx)

    def runs_in_fixed_point(self) -> bool:
        """Return whether the model behind the Var computes in integers."""
        model = self.process.model_class
        return model is not None and "fixed_pt" in model.tags


class SharedVar(CheckedVar):
    """A Var of a network that stands for the Vars of that name of several of its parts."""

    def share(self, parts: Sequence[Var]) -> None:
        """Be read from the first of the parts' Vars, set all of them, and give them its value."""
        for part in parts:
            part.init = self.init
        self.alias(parts[0])
        self._others = parts[1:]

    def set(self, value: Any, idx: Any = None) -> None:
        """Set the Var, or those that it stands for."""
        super().set(value, idx)
        for other in getattr(self, "_others", ()):
            other.set(value, idx)


def within(lowest: float, highest: float) -> Check:
    """Return a check for numbers in a closed range."""

    def check(_: CheckedVar, values: Any) -> None:
        wrong = ~((values >= lowest) & (values <= highest))  # written so that NaN is outside
        if wrong.any():
            raise ValueError(
                f"it was set to {values[wrong][0]}: expected numbers in [{lowest}, {highest}]"
            )

    return check


A_COUNT = within(0, MOST)
"""A check for numbers that something is counted with."""

A_SHARE = within(0, 1)
"""A check for rates in spikes a time step, and for switches."""

TERNARY = within(-1, 1)
"""A check for desires."""


def finite(in_fixed_point: tuple[int, int] | None = None) -> Check:
    """Return a check for finite numbers, or for a range of integers in fixed point."""

    def check(var: CheckedVar, values: Any) -> None:
        if in_fixed_point is not None and var.runs_in_fixed_point():
            within(*in_fixed_point)(var, values)
        elif not np.isfinite(values).all():
            raise ValueError("it was set to NaN or infinity: expected finite values")

    return check


def weights_of(config: DesireConfig, layer: int, formats: Sequence[LayerFormat] | None) -> Check:
    """Return a check for the weights of a connection, mantissas in fixed point."""

    def check(var: CheckedVar, values: Any) -> None:
        if var.runs_in_fixed_point():
            form = IntegerRule(config, formats).format_of(layer)
            within(form.lowest, form.highest)(var, values)
        else:
            finite()(var, values)

    return check


def a_learning_rate(config: DesireConfig, formats: Sequence[LayerFormat] | None) -> Check:
    """Return a check for what the configuration takes as a learning rate."""

    def check(var: CheckedVar, values: Any) -> None:
        for value in values.flat:
            config.replace(learning_rate=float(value))
            if var.runs_in_fixed_point():
                rule = IntegerRule(config, formats)
                for layer in range(1, config.num_layers + 1):
                    rule.check_rate(layer, float(value))

    return check
