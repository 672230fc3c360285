"""The teacher: from labels to the desires of the output layer, and the score."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess

from lava_desire.config import DesireConfig
from lava_desire.proc.checked_var import A_COUNT, TERNARY, CheckedVar, within
from lava_desire.proc.checks import check_layer, check_options


class DesireTeacher(AbstractProcess):
    """Compares the output spikes with the label and says what the output neurons should desire.

    d_k = +1 if 1 − ρ_k > θ_out for the label k;  d = −1 if ρ > θ_out for the others  (Eq. 11);
    with a class margin, :func:`~lava_desire.rule.margin_desire`.

    Parameters
    ----------
    config : DesireConfig
        N_L, T, error margin, θ_out and class margin are taken from it.

    Ports
    -----
    s_in : (N_L,), output spikes, 0 or 1.
    label_in : (1,), the class, a whole number in [0, N_L), read in step T + 1 of a window. Not
        connected, samples have no labels: no desire arises, nothing is scored, and a warning says
        so; predictions and counts are sent all the same.
    desire_out : (N_L,) int8, in step T + 1; zeros otherwise.
    prediction_out : (1,) int64, in step T + 1: the class, or −1 where the network is undecided.
    counts_out : (N_L,) int64, in step T + 1: spikes of the window.
    third_factor_out : (1,) int8, in step T + 1: 1 where an output neuron has desire, 0 where none
        has, −1 where there is no label; connections hear it where the config follows mean rates.

    Vars
    ----
    counts : (N_L,) int64, spikes so far in this window.
    last_spikes : (N_L,) int64, steps of their last spikes in this window; 0 where silent.
    desire : (N_L,) int8, of the latest window.
    prediction : (1,) int64, of the latest window.
    num_samples, num_correct, num_active : (1,) int64, since the start: samples, those predicted
        correctly, and those with a desire.
    confusion : (N_L, N_L + 1) int64, since the start: samples by label (row) and prediction
        (column), the last column undecided.
    loss : (1,) float64, since the start: squared output error, summed over classes and samples
        (Eq. 5 and 6).

    Raises
    ------
    ValueError
        If config is none.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(self, *, config: DesireConfig, **options: Any) -> None:
        check_options(type(self), options)
        check_layer(config, 1)
        super().__init__(config=config, **options)
        size = config.num_classes
        self.s_in = InPort(shape=(size,))
        self.label_in = InPort(shape=(1,))
        self.desire_out = OutPort(shape=(size,))
        self.prediction_out = OutPort(shape=(1,))
        self.counts_out = OutPort(shape=(size,))
        self.third_factor_out = OutPort(shape=(1,))
        self.counts = CheckedVar((size,), 0, A_COUNT)
        self.last_spikes = CheckedVar((size,), 0, A_COUNT)
        self.desire = CheckedVar((size,), 0, TERNARY)
        self.prediction = CheckedVar((1,), -1, within(-1, size - 1))
        self.num_samples = CheckedVar((1,), 0, A_COUNT)
        self.num_correct = CheckedVar((1,), 0, A_COUNT)
        self.num_active = CheckedVar((1,), 0, A_COUNT)
        self.confusion = CheckedVar((size, size + 1), 0, A_COUNT)
        self.loss = CheckedVar((1,), 0, within(0, np.inf))
