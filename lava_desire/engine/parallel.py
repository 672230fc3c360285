"""Threads for compiled functions that release Python's lock, and memory that they use again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np
import torch

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """Drop the threads, which a forked process does not inherit."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


def in_parallel(work: Callable[[int, int], None], size: int, grain: int = 1) -> None:
    """Call `work` on consecutive ranges that cover [0, size), one a thread of torch's.

    Parameters
    ----------
    work : callable
        Takes the first element of its range and the one behind the last.
    size : int
        Elements there are.
    grain : int
        Ranges begin at multiples of it.
    """
    global _pool
    num_grains = -(-size // grain)
    num_threads = min(torch.get_num_threads(), num_grains)
    if num_threads <= 1:
        work(0, size)
        return
    if _pool is None or _pool._max_workers < num_threads - 1:
        _pool = ThreadPoolExecutor(num_threads - 1, thread_name_prefix="lava_desire")
    edges = [grain * (num_grains * index // num_threads) for index in range(num_threads)]
    edges.append(size)
    others = [_pool.submit(work, edges[i], edges[i + 1]) for i in range(1, num_threads)]
    work(edges[0], edges[1])
    for other in others:
        other.result()


def in_parallel_tiles(
    work: Callable[[int, int, int, int], None], size: int, tile: int, num_samples: int
) -> None:
    """Call `work` on tiles of neurons times samples, as much of it in each of torch's threads.

    Parameters
    ----------
    work : callable
        Takes the first neuron of its range and the one behind the last, and as much of its samples.
    size : int
        Neurons there are.
    tile : int
        Ranges of neurons begin at multiples of it.
    num_samples : int
        Samples there are: tiles that cannot be dealt out evenly are shared sample by sample.
    """
    num_tiles = -(-size // tile)
    num_threads = max(1, min(torch.get_num_threads(), num_samples))
    each = num_tiles // num_threads
    shared = each * num_threads * tile

    def piece(first: int, last: int) -> None:
        for thread in range(first, last):
            if each:
                neurons = tile * each * thread
                work(neurons, min(neurons + tile * each, size), 0, num_samples)
            if shared < size:
                edges = (num_samples * (thread + side) // num_threads for side in (0, 1))
                work(shared, size, *edges)

    in_parallel(piece, num_threads)


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
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.zeros(size, dtype)
        return buffer[:size].reshape(shape)
