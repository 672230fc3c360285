"""NumPy's global generator, a copy for each model that draws from it.

Lava forks its processes, and each child goes on with a copy of the state that NumPy's global
generator had in the parent. Models in one operating-system process share one generator; so that
their streams are those of the forked ones, to the bit, each is given its own state while it runs,
and the bit generator that it has put in place, if any.
Which models draw is seen by their having drawn: the others cost a comparison a call. Networks that
run at once, each in a thread, take turns for that, of whole time steps.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_MOST_SECONDS = 10.0
"""How long a network waits for its turn: the one that has it may wait for this one."""

_MIXED = (
    "two networks run at once in this process, a step of one kept the other waiting for "
    f"{_MOST_SECONDS:g} s, and a model draws from numpy.random: as they do not wait any more, the "
    "numbers depend on who draws first; run one after the other, or forked: install('processes')"
)


class _Turns:
    """Whose turn it is to use NumPy's global generator, first come first served."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.queue: deque[object] = deque()
        self.holder: int | None = None
        """A thread."""
        self.number = 0
        """Of networks that have a turn: one, until they wait no more."""
        self.are_over = False
        self.programs: Any = None

    def take(self) -> None:
        ticket = object()
        with self.changed:
            self.queue.append(ticket)
            try:
                self.are_over |= not self.changed.wait_for(
                    lambda: self.are_over or (not self.number and self.queue[0] is ticket),
                    _MOST_SECONDS,
                )
            finally:
                self.queue.remove(ticket)
                self.changed.notify_all()
            self.holder = threading.get_ident()
            self.number += 1

    def end(self) -> None:
        with self.changed:
            self.number -= 1
            self.holder = None
            self.are_over &= self.number > 0
            self.changed.notify_all()


_turns = _Turns()


def _begin_child() -> None:
    global _turns
    _turns = _Turns()  # the threads of the parent's are not in a forked process


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_child)


class Generators:
    """The states of NumPy's global generator in a network.

    The state at construction is what every model begins with.
    """

    def __init__(self) -> None:
        self._state = np.random.get_state(legacy=False)
        self._bits = np.random.get_bit_generator()
        self.has_drawn = self._tell_tale()
        self._has_turn = False
        self._began = 0.0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Use the network's first random state inside, and restore what was there afterwards.

        A network that runs in another thread ends its time step first.
        """
        if _turns.holder == threading.get_ident():  # a model of another network runs this one
            before = self._enter()
            try:
                yield
            finally:
                _restore(*before)
            return
        self._take_turn()
        try:
            yield
        finally:
            self._end_turn()

    def let_others(self, wait: Callable[[], Any] | None = None) -> None:
        """Let networks that wait have their turn, between two steps, or while this one waits."""
        if wait is None and (
            not _turns.queue or time.perf_counter() - self._began < sys.getswitchinterval()
        ):
            return
        was_mine = self._has_turn
        if was_mine:
            self._end_turn()
        if wait is not None:
            wait()
        if was_mine:
            self._take_turn()

    def _take_turn(self) -> None:
        _turns.take()
        self._has_turn = True
        self._began = time.perf_counter()
        before = self._enter()
        if _turns.number == 1:
            _turns.programs = before

    def _end_turn(self) -> None:
        if not self._has_turn:  # it was interrupted when it waited for another one
            return
        self._has_turn = False
        if _turns.number == 1:
            _restore(*_turns.programs)
        _turns.end()

    def _enter(self) -> tuple[Any, Any, Callable[[], bool]]:
        """Put the network's first state in place; return what was there, and if it has changed."""
        present = np.random.get_bit_generator()
        if present is self._bits and not self.has_drawn():
            # Nobody has drawn since the network was built.
            return present, self._state, self.has_drawn
        before = present, np.random.get_state(legacy=False), lambda: True
        self._put()
        return before

    def _put(self) -> None:
        _put(self._bits, self._state)

    def take(self, model: Any) -> None:
        """Store the random state of a model that has drawn, and restore the first state."""
        if _turns.are_over:
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


def _restore(bits: Any, state: Any, has_changed: Callable[[], bool]) -> None:
    if np.random.get_bit_generator() is not bits:  # a model may have set its own
        np.random.set_bit_generator(bits)
    if has_changed():
        np.random.set_state(state)
