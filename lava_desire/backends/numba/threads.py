"""Threads for compiled functions that release Python's lock, and memory that they use again."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from math import prod
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lava_desire.backends.numba.jit import njit

_YIELDS = 500
"""Times that a waiting thread lets others run before it sleeps, some 0.2 ms in all."""

_REST = 5000
"""The same for a thread that has worked and waits for the next call outside of Python, 2 ms."""

_WINDOW = 0.02
"""Seconds of work after which it is judged whether others take the processors."""

_LEAST_SHARE = 0.8
"""Part of the clock that threads must get while they work, for several to work together."""

_PAUSES = 0.1, 3.0
"""Seconds for which one thread works alone where they did not, at first and at most."""

_LOOKS = 100
"""Times that a thread looks for the next stage before it lets others run."""

_OVER = 1 << 62  # even: no stage that is open

_RANGES_A_THREAD = 4

_CACHE_LINE = 64  # bytes; a vector that lies in two of them takes twice as long

_SIGNALS, _CALL, _THREADS = range(3)  # places in the first line of a board
_STAGE, _INSIDE = 1, 2  # lines of a board of stages
_LOST = 1  # a place in the second
_TAKEN, _BOUNDS = 0, 1  # places in the line of a piece
_CALLED, _DONE = range(2)  # the signals of a thread, a line each
_NUMBER, _ASLEEP = range(2)  # places in the line of a signal

_Work = Callable[[int], None]


def in_parallel(work: Callable[[int, int], None], size: int, grain: int = 1) -> None:
    """Call `work` on consecutive ranges that cover [0, size), by as many threads as torch uses.

    Each thread takes the next range when it is done with one: cores are not equally fast, nor are
    ranges equally long to work on. A call from within `work`, or beside another call, is done by
    its own thread. Ranges begin at multiples of `grain`; `work` takes the first element of its
    range and the one behind the last.
    """
    pieces = ranges(size, grain)
    waiting = iter(pieces)

    def go_on(thread: int) -> None:
        for piece in waiting:
            work(*piece)

    _teams.run(go_on, num_threads() if len(pieces) > 1 else 1)


def ranges(size: int, grain: int = 1) -> tuple[tuple[int, int], ...]:
    """Return consecutive ranges that cover [0, size), first elements and those behind the last.

    They begin at multiples of `grain`, and are some a thread, as cores are not equally fast.
    """
    return _ranges(size, grain, num_threads())


@cache
def _ranges(size: int, grain: int, threads: int) -> tuple[tuple[int, int], ...]:
    num_grains = -(-size // grain)
    num_ranges = min(_RANGES_A_THREAD * threads if threads > 1 else 1, num_grains)
    edges = [grain * (num_grains * index // num_ranges) for index in range(num_ranges)]
    return tuple(pairwise([*edges, size])) if size else ()


def tiles(size: int, tile: int, num_samples: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return tiles of neurons times samples that cover [0, size) x [0, num_samples).

    Each is the first neuron and the one behind the last, and as much of its samples. Tiles are of
    `tile` neurons. Some are shared sample by sample, so that all threads have the same to do; they
    lie in the middle, between those of the first and of the last thread.
    """
    return _tiles(size, tile, num_samples, num_threads())


@cache
def _tiles(
    size: int, tile: int, num_samples: int, threads: int
) -> tuple[tuple[int, int, int, int], ...]:
    # A single sample is done before another thread has woken up.
    if threads == 1 or num_samples <= 1:
        return ((0, size, 0, num_samples),) if size and num_samples else ()
    neurons = [(first, min(first + tile, size)) for first in range(0, size, tile)]
    num_shared = len(neurons) % threads or min(threads, len(neurons))
    shares = min(threads if len(neurons) > 1 else 2 * threads, num_samples)
    edges = [num_samples * share // shares for share in range(shares + 1)]
    first = (len(neurons) - num_shared) // 2
    found: list[tuple[int, int, int, int]] = []
    for k, some in enumerate(neurons):
        is_shared = first <= k < first + num_shared
        parts = list(pairwise(edges)) if is_shared else [(0, num_samples)]
        found += [(*some, *part) for part in parts]
    return tuple(found)


def share(work: Callable[[Any, int], None], pieces: Sequence[tuple[int, ...]]) -> Any:
    """Share pieces of work out to as many threads as torch uses, outside of Python.

    `work` takes a board and the number of its thread, for a compiled function that goes through
    :func:`pieces_of` them. It ends with that function: nobody waits for what another thread does
    after its last piece. What the function has to tell it writes into a piece, behind its bounds;
    pieces are returned, (P, 7) int64. Python's lock, for which a thread may have to sleep, is
    needed once a thread and not once a piece. Each thread begins with pieces of its own, the same
    ones each time, which its core may still hold, and then takes what others have left: cores are
    not equally fast. A call from within `work`, or beside another call, is done by its own thread.
    """
    board = np.zeros((1 + len(pieces), _CACHE_LINE // 8), np.int64)
    if pieces:
        board[1:, _BOUNDS : _BOUNDS + len(pieces[0])] = pieces
        _teams.run(partial(work, board), num_threads() if len(pieces) > 1 else 1, board)
    return board[1:, _BOUNDS:]


def share_stages(work: Callable[[Any, int], None]) -> None:
    """Let as many threads as torch uses go through the stages of one compiled function together.

    `work` takes a board and the number of its thread, for a compiled function that all go through
    alike: :func:`call_others`, then for each stage :func:`enter` and :func:`leave`, and
    :func:`end_stages`. The first thread does what is not shared, between two stages, and waits for
    nobody who is not inside a stage; others may come late, or never.
    """
    threads = num_threads()
    board = _lines(1 + _INSIDE)
    board[0, _THREADS] = 1  # unless a team takes it

    def go_on(thread: int) -> None:
        try:
            work(board, thread)
        except BaseException:
            board[_INSIDE, _LOST] = 1  # no other stage begins, and the error is raised
            raise
        finally:
            if thread == 0:
                board[_STAGE, 0] = _OVER  # also after a failure

    _teams.run(go_on, threads, board)


def boards_of(stages: Sequence[Sequence[tuple[int, ...]]], threads: int) -> tuple[Any, Any]:
    """Return boards of stages, one behind the other, and where each begins and the last one ends.

    Some that follow one another are a board of a stage of all of them, for :func:`enter`.
    """
    edges = np.cumsum([0, *(1 + len(pieces) for pieces in stages)])
    boards = _lines(edges[-1])
    for begin, pieces in zip(edges, stages, strict=False):
        boards[begin, _THREADS] = threads
        for line, bounds in enumerate(pieces, begin + 1):
            boards[line, _BOUNDS : _BOUNDS + len(bounds)] = bounds
    return boards, edges


def _lines(number: int) -> Any:
    """Return lines of the cache, zero, (number, 8) int64."""
    room = np.zeros((number + 1) * _CACHE_LINE, np.uint8)
    start = -room.ctypes.data % _CACHE_LINE
    return room[start : start + number * _CACHE_LINE].view(np.int64).reshape(number, -1)


_yield = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
_sched_yield = types.ExternalFunction(_yield, types.int32())


@intrinsic  # type: ignore[untyped-decorator]
def _exchange(context: Any, address: Any, number: Any) -> Any:
    """Put an int64 at an address and return what was there, at once for all threads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("xchg", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _look(context: Any, address: Any) -> Any:
    """Return the int64 at an address, that another thread may be about to change."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _add(context: Any, address: Any, number: Any) -> Any:
    """Add to the int64 at an address and return what was there, at once for all threads."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


# Not kept: numba 0.68.1 fails to compile what goes through a generator that its cache holds.
@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def pieces_of(board: Any, thread: int) -> Any:
    """Yield pieces that nobody has taken, (7,) int64 of which the first are bounds: :func:`share`.

    The first thread calls the others here, where they find Python's lock free; these say that they
    are done and wait for the next call here, as the first needs the lock meanwhile.
    """
    is_call = board[0, _SIGNALS] != 0  # a stage has none
    if is_call:
        call_others(board, thread)
    num_pieces = len(board) - 1
    first = num_pieces * thread // max(1, board[0, _THREADS])
    for k in range(num_pieces):
        line = 1 + (first + k) % num_pieces
        taken = board.ctypes.data + 8 * (board.shape[1] * line + _TAKEN)
        if _look(taken) == 0 and _exchange(taken, 1) == 0:
            yield board[line, _BOUNDS:]
    if is_call:
        _rest(board, thread)


@njit(nogil=True)
def call_others(board: Any, thread: int) -> None:
    """Call the other threads, if this is the first."""
    if thread != 0 or board[0, _SIGNALS] == 0:
        return
    for other in range(1, board[0, _THREADS]):
        called = _signal(board, other, _CALLED)
        if _look(called) < board[0, _CALL]:
            _exchange(called, board[0, _CALL])


@njit(nogil=True)
def _rest(board: Any, thread: int) -> None:
    """Say that a thread is done, and let it wait for its next call, unless it is the first."""
    if thread == 0 or board[0, _SIGNALS] == 0:
        return
    called, done = _signal(board, thread, _CALLED), _signal(board, thread, _DONE)
    _exchange(done, board[0, _CALL])
    for _ in range(_REST):
        if _look(called) > board[0, _CALL] or _look(done + 8 * _ASLEEP) != 0:
            break
        _sched_yield()


@njit(nogil=True)
def is_over(stages: Any) -> bool:
    """Tell whether the first thread has ended all stages, or a thread has failed."""
    is_lost = _look(stages[_INSIDE].ctypes.data + 8 * _LOST) != 0
    return bool(is_lost or _look(stages[_STAGE].ctypes.data) == _OVER)


@njit(nogil=True)
def enter(stages: Any, board: Any, thread: int, number: int) -> bool:
    """Begin the stage of that number, 0, 1, 2 …, and tell whether this thread has a part in it.

    `stages` is the board of :func:`share_stages`, `board` that of the stage's pieces. The first
    thread opens the stage; what it has written before is seen by all inside. The others wait for
    that, and have no part in a stage that is over. Nobody has one when all are: :func:`is_over`.
    """
    state = stages[_STAGE].ctypes.data
    if thread == 0:
        for line in range(1, len(board)):
            board[line, _TAKEN] = 0
        if is_over(stages):
            return False
        if stages[0, _THREADS] > 1:
            _exchange(state, 2 * number + 1)
        return True
    while _look(state) < 2 * number + 1:
        for _ in range(_LOOKS):
            if _look(state) >= 2 * number + 1:
                break
        else:
            _sched_yield()
    if _look(state) != 2 * number + 1:
        return False
    _add(stages[_INSIDE].ctypes.data, 1)
    if _look(state) == 2 * number + 1:
        return True
    _add(stages[_INSIDE].ctypes.data, -1)
    return False


@njit(nogil=True)
def leave(stages: Any, thread: int, number: int) -> None:
    """End the stage of that number, of which this thread has had a part.

    When the first thread returns all others have left, and their results are seen.
    """
    inside = stages[_INSIDE].ctypes.data
    if thread != 0:
        _add(inside, -1)
    elif stages[0, _THREADS] > 1:
        _exchange(stages[_STAGE].ctypes.data, 2 * number + 2)
        while _look(inside) != 0 and _look(inside + 8 * _LOST) == 0:
            for _ in range(_LOOKS):
                if _look(inside) == 0:
                    break
            else:
                _sched_yield()


@njit(nogil=True)
def end_stages(stages: Any, thread: int) -> None:
    """End all stages, if this is the first thread, or wait for the next call."""
    if thread == 0:
        _exchange(stages[_STAGE].ctypes.data, _OVER)
    _rest(stages, thread)


@njit(nogil=True)
def _signal(board: Any, thread: int, kind: int) -> Any:
    return board[0, _SIGNALS] + _CACHE_LINE * (2 * thread + kind)


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

    A thread that works waits for little, Python's lock at its end, so what it lacks of the clock
    others have got. With others there, threads that share each small piece of work wait for the one
    that has lost its processor, a time slice each time; one thread alone loses no more than its
    share.
    """

    def __init__(self) -> None:
        self._alone_until = 0.0
        self._pause = _PAUSES[0]
        self._clock = self._processor = 0.0

    def is_high(self) -> bool:
        """Return whether one thread should work alone, for now."""
        return time.perf_counter() < self._alone_until

    def measure(self, work: Callable[[], None]) -> None:
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
    """A number that one thread raises and another waits for: busily at first, then asleep.

    It lies in a cache line of its own, (8,) int64, where compiled functions raise and see it, too.
    """

    def __init__(self, line: Any) -> None:
        self._line = line
        self._bell = threading.Semaphore(0)

    def raise_to(self, number: int) -> None:
        self._line[_NUMBER] = number
        if self._line[_ASLEEP]:
            self._bell.release()

    def wake(self, number: int) -> None:
        """Raise the number for who is asleep; a compiled function will for who is not.

        Who falls asleep in between misses that call, and is woken for the next one.
        """
        if self._line[_ASLEEP]:
            self.raise_to(number)

    def wait_for(self, number: int) -> int:
        """Return the number when it is at least this one."""
        if not _wait_busily(self._line, number, _YIELDS):
            self._line[_ASLEEP] = 1
            # Whoever raises the number from now on rings; who did so before has been seen here.
            while self._line[_NUMBER] < number:
                self._bell.acquire()
            self._line[_ASLEEP] = 0
        return int(self._line[_NUMBER])


@njit(nogil=True)
def _wait_busily(line: Any, least: int, num_yields: int) -> bool:
    for _ in range(num_yields):
        if _look(line.ctypes.data + 8 * _NUMBER) >= least:
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
        room = np.zeros((2 * num_threads + 1) * _CACHE_LINE, np.uint8)
        start = -room.ctypes.data % _CACHE_LINE
        self._signals = room[start : start - _CACHE_LINE].view(np.int64).reshape(num_threads, 2, -1)
        self._called = [_Signal(lines[_CALLED]) for lines in self._signals[1:]]
        self._done = [_Signal(lines[_DONE]) for lines in self._signals[1:]]
        for index in range(num_threads - 1):
            name = f"lava_desire-{index + 1}"
            threading.Thread(target=self._serve, args=(index,), name=name, daemon=True).start()

    def run(self, work: _Work, board: Any = None) -> None:
        """Call `work` in every thread that comes before it is done; raise what a call has raised.

        Who comes later is not waited for: where others take the processors that may be long. With a
        board `work` calls those who are awake itself, see :func:`share`.
        """
        self._call(work, board)
        try:
            _load.measure(partial(work, 0))
        finally:
            self._wait()
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """Let the threads end, after what they are at."""
        self._ended = True
        self._call(None)

    def _call(self, work: _Work | None, board: Any = None) -> None:
        with self._entry:
            self._calls += 1
            self._work = work
        if board is not None:
            board[0, :3] = self._signals.ctypes.data, self._calls, self.num_threads
        for signal in self._called:
            (signal.raise_to if board is None else signal.wake)(self._calls)

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
                _load.measure(partial(work, index + 1))
            except BaseException as error:
                self._errors.append(error)
            del work  # and the arrays that it holds
            self._done[index].raise_to(calls)


class _Teams:
    """The team of this process, made anew for another number of threads and after a failure."""

    def __init__(self) -> None:
        self._free = threading.Lock()
        self._team: _Team | None = None

    def run(self, work: _Work, num_threads: int, board: Any = None) -> None:
        """Call `work` in so many threads, or in this one alone where the others are at work."""
        if num_threads <= 1 or not self._free.acquire(blocking=False):
            work(0)
            return
        try:
            if self._team is None or self._team.num_threads != num_threads:
                self.end()
                self._team = _Team(num_threads)
            self._team.run(work, board)
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

    def clear(self) -> None:
        """Give up this thread's buffers."""
        self._buffers.clear()

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return a contiguous array on the buffer of that name, which it shares with the last."""
        size = prod(shape)
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers.pop(name, None)  # before there is another
            room = np.zeros(np.dtype(dtype).itemsize * size + _CACHE_LINE, np.uint8)
            start = -room.ctypes.data % _CACHE_LINE
            self._buffers[name] = room[start : start - _CACHE_LINE].view(dtype)
        return self._buffers[name][:size].reshape(shape)
