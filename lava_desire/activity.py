"""Results of a forward pass and of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from lava_desire.backends.base import Backend


@dataclass(frozen=True)
class Activity:
    """What a forward pass saw.

    Parameters
    ----------
    trains : list
        L + 1 spike trains, input first, in the form of `backend`; :attr:`spikes` is for reading.
    prediction : Tensor
        Class a sample, (B,) int64; −1 where undecided, see :func:`~lava_desire.rule.predict`.
    masks : list of Tensor or None
        Dropout masks in force, input to last hidden layer, (B, N_ℓ) bool; None in evaluation.
    backend : Backend
        What the pass was computed with.
    num_spikes : list of Tensor or None
        Spikes of the inputs of each plastic layer, all samples together, L of (N_{ℓ−1},) int64,
        where `trains` lack samples; None where they can be counted.
    eligible : list or None
        Steps in which the neurons of layers 1 to L are eligible, in the form of `trains`; None
        where they learn at spikes, or nothing was to be learned.
    """

    trains: list[Any]
    prediction: Tensor
    masks: list[Tensor] | None
    backend: Backend
    num_spikes: list[Tensor] | None = None
    eligible: list[Any] | None = None

    @property
    def kernels(self) -> Backend:
        """Name of `backend` in 0.1."""
        return self.backend

    @cached_property
    def counts(self) -> list[Tensor]:
        """Spike counts of the L + 1 layers, input first, (B, N_ℓ) int64."""
        return [self.backend.counts(train) for train in self.trains]

    @cached_property
    def spikes(self) -> list[Tensor]:
        """Spike trains of the L + 1 layers, input first, (T, B, N_ℓ) bool."""
        return [self.backend.unpack(train) for train in self.trains]


@dataclass(frozen=True)
class StepResult:
    """What a training step saw.

    Parameters
    ----------
    activity : Activity
        The forward pass, with the weights before the update.
    desires : list of Tensor
        L desires, layer 1 first, (B, N_ℓ) int8 in {−1, 0, +1}, before the dropout mask.
    num_correct : int
        Samples whose prediction was their label.
    num_active : int
        Samples with a desire in at least one layer: those that changed weights.
    """

    activity: Activity
    desires: list[Tensor]
    num_correct: int
    num_active: int

    @property
    def counts(self) -> list[Tensor]:
        """Spike counts of the L + 1 layers, input first, (B, N_ℓ) int64."""
        return self.activity.counts

    @property
    def spikes(self) -> list[Tensor]:
        """Spike trains of the L + 1 layers, input first, (T, B, N_ℓ) bool."""
        return self.activity.spikes
