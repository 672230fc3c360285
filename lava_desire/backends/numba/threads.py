"""Threads for compiled functions that release Python's lock, and memory that they use again."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numba import types

from lava_desire.backends.numba.jit import njit

_YIELDS = 500
"""Times that a waiting thread lets others run before it sleeps, some 0.2 ms in all."""

_WINDOW = 0.02
"""Seconds of work after which it is judged whether others take the processors."""

_LEAST_SHARE = 0.8
"""Part of the clock that threads must get while they work, for several to work together."""

_PAUSES = 0.1, 3.0
"""Seconds for which one thread works alone where they did not, at first and at most."""

_RANGES_A_THREAD = 4

_CACHE_LINE = 64  # bytes; a vector that lies in two of them takes twice as long

_Work = Callable[[], None]


def in_parallel(work: Callable[[int, int], None], size: int, grain: int = 1) -> None:
    """Call `work` on consecutive ranges that cover [0, size), by as many threads as torch uses.

    Each thread takes the next range when it is done with one: cores are not equally fast, nor are
    ranges equally long to work on. A call from within `work`, or beside another call, is done by
    its own thread. Ranges begin at multiples of `grain`; `work` takes the first element of its
    range and the one behind the last.
    """
    if size == 0:
        return
    num_grains, threads = -(-size // grain), num_threads()
    num_ranges = min(_RANGES_A_THREAD * threads if threads > 1 else 1, num_grains)
    edges = [grain * (num_grains * index // num_ranges) for index in range(num_ranges)]
    _share(work, list(pairwise([*edges, size])))


def in_parallel_tiles(
    work: Callable[[int, int, int, int], None], size: int, tile: int, num_samples: int
) -> None:
    """Call `work` on tiles of neurons times samples, by as many threads as torch uses.

    `work` takes the first neuron of its range and the one behind the last, and as much of its
    samples. Ranges are of `tile` neurons, but for the last, which are shared sample by sample, so
    that all threads are done at about the same time.
    """
    if num_samples == 0:
        return
    # A single sample is done before another thread has woken up.
    threads = num_threads()
    if threads == 1 or num_samples == 1:
        work(0, size, 0, num_samples)
        return
    tiles = [(first, min(first + tile, size)) for first in range(0, size, tile)]
    whole = max(0, len(tiles) - threads)
    shares = min(threads if len(tiles) > 1 else 2 * threads, num_samples)
    edges = [num_samples * share // shares for share in range(shares + 1)]
    pieces = [(*neurons, 0, num_samples) for neurons in tiles[:whole]]
    pieces += [(*neurons, *samples) for neurons in tiles[whole:] for samples in pairwise(edges)]
    _share(work, pieces)


def _share(work: Callable[..., None], pieces: Sequence[tuple[int, ...]]) -> None:
    """Call `work` with each of the pieces, the first ones first."""
    waiting = iter(pieces)

    def go_on() -> None:
        for piece in waiting:
            work(*piece)

    _teams.run(go_on, min(num_threads(), len(pieces)))


@contextmanager
def own_threads() -> Iterator[None]:
    """Let torch compute in the calling thread alone, so that its others do not wait busily.

    After each operation torch's threads spin for some milliseconds, on the cores that the threads
    of :func:`in_parallel` need, which stay as many as torch had.
    """
    import torch

    count = torch.get_num_threads()
    if _own.num_threads is not None or count == 1:
        yield
        return
    _own.num_threads = count
    process = os.getpid()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _own.num_threads = None
        if os.getpid() == process:  # a child that was forked within has one thread
            torch.set_num_threads(count)


class _Own(threading.local):
    num_threads: int | None = None


_own = _Own()


def num_threads() -> int:
    """Return how many threads work together now: one, where other work takes the processors."""
    if _load.is_high():
        return 1
    import torch  # kernels are compiled in processes that need none

    return torch.get_num_threads() if _own.num_threads is None else _own.num_threads


class _Load:
    """Whether other processes take the processors that our threads work on.

    A thread that works waits for nothing, so what it lacks of the clock others have got. With
    others there, threads that share each small piece of work wait for the one that has lost its
    processor, a time slice each time; one thread alone loses no more than its share.
    """

    def __init__(self) -> None:
        self._alone_until = 0.0
        self._pause = _PAUSES[0]
        self._clock = self._processor = 0.0

    def is_high(self) -> bool:
        """Return whether one thread should work alone, for now."""
        return time.perf_counter() < self._alone_until

    def measure(self, work: _Work) -> None:
        """Call `work` and note what part of the clock this thread got."""
        clock, processor = time.perf_counter(), time.thread_time()
        work()
        processor = time.thread_time() - processor
        now = time.perf_counter()
        self._clock += now - clock
        self._processor += processor
        if self._clock < _WINDOW:
            return
        shortest, longest = _PAUSES
        if self._processor < _LEAST_SHARE * self._clock:
            self._alone_until = now + self._pause
            self._pause = min(2 * self._pause, longest)
        else:
            self._pause = shortest
        self._clock = self._processor = 0.0


_load = _Load()


class _Signal:
    """A number that one thread raises and another waits for: busily at first, then asleep."""

    def __init__(self) -> None:
        self._number = np.zeros(1, np.int64)
        self._asleep = False
        self._bell = threading.Semaphore(0)

    def raise_to(self, number: int) -> None:
        self._number[0] = number
        if self._asleep:
            self._bell.release()

    def wait_for(self, number: int) -> int:
        """Return the number when it is at least this one."""
        if not _wait_busily(self._number, number, _YIELDS):
            self._asleep = True
            # Whoever raises the number from now on rings; who did so before has been seen here.
            while self._number[0] < number:
                self._bell.acquire()
            self._asleep = False
        return int(self._number[0])


_sched_yield = types.ExternalFunction("sched_yield", types.int32())


@njit(nogil=True)
def _wait_busily(number: Any, least: int, num_yields: int) -> bool:
    for _ in range(num_yields):
        if number[0] >= least:
            return True
        _sched_yield()
    return False


class _Team:
    """Threads that work together, the calling one among them."""

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._calls = 0
        self._ended = False
        self._work: _Work | None = None
        self._errors: list[BaseException] = []
        self._entry = threading.Lock()
        self._entered: list[int] = []
        self._called = [_Signal() for _ in range(1, num_threads)]
        self._done = [_Signal() for _ in range(1, num_threads)]
        for index in range(num_threads - 1):
            name = f"lava_desire-{index + 1}"
            threading.Thread(target=self._serve, args=(index,), name=name, daemon=True).start()

    def run(self, work: _Work) -> None:
        """Call `work` in every thread that comes before it is done; raise what a call has raised.

        Who comes later is not waited for: where others take the processors that may be long.
        """
        self._call(work)
        try:
            _load.measure(work)
        finally:
            self._wait()
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """Let the threads end, after what they are at."""
        self._ended = True
        self._call(None)

    def _call(self, work: _Work | None) -> None:
        with self._entry:
            self._calls += 1
            self._work = work
        for signal in self._called:
            signal.raise_to(self._calls)

    def _wait(self) -> None:
        with self._entry:
            self._work = None
        for index in self._entered:
            self._done[index].wait_for(self._calls)
        self._entered.clear()

    def _serve(self, index: int) -> None:
        calls = 0
        while True:
            calls = self._called[index].wait_for(calls + 1)
            if self._ended:
                return
            with self._entry:
                work = self._work
                if work is None:
                    continue
                calls = self._calls
                self._entered.append(index)
            try:
                _load.measure(work)
            except BaseException as error:
                self._errors.append(error)
            del work  # and the arrays that it holds
            self._done[index].raise_to(calls)


class _Teams:
    """The team of this process, made anew for another number of threads and after a failure."""

    def __init__(self) -> None:
        self._free = threading.Lock()
        self._team: _Team | None = None

    def run(self, work: _Work, num_threads: int) -> None:
        """Call `work` in so many threads, or in this one alone where the others are at work."""
        if num_threads <= 1 or not self._free.acquire(blocking=False):
            work()
            return
        try:
            if self._team is None or self._team.num_threads != num_threads:
                self.end()
                self._team = _Team(num_threads)
            self._team.run(work)
        except BaseException:
            self.end()  # who has been interrupted does not know what the others are at
            raise
        finally:
            self._free.release()

    def end(self) -> None:
        team, self._team = self._team, None
        if team is not None:
            team.end()


_teams = _Teams()


def _begin_child() -> None:
    """Compute in one thread: a forked process inherits none of the others, ours or torch's.

    OpenMP, with which torch shares its operations out, would wait for them without end.
    """
    global _teams, _load
    _teams, _load = _Teams(), _Load()
    _own.num_threads = None
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_child)
atexit.register(lambda: _teams.end())


class Workspace(threading.local):
    """Buffers by name, one set a thread, that grow to the largest size asked for and stay.

    A new buffer is zero; later it holds what its last use has left.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray[Any, Any]] = {}

    def __reduce__(self) -> tuple[type[Workspace], tuple[()]]:
        """Let copies, in this process or another, begin empty."""
        return Workspace, ()

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a contiguous array on the buffer of that name, which it shares with the last."""
        size = prod(shape)
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers.pop(name, None)  # before there is another
            room = np.zeros(np.dtype(dtype).itemsize * size + _CACHE_LINE, np.uint8)
            start = -room.ctypes.data % _CACHE_LINE
            self._buffers[name] = room[start : start - _CACHE_LINE].view(dtype)
        return self._buffers[name][:size].reshape(shape)
