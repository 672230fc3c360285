"""What the models share that receive a label and count correct predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType

from lava_desire import rule


class AbstractPyScoringModel(PyLoihiProcessModel):
    """Sends desire, prediction and counts of a window, and adds its samples to the score."""

    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    desire_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int8)
    prediction_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    counts_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    counts: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    desire: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int8)
    prediction: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_samples: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_correct: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    num_active: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    confusion: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.int64)
    loss: np.ndarray[Any, Any] = LavaPyType(np.ndarray, np.float64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._config = proc_params["config"]
        self._nothing: list[Any] = []

    def _send_verdict(self, due: bool) -> None:
        """Send what the window came to in the step in which it is due, and zeros in others."""
        verdict = [self.desire, self.prediction, self.counts]
        if not self._nothing:  # ports send a copy
            self._nothing = [np.zeros_like(value) for value in verdict]
        desire, prediction, counts = verdict if due else self._nothing
        self.desire_out.send(desire)
        self.prediction_out.send(prediction)
        self.counts_out.send(counts)

    def _keep_score(self, labels: Any, counts: Any) -> None:
        """Add the samples of a window, of which prediction and desire are there, to the score.

        Labels are (B,) int64 in [0, N_L), counts of output spikes (B, N_L).
        """
        config = self._config
        rate = rule.firing_rate(counts, config.num_steps, config.error_margin)
        desire = np.reshape(self.desire, counts.shape)
        self.num_samples = self.num_samples + len(labels)
        self.num_correct = self.num_correct + np.count_nonzero(self.prediction == labels)
        self.num_active = self.num_active + np.count_nonzero(desire.any(axis=-1))
        # The prediction −1, undecided, is the last column.
        np.add.at(self.confusion, (labels, self.prediction), 1)
        loss = rule.local_loss(rule.output_error(rate, labels))
        self.loss = self.loss + loss.sum(dtype=np.float64)
