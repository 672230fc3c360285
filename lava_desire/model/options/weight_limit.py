"""Weights of limited magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import AT_LEAST_0, real
from lava_desire.model.option import Bound


@dataclass(frozen=True)
class WeightLimit(Bound):
    """Weights of limited magnitude: :func:`limit_weights`."""

    position: ClassVar[int] = 70
    integers: ClassVar[bool] = True

    weight_limit: float = real(
        0.0,
        AT_LEAST_0,
        doc="Magnitude, at least 0, beyond which no weight goes: it is clipped, at first and after "
        "every change. 0, the paper's rule, sets no limit.",
        help="Largest magnitude of weights.",
        example=0.9,
    )

    def limit(self) -> float:
        """See :class:`~lava_desire.model.option.Bound`."""
        return self.weight_limit


def limit_weights(weights: Array, limit: float) -> Array:
    """Clip weights to [−limit, limit]; as they are where the limit is 0. Beyond the paper.

    Under Eq. 4 a neuron that spikes much changes much, up and down. What it gains by chance makes
    it spike more, until it spikes in every step and its weights wander; a limit ends that.

    Parameters
    ----------
    weights : array
        (N_o, N_i) float32.
    limit : float
        At least 0.

    Returns
    -------
    array
        (N_o, N_i) float32.

    Examples
    --------
    >>> import numpy as np
    >>> limit_weights(np.array([[-0.5, 0.125, 0.75]], np.float32), limit=0.25)
    array([[-0.25 ,  0.125,  0.25 ]], dtype=float32)
    """
    if limit == 0:
        return weights
    xp = namespace(weights)
    return xp.clip(weights, -limit, limit)
