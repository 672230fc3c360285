"""Event-driven kernels for the CPU, compiled with numba.

A spike train of up to 64 steps is one 64-bit word a neuron: bit t is the spike of step t. Only
spikes cost anything: a current is the sum of the weights of those inputs that spiked, and only
pairs of a spiking input and a spiking neuron with desire enter an update. Sums are accumulated in
float64 and rounded once, so the results are those of :mod:`lava_desire.rule` to the bit.

Weights are stored input-major, so that the weights of one input lie side by side. The functions
release Python's lock; each is called on pieces of its work by as many threads as torch uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numba import njit
from torch import Tensor

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.engine.kernels import encode_uint8_table

MAX_STEPS = 64
_TILE = 512  # neurons whose state stays in the first-level cache while a window runs
_ROWS = 8  # inputs whose updates are gathered together, so that eligibilities are read less often


class CompiledKernels:
    """The kernels of one network on the CPU, in the arithmetic of precision ``float32``.

    Parameters
    ----------
    config : DesireConfig
        Of at most 64 time steps.
    """

    def __init__(self, config: DesireConfig) -> None:
        self._config = config
        table = encode_uint8_table(config.num_steps, config.threshold, torch.device("cpu"))
        self._table = _pack(table.numpy()[:, None])[0]

    @staticmethod
    def arrange(weights: Tensor) -> Tensor:
        """Return the weights, (N_o, N_i), in a memory layout with the inputs outermost."""
        return weights.T.contiguous().T

    def encode(self, images: Tensor) -> Any:
        """Return the spike trains of images, (B, N_0) words."""
        if images.dtype == torch.uint8:
            return self._table[images.numpy()]
        return _pack(rule.encode(images, self._config.num_steps, self._config.threshold).numpy())

    def drop(self, trains: Any, mask: Tensor) -> Any:
        """Silence the neurons whose mask, (B, N) bool, is false."""
        return trains * mask.numpy()

    def counts(self, trains: Any) -> Tensor:
        """Count the spikes: (B, N) int64."""
        return torch.from_numpy(_count(trains))

    def unpack(self, trains: Any) -> Tensor:
        """Return the trains as (T, B, N) bool."""
        steps = np.arange(self._config.num_steps, dtype=np.uint64)[:, None, None]
        return torch.from_numpy(((trains >> steps) & np.uint64(1)).astype(bool))

    def run_layer(
        self, weights: Tensor, trains: Any, lag: int, gain: float, mask: Tensor | None
    ) -> Any:
        """Run one layer over the window (Eq. 1 and 16).

        Parameters
        ----------
        weights : Tensor
            (N_o, N_i) float32.
        trains : ndarray
            Input trains, (B, N_i).
        lag : int
            Steps by which the input arrives later than it was sent, 0 or 1.
        gain : float
            Scale of the input spikes.
        mask : Tensor or None
            Dropout mask, (B, N_o) bool.

        Returns
        -------
        ndarray
            Output trains, (B, N_o).
        """
        config = self._config
        rows = weights.T.contiguous().numpy()
        batch_size, num_out = len(trains), rows.shape[1]
        spikes = np.empty((batch_size, num_out), np.uint64)
        kept = np.empty((0, 0), np.bool_) if mask is None else mask.contiguous().numpy()

        def piece(samples: tuple[int, int], neurons: tuple[int, int]) -> None:
            _run_layer(
                rows,
                trains,
                lag,
                config.num_steps,
                gain,
                np.float32(config.decay),
                np.float32(config.threshold),
                kept,
                config.reset == "subtract",
                spikes,
                *samples,
                *neurons,
            )

        if batch_size >= torch.get_num_threads():
            _in_parallel(lambda part: piece(part, (0, num_out)), batch_size)
        else:
            _in_parallel(lambda part: piece((0, batch_size), part), num_out)
        return spikes

    def backpropagate_error(self, weights: Tensor, errors: Tensor) -> Tensor:
        """Return z = Wᵀ c: (B, N_o) float32 → (B, N_i) float32 (Eq. 13)."""
        rows = weights.T.contiguous().numpy()
        sums = np.zeros((len(errors), len(rows)), np.float32)
        wide = errors.numpy().astype(np.float64)
        active = np.flatnonzero(wide.any(axis=1))
        _in_parallel(lambda part: _backpropagate(rows, wide, active, sums, *part), len(rows))
        return torch.from_numpy(sums)

    def learn(
        self,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        inputs: Any,
        lag: int,
        outputs: Any,
    ) -> None:
        """Add the summed change of weights to them (Eq. 4).

        Parameters
        ----------
        weights : Tensor
            (N_o, N_i) float32, changed in place.
        learning_rate : float
            η.
        desire : Tensor
            d · mask, (B, N_o) int8.
        inputs, outputs : ndarray
            Trains before and behind the synapses, (B, N_i) and (B, N_o).
        lag : int
            Steps by which the input arrives later than it was sent.
        """
        config = self._config
        neurons, first, traces, offsets = _desired_traces(
            desire.numpy(), outputs, config.num_steps, config.decay
        )
        rows = weights.T.contiguous()
        _in_parallel(
            lambda part: _learn(
                rows.numpy(), learning_rate, neurons, first, traces, offsets, inputs, lag, *part
            ),
            len(rows),
        )
        if rows.data_ptr() != weights.data_ptr():
            weights.copy_(rows.T)


_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    """Drop the threads, which a forked process does not inherit."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


def _in_parallel(work: Callable[[tuple[int, int]], None], size: int) -> None:
    """Call `work` on consecutive ranges that cover [0, size), one a thread of torch's."""
    global _pool
    num_threads = min(torch.get_num_threads(), size)
    if num_threads <= 1:
        work((0, size))
        return
    if _pool is None or _pool._max_workers < num_threads - 1:
        _pool = ThreadPoolExecutor(num_threads - 1, thread_name_prefix="lava_desire")
    edges = [size * index // num_threads for index in range(num_threads + 1)]
    others = [_pool.submit(work, (edges[i], edges[i + 1])) for i in range(1, num_threads)]
    work((edges[0], edges[1]))
    for other in others:
        other.result()


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    compiled: _Function = njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled


def _compiled_sum(function: _Function) -> _Function:
    """Compile a function whose sums may be taken in any order."""
    options = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"reassoc"}}
    compiled: _Function = njit(**options)(function)
    return compiled


@_compiled
def _pack(spikes: Any) -> Any:
    num_steps, batch_size, size = spikes.shape
    words = np.zeros((batch_size, size), np.uint64)
    for step in range(num_steps):
        for sample in range(batch_size):
            for neuron in range(size):
                words[sample, neuron] |= np.uint64(spikes[step, sample, neuron]) << np.uint64(step)
    return words


@_compiled
def _count(words: Any) -> Any:
    counts = np.zeros(words.shape, np.int64)
    for sample in range(words.shape[0]):
        for neuron in range(words.shape[1]):
            word = words[sample, neuron]
            while word != 0:
                word &= word - np.uint64(1)
                counts[sample, neuron] += 1
    return counts


@_compiled
def _add_eight(rows: Any, events: Any, k: int, start: int, size: int, current: Any) -> None:
    a, b = rows[events[k]][start:], rows[events[k + 1]][start:]
    c, d = rows[events[k + 2]][start:], rows[events[k + 3]][start:]
    e, f = rows[events[k + 4]][start:], rows[events[k + 5]][start:]
    g, h = rows[events[k + 6]][start:], rows[events[k + 7]][start:]
    for j in range(size):
        current[j] += (
            (np.float64(a[j]) + np.float64(b[j])) + (np.float64(c[j]) + np.float64(d[j]))
        ) + ((np.float64(e[j]) + np.float64(f[j])) + (np.float64(g[j]) + np.float64(h[j])))


@_compiled
def _add_one(rows: Any, event: int, start: int, size: int, current: Any) -> None:
    row = rows[event][start:]
    for j in range(size):
        current[j] += np.float64(row[j])


@_compiled
def _integrate_and_fire(
    potential: Any,
    current: Any,
    gain: float,
    decay: Any,
    threshold: Any,
    subtract: bool,
    keep: Any,
    words: Any,
    step: Any,
    size: int,
) -> None:
    for j in range(size):
        value = decay * potential[j] + np.float32(current[j] * gain)
        fires = (value >= threshold) & keep[j]
        words[j] |= np.uint64(fires) << step
        rest = value - threshold if subtract else np.float32(0)
        potential[j] = rest if fires else value
        current[j] = 0.0


@_compiled
def _run_layer(
    rows: Any,
    trains: Any,
    lag: int,
    num_steps: int,
    gain: float,
    decay: Any,
    threshold: Any,
    masks: Any,
    subtract: bool,
    spikes: Any,
    first_sample: int,
    last_sample: int,
    first_neuron: int,
    last_neuron: int,
) -> None:
    num_in = rows.shape[0]
    events = np.empty(num_in * num_steps + 1, np.int64)
    begin = np.empty(num_steps + 1, np.int64)
    active = np.empty(num_in + 1, np.int64)
    current = np.zeros(_TILE, np.float64)
    potential = np.empty(_TILE, np.float32)
    keep = np.ones(_TILE, np.bool_)
    for sample in range(first_sample, last_sample):
        num_active: Any = 0
        for neuron in range(num_in):
            active[num_active] = neuron
            num_active += np.int64(trains[sample, neuron] != 0)
        found: Any = 0
        for step in range(num_steps):
            begin[step] = found
            if step < lag:
                continue
            shift = np.uint64(step - lag)
            for k in range(num_active):
                events[found] = active[k]
                found += np.int64((trains[sample, active[k]] >> shift) & np.uint64(1))
        begin[num_steps] = found
        for start in range(first_neuron, last_neuron, _TILE):
            size = min(_TILE, last_neuron - start)
            words = spikes[sample, start : start + size]
            for j in range(size):
                potential[j] = 0
                words[j] = 0
            if masks.size:
                for j in range(size):
                    keep[j] = masks[sample, start + j]
            for step in range(num_steps):
                k = begin[step]
                while k + 8 <= begin[step + 1]:
                    _add_eight(rows, events, k, start, size, current)
                    k += 8
                while k < begin[step + 1]:
                    _add_one(rows, events[k], start, size, current)
                    k += 1
                _integrate_and_fire(
                    potential,
                    current,
                    gain,
                    decay,
                    threshold,
                    subtract,
                    keep,
                    words,
                    np.uint64(step),
                    size,
                )


@_compiled_sum  # no order of a float64 sum shows after it is rounded to float32
def _dot(row: Any, errors: Any) -> float:
    total = 0.0
    for j in range(len(row)):
        total += np.float64(row[j]) * errors[j]
    return total


@_compiled
def _backpropagate(
    rows: Any, errors: Any, active: Any, sums: Any, first_row: int, last_row: int
) -> None:
    for row in range(first_row, last_row):
        for sample in active:
            sums[sample, row] = np.float32(_dot(rows[row], errors[sample]))


@_compiled
def _desired_traces(desire: Any, outputs: Any, num_steps: int, decay: float) -> Any:
    """List, sample by sample, the spiking neurons with desire, and their trains' backward traces.

    Σ_t s_o[t] r_i[t] = Σ_t q_o[t] u_i[t] with q[t] = s[t] + β·q[t+1]: a trace that runs backward
    behind the synapse does for all inputs what a forward trace before it does for each.
    Sample b has the neurons[first[b] : first[b + 1]] and, from offsets[b] on, their d·q, steps
    outermost.
    """
    batch_size, num_out = desire.shape
    first = np.zeros(batch_size + 1, np.int64)
    for sample in range(batch_size):
        found: Any = 0
        for neuron in range(num_out):
            found += np.int64((desire[sample, neuron] != 0) & (outputs[sample, neuron] != 0))
        first[sample + 1] = first[sample] + found
    neurons = np.empty(first[batch_size], np.int64)
    traces = np.empty(first[batch_size] * num_steps, np.float64)
    offsets = first * num_steps
    for sample in range(batch_size):
        size = first[sample + 1] - first[sample]
        k = 0
        for neuron in range(num_out):
            word, sign = outputs[sample, neuron], desire[sample, neuron]
            if sign == 0 or word == 0:
                continue
            neurons[first[sample] + k] = neuron
            trace = 0.0
            for step in range(num_steps - 1, -1, -1):
                trace = decay * trace + np.float64((word >> np.uint64(step)) & np.uint64(1)) * sign
                traces[offsets[sample] + step * size + k] = trace
            k += 1
    return neurons, first, traces, offsets


@_compiled
def _learn(
    rows: Any,
    learning_rate: float,
    neurons: Any,
    first: Any,
    traces: Any,
    offsets: Any,
    inputs: Any,
    lag: int,
    first_row: int,
    last_row: int,
) -> None:
    batch_size, num_out = len(first) - 1, rows.shape[1]
    sums = np.zeros((_ROWS, num_out), np.float64)
    pairings = np.empty(num_out, np.float64)
    touched = np.zeros(_ROWS, np.bool_)
    for start in range(first_row, last_row, _ROWS):
        stop = min(start + _ROWS, last_row)
        for sample in range(batch_size):
            size = first[sample + 1] - first[sample]
            if size == 0:
                continue
            num_steps = (offsets[sample + 1] - offsets[sample]) // size
            chosen = neurons[first[sample] : first[sample + 1]]
            for row in range(start, stop):
                word = inputs[sample, row] << np.uint64(lag)
                if word == 0:
                    continue
                pairings[:size] = 0.0
                for step in range(num_steps):
                    if (word >> np.uint64(step)) & np.uint64(1):
                        at = offsets[sample] + step * size
                        for k in range(size):
                            pairings[k] += traces[at + k]
                for k in range(size):
                    sums[row - start, chosen[k]] += pairings[k]
                touched[row - start] = True
        for row in range(start, stop):
            if touched[row - start]:
                for j in range(num_out):
                    rows[row, j] += np.float32(learning_rate * sums[row - start, j])
                    sums[row - start, j] = 0.0
                touched[row - start] = False
