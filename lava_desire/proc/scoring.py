"""The score that a teacher keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_desire import rule
from lava_desire.config import DesireConfig


def keep_score(model: Any, labels: Any, counts: Any, config: DesireConfig) -> None:
    """Add the samples of a window to the score of a process model.

    Parameters
    ----------
    model : process model
        Of which ``prediction``, (B,), and ``desire``, (N_L,) or (B, N_L), are of this window, and
        ``num_samples``, ``num_correct``, ``num_active``, ``confusion`` and ``loss`` are advanced.
    labels : ndarray
        (B,) int64 in [0, N_L).
    counts : ndarray
        Output spikes, (B, N_L).
    config : DesireConfig
        The network.
    """
    rate = rule.firing_rate(counts, config.num_steps, config.error_margin)
    desire = np.reshape(model.desire, counts.shape)
    model.num_samples = model.num_samples + len(labels)
    model.num_correct = model.num_correct + np.count_nonzero(model.prediction == labels)
    model.num_active = model.num_active + np.count_nonzero(desire.any(axis=-1))
    # The prediction −1, undecided, is the last column.
    np.add.at(model.confusion, (labels, model.prediction), 1)
    loss = rule.local_loss(rule.output_error(rate, labels))
    model.loss = model.loss + loss.sum(dtype=np.float64)
