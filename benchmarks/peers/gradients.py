"""Surrogate gradients in torch: the same input spikes, loss and optimiser for all libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.peers.encoder import LEARNING_RATE, encoder_table


def gradient_step(
    modules: torch.nn.Module, run: Callable[[torch.Tensor], torch.Tensor], option: str
) -> Callable[[np.ndarray, np.ndarray], Any]:
    """Return a step of surrogate gradients: cross entropy of the spike counts, Adam.

    ``run`` takes spikes (T, B, N_0) float32 and returns spike counts (B, N_L). With the option
    ``predict`` the step classifies, by the largest count.
    """
    optimizer = torch.optim.Adam(modules.parameters(), lr=LEARNING_RATE)
    table = torch.from_numpy(encoder_table())

    @torch.no_grad()
    def predict(images: np.ndarray, labels: np.ndarray) -> None:
        run(table[:, torch.from_numpy(images).int()]).argmax(1)

    if option == "predict":
        return predict

    def step(images: np.ndarray, labels: np.ndarray) -> None:
        spikes = table[:, torch.from_numpy(images).int()]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(run(spikes), torch.from_numpy(labels)).backward()
        optimizer.step()

    return step
