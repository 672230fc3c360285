"""The teacher."""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lava_desire.config import DesireConfig
from lava_desire.proc.checks import check_layer


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
    s_in : (N_L,) bool, output spikes.
    label_in : (1,) int64, the class in [0, N_L), read in step T + 1 of a window.
    desire_out : (N_L,) int8, in step T + 1; zeros otherwise.
    prediction_out : (1,) int64, in step T + 1: the class, or −1 where the network is undecided.
    counts_out : (N_L,) int64, in step T + 1: spikes of the window.
    third_factor_out : (1,) bool, in step T + 1: whether any output neuron has desire, which
        connections hear where the config's mean rates are over such samples alone (`rates_over`).

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
    """

    _runtime: Any = None  # Lava's __del__ asks for it, of a refused process as well

    def __init__(self, *, config: DesireConfig, **options: Any) -> None:
        check_layer(config, 1)
        super().__init__(config=config, **options)
        size = config.layer_sizes[-1]
        self.s_in = InPort(shape=(size,))
        self.label_in = InPort(shape=(1,))
        self.desire_out = OutPort(shape=(size,))
        self.prediction_out = OutPort(shape=(1,))
        self.counts_out = OutPort(shape=(size,))
        self.third_factor_out = OutPort(shape=(1,))
        self.counts = Var(shape=(size,), init=0)
        self.last_spikes = Var(shape=(size,), init=0)
        self.desire = Var(shape=(size,), init=0)
        self.prediction = Var(shape=(1,), init=-1)
        self.num_samples = Var(shape=(1,), init=0)
        self.num_correct = Var(shape=(1,), init=0)
        self.num_active = Var(shape=(1,), init=0)
        self.confusion = Var(shape=(size, size + 1), init=0)
        self.loss = Var(shape=(1,), init=0)
