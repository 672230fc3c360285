"""NumPy's global generator, a copy for each model that draws from it.

Lava forks its processes, and each child goes on with a copy of the state that NumPy's global
generator had in the parent. Models in one operating-system process share one generator; so that
their streams are those of the forked ones, to the bit, each is given its own state while it runs.
Which models draw is seen by their having drawn: the others cost two comparisons a call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_KEYS_OF_MT19937 = 624


class Generators:
    """The states of NumPy's global generator in a network.

    The state at construction is what every model begins with.
    """

    def __init__(self) -> None:
        self._state = np.random.get_state(legacy=False)
        self._bits = np.random.get_bit_generator()
        self.has_drawn = self._tell_tale()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have the network's first state in place, and the program's again afterwards."""
        present = np.random.get_bit_generator()
        if present is self._bits and not self.has_drawn():
            # The program has not drawn since the network was built.
            try:
                yield
            finally:
                if self.has_drawn():
                    np.random.set_state(self._state)
            return
        state = np.random.get_state(legacy=False)
        np.random.set_bit_generator(self._bits)
        np.random.set_state(self._state)
        try:
            yield
        finally:
            np.random.set_bit_generator(present)
            np.random.set_state(state)

    def take(self, model: Any) -> None:
        """Let a model that has drawn keep what state it has, and put the first state back."""
        model.random_state = np.random.get_state(legacy=False)
        np.random.set_state(self._state)

    def give(self, model: Any) -> None:
        """Put the state of a model in place that has drawn before."""
        np.random.set_state(model.random_state)

    def _tell_tale(self) -> Callable[[], bool]:
        """Return a function that tells whether the state is another than the first."""
        first: Any = self._state["state"]
        # One number of a pair of Gaussian ones that is kept would be drawn without a trace.
        if self._state["bit_generator"] == "MT19937" and not self._state["has_gauss"]:
            # The state is its keys and the position among them, in this order, at one address.
            address = self._bits.ctypes.state_address
            keys = (ctypes.c_uint32 * _KEYS_OF_MT19937).from_address(address)
            position = ctypes.c_int.from_address(address + ctypes.sizeof(keys))
            first_key, first_position = int(first["key"][0]), int(first["pos"])
            if (keys[0], position.value) == (first_key, first_position):
                key = ctypes.c_uint32.from_address(address)

                def has_drawn() -> bool:
                    return position.value != first_position or key.value != first_key

                return has_drawn
        text = repr(self._state)
        return lambda: repr(np.random.get_state(legacy=False)) != text
