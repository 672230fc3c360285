"""NumPy's global generator, a copy for each model that draws from it.

Lava forks its processes, and each child goes on with a copy of the state that NumPy's global
generator had in the parent. Models in one operating-system process share one generator; so that
their streams are those of the forked ones, to the bit, each is given its own state while it runs,
and the bit generator that it has put in place, if any.
Which models draw is seen by their having drawn: the others cost a comparison a call.
"""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_MIXED = (
    "two networks run at once in this process, and a model draws from numpy.random: their numbers "
    "depend on who draws first; run one after the other, or forked: install('processes')"
)

_lock = threading.Lock()
_num_inside = 0
_programs: Any = None
"""The program's generator, its state, and what tells whether that has changed."""


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
        """Use the network's first random state inside, and restore the program's afterwards."""
        global _num_inside, _programs
        with _lock:
            if _num_inside == 0:
                present = np.random.get_bit_generator()
                if present is self._bits and not self.has_drawn():
                    # The program has not drawn since the network was built.
                    _programs = present, self._state, self.has_drawn
                else:
                    _programs = present, np.random.get_state(legacy=False), lambda: True
                    self._put()
            else:
                self._put()
            _num_inside += 1
        try:
            yield
        finally:
            with _lock:
                _num_inside -= 1
                if _num_inside == 0:
                    present, state, has_changed = _programs
                    _programs = None
                    if np.random.get_bit_generator() is not present:  # a model may have set its own
                        np.random.set_bit_generator(present)
                    if has_changed():
                        np.random.set_state(state)

    def _put(self) -> None:
        _put(self._bits, self._state)

    def take(self, model: Any) -> None:
        """Store the random state of a model that has drawn, and restore the first state."""
        if _num_inside > 1:
            warnings.warn(_MIXED, RuntimeWarning, stacklevel=2)
        model.random_state = np.random.get_bit_generator(), np.random.get_state(legacy=False)
        self._put()

    def give(self, model: Any) -> None:
        """Restore the generator and state of a model that has drawn before."""
        _put(*model.random_state)

    def _tell_tale(self) -> Callable[[], bool]:
        """Return a function that tells whether the state is another than the first."""
        first: Any = self._state["state"]
        bits, random = self._bits, np.random.get_state.__self__  # type: ignore[attr-defined]
        # One number of a pair of Gaussian ones that is kept would be drawn without a trace.
        if self._state["bit_generator"] == "MT19937" and not self._state["has_gauss"]:
            # The state is its keys and the position among them, in this order, at one address.
            address = bits.ctypes.state_address
            words = np.append(first["key"], first["pos"]).astype(np.uint32)
            if ctypes.string_at(address, words.nbytes) == words.tobytes():
                # Whatever is drawn moves the position on or makes all keys anew, and so does a
                # seed: the position, the key before it and the first two are looked at.
                head = ctypes.c_uint64.from_address(address)
                tail = ctypes.c_uint64.from_address(address + words.nbytes - 8)
                first_head, first_tail = head.value, tail.value
                return lambda: (
                    tail.value != first_tail
                    or head.value != first_head
                    or random._bit_generator is not bits
                )
        text = repr(self._state)
        return lambda: (
            random._bit_generator is not bits or repr(np.random.get_state(legacy=False)) != text
        )


def _put(bits: Any, state: Any) -> None:
    if np.random.get_bit_generator() is not bits:
        np.random.set_bit_generator(bits)
    np.random.set_state(state)
