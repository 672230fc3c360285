"""A cost of spikes."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import AT_LEAST_0, real
from lava_desire.model.option import LayerUpdate, Term


@dataclass(frozen=True)
class SpikeCost(Term):
    """Neurons that spike with desire lose weight at all inputs: ΔW = −η · κ · |Σ_b d_o n_o|.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_desire import DesireConfig
    >>> config = DesireConfig((3, 2), spike_cost=0.5)
    >>> spikes = np.array([8, -2])
    >>> update = LayerUpdate(config, 1, 0.25, 1, None, None, lambda: spikes, 1.0)
    >>> config.terms[0].factors(update)
    (array([-1.  , -0.25], dtype=float32), array([1., 1., 1.], dtype=float32))
    """

    spike_cost: float = real(
        0.0,
        AT_LEAST_0,
        doc="Weight κ, at least 0, that a spike with desire costs each synapse, times η; 0, the "
        "paper's rule, costs nothing.",
        help="Cost of a spike.",
        example=0.5,
    )

    def factors(self, update: LayerUpdate) -> tuple[Array, Array] | None:
        """See :class:`~lava_desire.model.option.Term`."""
        spikes = update.desired_spikes()
        xp = namespace(spikes)
        cost = -update.learning_rate * self.spike_cost * xp.astype(xp.abs(spikes), xp.float64)
        num_inputs = update.config.num_neurons(update.layer - 1)
        ones = xp.ones(num_inputs, dtype=xp.float32, device=array_api_compat.device(spikes))
        return xp.astype(cost, xp.float32), ones
