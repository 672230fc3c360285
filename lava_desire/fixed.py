"""Desire backpropagation in Loihi's integers; ``docs/fixed_point.md`` is the specification.

One function an equation, as :mod:`lava_desire.rule` has in floating point; :class:`LayerFormat`
says how weights are written, :class:`IntegerRule` holds every constant of a network.
"""

from lava_desire.model.integers import *  # noqa: F403  (a door, with its __all__)
from lava_desire.model.integers import __all__ as __all__
