"""Threads that work together: all is done once, nothing that fails is lost, nobody hangs."""

import multiprocessing
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.backends.numba import threads as module
from lava_desire.backends.numba.backend import NumbaBackend
from lava_desire.backends.numba.threads import (
    boards_of,
    call_others,
    end_stages,
    enter,
    in_parallel,
    is_over,
    leave,
    num_threads,
    own_threads,
    pieces_of,
    ranges,
    share,
    share_stages,
    tiles,
)
from lava_desire.backends.numba.words import WordBackend

from .threads import threads


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 5))
def test_ranges_cover_all_once(size, grain, count):
    done = np.zeros(size, int)

    def work(first, last):
        assert first % grain == 0
        done[first:last] += 1

    with threads(count):
        in_parallel(work, size, grain)
    assert (done == 1).all()


@njit(nogil=True)
def _note(done, order, board, thread):
    for piece in pieces_of(board, thread):
        done[piece[0] : piece[1], piece[2] : piece[3]] += 1
        order[piece[0]] = thread


@given(st.integers(0, 700), st.integers(0, 9), st.integers(1, 5))
def test_tiles_and_samples_are_each_dealt_out_once(size, num_samples, count):
    done, order = np.zeros((size, num_samples), int), np.zeros(max(size, 1), int)
    with threads(count):
        pieces = tiles(size, 64, num_samples)
        share(lambda board, thread: _note(done, order, board, thread), pieces)
    assert all(first % 64 == 0 for first, *_ in pieces)
    assert (done == 1).all()


@given(st.integers(0, 300), st.integers(1, 40), st.integers(1, 5))
def test_pieces_are_taken_once_by_whichever_thread_comes(size, grain, count):
    done, order = np.zeros((size, 1), int), np.zeros(max(size, 1), int)
    with threads(count):
        pieces = [(*bounds, 0, 1) for bounds in ranges(size, grain)]
        share(lambda board, thread: _note(done, order, board, thread), pieces)
    assert (done == 1).all()
    assert (order < count).all()


def test_a_thread_begins_with_pieces_of_its_own_and_takes_what_others_leave():
    board = np.zeros((9, 8), np.int64)
    board[1:, 1:5] = [(k, k + 1, 0, 1) for k in range(8)]
    signals = np.zeros((4, 2, 8), np.int64)
    board[0, :3] = signals.ctypes.data, 1, 4
    done, order = np.zeros((8, 1), int), np.zeros(8, int)
    board[6, 0] = 1  # taken by another
    signals[1:, 0, 0] = 2  # called again, so that it does not wait
    _note(done, order, board, 2)
    assert list(done[:, 0]) == [1, 1, 1, 1, 1, 0, 1, 1]
    assert signals[2, 1, 0] == 1


def test_compiled_work_is_shared_by_threads_that_are_awake_and_that_sleep():
    done, order = np.zeros((64, 1), int), np.zeros(64, int)
    pieces, calls = [(k, k + 1, 0, 1) for k in range(64)], 60

    def work(board, thread):
        _note(done, order, board, thread)

    with threads(3):
        for call in range(calls):
            share(work, pieces)
            if call % 20 == 19:
                time.sleep(0.02)
    assert (done == calls).all()


def test_what_fails_before_compiled_work_is_raised_and_the_next_call_works(monkeypatch):
    monkeypatch.setattr(module._load, "is_high", lambda: False)
    done, order = np.zeros((2, 1), int), np.zeros(2, int)
    pieces, calls = [(0, 1, 0, 1), (1, 2, 0, 1)], iter(range(200))

    def work(board, thread):
        _note(done, order, board, thread)

    def fail_elsewhere(board, thread):
        if thread:
            raise ArithmeticError("not here")
        work(board, thread)
        time.sleep(0.01)  # in which the other comes, unless it was just falling asleep

    def call_until_one_fails():
        for _ in calls:
            share(fail_elsewhere, pieces)

    with threads(2):
        with pytest.raises(ArithmeticError, match="not here"):
            call_until_one_fails()
        share(work, pieces)
    assert (done == next(calls) + 1).all()


@njit(nogil=True)
def _tell(at, board, thread):
    for piece in pieces_of(board, thread):
        piece[4] = piece[0] == at


def test_what_a_thread_has_found_in_its_last_piece_is_known_when_the_call_returns():
    pieces = [(k, k + 1, 0, 1) for k in range(8)]
    with threads(2):
        for call in range(400):
            found = share(lambda board, thread, at=call % 8: _tell(at, board, thread), pieces)
            assert list(np.flatnonzero(found[:, 4])) == [call % 8]
    assert share(_tell, []).shape == (0, 7)


@njit(nogil=True)
def _count_up(numbers, board, thread):
    for piece in pieces_of(board, thread):
        numbers[piece[0] : piece[1]] += 1


@njit(nogil=True)
def _go_through(stages, thread, board, numbers, num_stages, late):
    call_others(stages, thread)
    for _ in range(late if thread else 0):
        late += len(numbers) % 2
    wrong = 0
    for number in range(num_stages):
        if enter(stages, board, thread, number):
            _count_up(numbers, board, thread)
            leave(stages, thread, number)
        elif is_over(stages):
            break
        if thread == 0:
            wrong += np.sum(numbers != number + 1)
    end_stages(stages, thread)
    return wrong


@pytest.mark.parametrize("late", [0, 10**7])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stage_begins_when_the_one_before_is_done_by_all(count, late):
    numbers, wrong = np.zeros(600, np.int64), {}
    with threads(count):
        board = boards_of([ranges(600, 7)], count)[0]

        def work(stages, thread):
            wrong[thread] = _go_through(stages, thread, board, numbers, 500, late)

        for again in range(3):
            numbers[:] = 0
            share_stages(work)
            assert wrong[0] == 0, again
            assert (numbers == 500).all()


@pytest.mark.parametrize("failing", [0, 1])
def test_stages_that_fail_in_a_thread_end_for_all_and_the_next_work(failing):
    numbers = np.zeros(600, np.int64)
    with threads(2):
        board = boards_of([ranges(600, 7)], 2)[0]
        came = threading.Event()

        def work(stages, thread):
            if thread == failing:
                call_others(stages, thread)
                came.wait(1 if thread == 0 else 0)
                raise ValueError("failed")
            came.set()
            _go_through(stages, thread, board, numbers, 100_000, 0)

        def until_it_fails():
            for _ in range(1000):  # another thread may come too late to fail
                numbers[:] = 0
                share_stages(work)

        with pytest.raises(ValueError, match="failed"):
            until_it_fails()
        assert numbers.max() < 100_000
        numbers[:] = 0
        share_stages(lambda stages, thread: _go_through(stages, thread, board, numbers, 9, 0))
    assert (numbers == 9).all()


def test_a_team_serves_calls_of_fewer_pieces_than_it_has_threads():
    done = []
    with threads(4):
        in_parallel(lambda *piece: done.append(piece), 4)
        team = module._teams._team
        for size in (2, 3, 4, 2):
            in_parallel(lambda *piece: done.append(piece), size)
        assert module._teams._team is team
    assert sorted(done) == sorted((k, k + 1) for size in (4, 2, 3, 4, 2) for k in range(size))


def test_several_threads_work_at_the_same_time():
    together = threading.Barrier(2)
    with threads(2):
        in_parallel(lambda first, last: together.wait(10), 2)


def test_threads_that_fell_asleep_wake_up():
    done = []
    with threads(3):
        for _ in range(3):
            in_parallel(lambda first, last: done.append((first, last)), 3)
            time.sleep(0.02)
    assert sorted(done) == sorted(3 * [(0, 1), (1, 2), (2, 3)])


def test_a_thread_that_comes_late_is_not_waited_for(monkeypatch):
    team, done = module._Team(3), []
    monkeypatch.setattr(team._called[0], "raise_to", lambda number: None)
    for _ in range(5):
        team.run(lambda thread: done.append(threading.current_thread().name))
    monkeypatch.undo()
    team.end()
    assert "lava_desire-1" not in done
    assert done.count(threading.current_thread().name) == 5


class _Clock:
    """Seconds that pass while a thread works, and those of them that it has a processor."""

    def __init__(self):
        self.now = self.processor = 0.0

    def perf_counter(self):
        return self.now

    def thread_time(self):
        return self.processor

    def work(self, share):
        self.now += 0.03
        self.processor += 0.03 * share


def test_where_others_take_the_processors_one_thread_works_alone_for_a_while(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(module, "time", clock)
    load = module._Load()
    for part, pause in ((1.0, 0.0), (0.5, 0.1), (0.5, 0.2), (0.9, 0.0), (0.5, 0.1)):
        load.measure(lambda part=part: clock.work(part))
        for after, is_high in ((0.9 * pause, pause > 0), (0.2 * pause, False)):
            clock.now += after
            assert load.is_high() is is_high


def test_all_is_done_where_one_thread_works_alone(monkeypatch):
    monkeypatch.setattr(module._load, "is_high", lambda: True)
    test_ranges_cover_all_once()
    test_tiles_and_samples_are_each_dealt_out_once()


def test_what_fails_in_a_thread_is_raised_and_the_next_call_works():
    caller = threading.current_thread()
    together = threading.Barrier(2)

    def fail_elsewhere(first, last):
        together.wait(10)
        if threading.current_thread() is not caller:
            raise ArithmeticError("not here")

    with threads(2):
        with pytest.raises(ArithmeticError, match="not here"):
            in_parallel(fail_elsewhere, 2)
        test_several_threads_work_at_the_same_time()


def test_an_interrupted_call_waits_for_the_other_threads():
    caller = threading.current_thread()
    together, done = threading.Barrier(2), []

    def work(first, last):
        together.wait(10)
        if threading.current_thread() is caller:
            raise KeyboardInterrupt
        time.sleep(0.05)
        done.append(first)

    with threads(2):
        with pytest.raises(KeyboardInterrupt):
            in_parallel(work, 2)
        assert len(done) == 1
        test_several_threads_work_at_the_same_time()


def test_calls_within_and_beside_each_other_are_done():
    done = []

    def outer(first, last):
        in_parallel(lambda *inner: done.append((first, inner)), 4)

    def call():
        in_parallel(outer, 3)

    with threads(3):
        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    ranges = {(first, inner) for first, inner in done}
    covered = sorted((first, k) for first, inner in done for k in range(*inner))
    assert {first for first, _ in ranges} == {0, 1, 2}
    assert covered == sorted(4 * [(first, k) for first in range(3) for k in range(4)])


def test_a_forked_process_has_threads_of_its_own():
    with threads(2):
        test_several_threads_work_at_the_same_time()
        child = multiprocessing.get_context("fork").Process(target=_work_in_child)
        child.start()
        child.join(30)
    assert child.exitcode == 0


def _work_in_child():
    torch.set_num_threads(2)
    test_several_threads_work_at_the_same_time()


def test_torch_computes_alone_while_others_work():
    with threads(3):
        with own_threads():
            assert torch.get_num_threads() == 1
            assert num_threads() == 3
            with own_threads():
                assert num_threads() == 3
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == num_threads() == 3


def _fail_alone():
    with own_threads():
        raise ValueError("left early")


def test_torch_computes_alone_while_a_network_is_made_and_restored(monkeypatch):
    seen = []

    def arrange(backend, weights):
        seen.append(torch.get_num_threads())
        return WordBackend.arrange(backend, weights)

    monkeypatch.setattr(NumbaBackend, "arrange", arrange)
    with threads(3):
        network = DesireNetwork(DesireConfig((4, 3, 2)), kernels="compiled")
        network.weights = network.weights
        monkeypatch.setattr(
            network.state, "restore", lambda *_: seen.append(torch.get_num_threads())
        )
        network.restore(network.checkpoint())
        assert torch.get_num_threads() == 3
    assert seen == 5 * [1]


def test_torch_has_its_threads_back_after_a_failure():
    with threads(3):
        with pytest.raises(ValueError, match="left early"):
            _fail_alone()
        assert torch.get_num_threads() == num_threads() == 3
