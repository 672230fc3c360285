"""Word lengths of the integers; ``docs/fixed_point.md`` gives the reasons."""

from __future__ import annotations

WEIGHT_BITS = range(2, 9)
WEIGHT_EXPONENTS = range(-8, 8)
XYLO_THRESHOLDS = range(1, 2**15)
# One spike a step at most: a potential of Xylo is cut at 2^15 − 1, below two such thresholds. Its
# output neurons spike once a step whatever theirs are.
XYLO_HIDDEN_THRESHOLDS = range(2**14, 2**15)
XYLO_SHIFTS = range(8)
STATE_BITS = 24
STATE_LIMIT = 2 ** (STATE_BITS - 1) - 1
# Loihi 1 sums a step's input in 22 bits, six of them below our unit, and wraps around.
LOIHI_SUM_LIMIT = 2**15 - 1
FEEDBACK_LIMIT = 2**9 - 1
ACCUMULATOR_LIMIT = 2**31 - 1
DECAY_BITS = 12
ALIGNMENT_BITS = 6
THRESHOLD_BITS = 17
TRACE_LIMIT = 127
IMPULSE_BITS = 8
MAX_INPUTS = 2**24
MAX_SHIFT = 31
