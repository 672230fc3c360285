"""What follows from counts of right and wrong samples: scores by class, and calibration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

NUM_BINS = 10


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each class, as scikit-learn counts them.

    Parameters
    ----------
    precision : ndarray
        (K,) float64 in [0, 1]: of the samples predicted as the class, the share that are of it; 0
        where there are none.
    recall : ndarray
        (K,) float64 in [0, 1]: of the samples of the class, the share that are predicted as it; 0
        where there are none. An undecided sample is one that is not.
    f1 : ndarray
        (K,) float64 in [0, 1]: their harmonic mean.
    support : ndarray
        (K,) int64: samples of the class.
    """

    precision: Array
    recall: Array
    f1: Array
    support: Array

    @property
    def macro(self) -> dict[str, float]:
        """Means of ``precision``, ``recall`` and ``f1`` over the classes that have samples."""
        there = self.support > 0
        return {
            name: float(getattr(self, name)[there].mean()) for name in ("precision", "recall", "f1")
        }


@dataclass(frozen=True)
class MarginBin:
    """Samples whose margins lie in one bin, for a table of reliability.

    Parameters
    ----------
    least, most : int
        The margins in the bin, in spikes, both ends in it.
    num_samples : int
        Samples in it.
    accuracy : float or None
        Share of them that are right; None of none.
    confidence : float or None
        Their mean margin as a share of the window, margin / T, in [0, 1]; None of none.
    """

    least: int
    most: int
    num_samples: int
    accuracy: float | None
    confidence: float | None


def scores_by_class(confusion: Array) -> ClassScores:
    """Return scores of a confusion matrix, (K, K + 1) int64, its last column undecided."""
    from sklearn.metrics import precision_recall_fscore_support

    labels, predictions = np.indices(confusion.shape)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels.ravel(),
        predictions.ravel(),
        labels=range(len(confusion)),
        sample_weight=confusion.ravel(),
        zero_division=0,
    )
    return ClassScores(precision, recall, f1, confusion.sum(axis=1))


def reliability_of(margins: Array) -> list[MarginBin]:
    """Return bins of margins, (T + 1, 2) int64: samples by margin, wrong and right.

    Ties, of margin 0, are a bin of their own; others are in at most :data:`NUM_BINS` of equal
    width.
    """
    num_steps = len(margins) - 1
    edges = np.linspace(0, num_steps, min(NUM_BINS, num_steps) + 1).astype(int).tolist()
    found = []
    for least, most in [(0, 0), *((before + 1, edge) for before, edge in pairwise(edges))]:
        cells = margins[least : most + 1]
        count = int(cells.sum())
        spikes = int((cells.sum(axis=1) * np.arange(least, most + 1)).sum())
        accuracy, confidence = (
            (int(cells[:, 1].sum()) / count, spikes / (count * num_steps)) if count else (None,) * 2
        )
        found.append(MarginBin(least, most, count, accuracy, confidence))
    return found


def calibration_error(bins: list[MarginBin]) -> float:
    """Return Σ_b n_b / n · |accuracy_b − confidence_b|, in [0, 1]."""
    num_samples = sum(each.num_samples for each in bins)
    return sum(
        each.num_samples / num_samples * abs(each.accuracy - each.confidence)
        for each in bins
        if each.accuracy is not None and each.confidence is not None
    )
