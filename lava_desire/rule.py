"""Desire backpropagation, one pure function an equation.

The functions take NumPy arrays and torch tensors alike and return what they were given. Shapes are
written time first: T time steps, B samples, N neurons; (..., N) means any leading dimensions.
Equation numbers are those of Gerlinghoff et al., "Desire backpropagation", Neurocomputing 2023.

Sums over synapses are accumulated in float64 and rounded once to float32. The order of the sum
then decides no spike, and every backend that does the same computes the same bits.
"""

from __future__ import annotations

from lava_desire.model.arrays import Array
from lava_desire.model.decision import UNDECIDED, last_spikes, predict
from lava_desire.model.dense import backpropagate_error, desired_pairings, synaptic_current
from lava_desire.model.desire import (
    hidden_desire,
    local_error,
    local_loss,
    output_desire,
    output_error,
    ternarize,
)
from lava_desire.model.encoding import encode, encode_step
from lava_desire.model.neurons import firing_rate, integrate_and_fire
from lava_desire.model.options.class_margin import margin_desire
from lava_desire.model.options.eligibility import eligible_error, near_threshold
from lava_desire.model.options.image_brightness import equalize_brightness
from lava_desire.model.options.off_channel import off_levels
from lava_desire.model.options.rate_floor import LIFT, rate_floor_change
from lava_desire.model.options.synapse_decay import filter_current
from lava_desire.model.options.trace_baseline import baseline_change
from lava_desire.model.options.weight_limit import limit_weights
from lava_desire.model.plasticity import decay_trace, weight_change
from lava_desire.model.rates import follow_rate, mean_trace

__all__ = [
    "Array",
    "LIFT",
    "UNDECIDED",
    "backpropagate_error",
    "baseline_change",
    "decay_trace",
    "desired_pairings",
    "eligible_error",
    "encode",
    "encode_step",
    "equalize_brightness",
    "filter_current",
    "firing_rate",
    "follow_rate",
    "hidden_desire",
    "integrate_and_fire",
    "last_spikes",
    "limit_weights",
    "local_error",
    "local_loss",
    "margin_desire",
    "mean_trace",
    "near_threshold",
    "off_levels",
    "output_desire",
    "output_error",
    "predict",
    "rate_floor_change",
    "synaptic_current",
    "ternarize",
    "weight_change",
]
