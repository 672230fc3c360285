"""A synaptic current that lasts longer than the step of its spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array
from lava_desire.model.fields import BELOW_1, NETWORK, real
from lava_desire.model.option import CurrentFilter


@dataclass(frozen=True)
class SynapseDecay(CurrentFilter):
    """A filter between synapses and membrane: :func:`filter_current`. Traces pass it as well."""

    is_quiet: ClassVar[bool] = True
    integers: ClassVar[bool] = True
    single_samples: ClassVar[bool] = True

    synapse_decay: float = real(
        0.0,
        BELOW_1,
        doc="What a step leaves of a synaptic current, α in [0, 1): "
        ":func:`~lava_desire.rule.filter_current`. 0, the paper's neuron, leaves nothing.",
        help="What a step leaves of a current.",
        panel=NETWORK,
        example=0.5,
    )


def filter_current(current: Array, activation: Array, decay: float) -> Array:
    """Let what is left of synaptic currents add to those of a time step: i[t] = α·i[t−1] + a[t].

    Beyond the paper, between the sum of Eq. 1 and the rest of it. The activation a = W (g·u) is a
    sum in float64, rounded to float32; then the product is rounded to float32, then the sum. i
    takes the place of a in :func:`~lava_desire.rule.integrate_and_fire`. The trace of Eq. 3 is what
    a weight of 1 has put into the potential, and passes the same two filters, in float64:
    x[t] = α·x[t−1] + u[t], r[t] = β·r[t−1] + x[t].

    Parameters
    ----------
    current : array
        i before the step, (..., N) float32; 0 when a window begins.
    activation : array
        a of this step, (..., N) float32.
    decay : float
        α in [0, 1); 0 returns the activation.

    Returns
    -------
    array
        i, (..., N) float32.

    Examples
    --------
    >>> import numpy as np
    >>> current = np.zeros(1, np.float32)
    >>> for activation in (1, 0, 0, 1):
    ...     current = filter_current(current, np.float32([activation]), decay=0.5)
    ...     print(current)
    [1.]
    [0.5]
    [0.25]
    [1.125]
    """
    return decay * current + activation
