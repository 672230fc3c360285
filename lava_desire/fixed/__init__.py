"""Desire backpropagation in Loihi's integers; ``docs/fixed_point.md`` is the specification.

``lava_desire.fixed.arithmetic`` has one function an equation, as :mod:`lava_desire.rule` has in
floating point; :class:`LayerFormat` says how weights are written, :class:`IntegerRule` holds every
constant of a network.
"""

from lava_desire.fixed.arithmetic import (
    add_change,
    apply_exponent,
    backpropagate_error,
    decay_toward_zero,
    decay_trace,
    encode,
    encode_step,
    gather_pairings,
    hidden_desire,
    integer_brightness,
    integrate_and_fire,
    local_error,
    output_desire,
    saturate,
    synaptic_activation,
    weight_change,
)
from lava_desire.fixed.constants import IntegerRule
from lava_desire.fixed.format import (
    LayerFormat,
    as_mantissas,
    default_formats,
    dequantize_weights,
    formats_from_dicts,
    quantize_weights,
)

__all__ = [
    "IntegerRule",
    "LayerFormat",
    "add_change",
    "apply_exponent",
    "as_mantissas",
    "backpropagate_error",
    "decay_toward_zero",
    "decay_trace",
    "default_formats",
    "dequantize_weights",
    "encode",
    "encode_step",
    "formats_from_dicts",
    "gather_pairings",
    "hidden_desire",
    "integer_brightness",
    "integrate_and_fire",
    "local_error",
    "output_desire",
    "quantize_weights",
    "saturate",
    "synaptic_activation",
    "weight_change",
]
