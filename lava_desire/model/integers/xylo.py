"""Neurons in the arithmetic of SynSense's Xylo, as xylosim 0.1.3 computes them, to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

DASHES = range(16)
"""Decays of 4 bits: a step takes v ≫ dash."""

STATE_LIMITS = (-(2**15), 2**15 - 1)
"""Currents and potentials saturate at 16 bits."""


def dash_of(name: str, decay: float) -> int:
    """Return k of a decay 1 − 2^−k.

    Parameters
    ----------
    name : str
        What to call it in an error.
    decay : float
        What a step leaves.

    Returns
    -------
    int
        k in [1, 15].

    Raises
    ------
    ValueError
        If it is not such a decay.
    """
    dash = round(-math.log2(1 - decay)) if 0 < decay < 1 else 0
    if dash not in DASHES[1:] or decay != 1 - 2.0**-dash:
        raise ValueError(
            f"{name} is {decay}: expected 1 - 2^-k on Xylo, as 0.5, 0.75, 0.875 or 0.9375"
        )
    return dash


class Population:
    """Neurons that one set of synapses leads to, in Xylo's arithmetic; its state is of a batch.

    i ← i + Σ W·n;  i ← i − d(i, dash_syn);  v ← v − d(v, dash_mem) + i;  n = ⌊v / θ⌋, at most
    `most`, spikes;  v ← v − n·θ; where d(x, dash) = x ≫ dash rounds down, and is at least 1 towards
    zero.
    All is 16 bits and saturates, currents spike by spike.

    Weights are (K, N) int64, shifted, the other arrays (N,) int64.
    """

    def __init__(self, weights: Any, threshold: Any, dash_mem: Any, dash_syn: Any, most: int):
        self.weights = weights
        # Sums are exact in float64, whose products of matrices are fast.
        self._exact = weights.astype(np.float64)
        self._largest = int(np.abs(weights).max(initial=0))
        self.threshold, self.dash_mem, self.dash_syn = threshold, dash_mem, dash_syn
        self.most = most

    def clear(self, batch: int) -> None:
        """Begin windows of a batch: no current, no potential."""
        self.current = np.zeros((batch, self.weights.shape[1]), np.int64)
        self.potential = np.zeros_like(self.current)
        self.saturated = np.zeros(self.weights.shape[1], np.int64)
        self.lowest = self.highest = self.largest_current = 0

    def run(self, counts: Any, kept: Any = True) -> Any:
        """Return spikes (T, B, N) int64 for those that arrive, (T, B, K) integers."""
        self.clear(counts.shape[1])
        return np.stack([self.step(each, kept) for each in counts])

    def step(self, counts: Any, kept: Any = True) -> Any:
        """Return the spikes of a step, (B, N) int64, for those that arrive, (B, K) integers.

        None spikes that is not `kept`, (B, N) bool.
        """
        self._deliver(counts.astype(np.int64))
        self.saturated += np.isin(self.current, STATE_LIMITS).sum(axis=0)
        reached = int(np.abs(self.current).max(initial=0))
        self.largest_current = max(self.largest_current, reached)
        self.current -= _decay(self.current, self.dash_syn)
        change = np.clip(self.current - _decay(self.potential, self.dash_mem), *STATE_LIMITS)
        self.potential = np.clip(self.potential + change, *STATE_LIMITS)
        self.saturated += np.isin(self.potential, STATE_LIMITS).sum(axis=0)
        self.lowest = min(self.lowest, int(self.potential.min(initial=0)))
        self.highest = max(self.highest, int(self.potential.max(initial=0)))
        spikes = np.clip(self.potential // self.threshold, 0, self.most) * kept
        self.potential -= spikes * self.threshold
        return spikes

    def _deliver(self, counts: Any) -> None:
        """Add the weights of arriving spikes to the currents, which saturate spike by spike."""
        arrived = int(counts.sum(axis=1).max(initial=0)) * self._largest
        reached = int(np.abs(self.current).max(initial=0)) + arrived
        sums = (counts.astype(np.float64) @ self._exact).astype(np.int64)
        if reached <= STATE_LIMITS[1]:
            self.current += sums
            return
        sizes = (counts.astype(np.float64) @ np.abs(self._exact)).astype(np.int64)
        low = self.current + (sums - sizes) // 2
        high = self.current + (sums + sizes) // 2
        sample, neuron = np.nonzero((low < STATE_LIMITS[0]) | (high > STATE_LIMITS[1]))
        # Where the order could matter, it is that of the simulator: source by source.
        held = self.current[sample, neuron]
        for source, weights in enumerate(self.weights):
            held = np.clip(held + counts[sample, source] * weights[neuron], *STATE_LIMITS)
        self.current += sums
        self.current[sample, neuron] = held


def _decay(states: Any, dash: Any) -> Any:
    """Return what a step takes of states, x ≫ dash, at least 1 towards zero."""
    shifted = states >> dash
    return np.where(shifted == 0, np.sign(states), shifted)
