"""Output desires from the order of spike counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.desire import is_target
from lava_desire.model.fields import integer
from lava_desire.model.option import OutputPolicy

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class ClassMargin(OutputPolicy):
    """Output desires from the order of spike counts: :func:`margin_desire`."""

    position: ClassVar[int] = 90
    integers: ClassVar[bool] = True

    class_margin: int = integer(
        0,
        0,
        2**12,
        doc="Lead M in spikes, in [0, T], that a sample's class should have over all others; "
        "output desires then follow from the order of counts, not from θ_out: "
        ":func:`~lava_desire.rule.margin_desire`. 0 is the paper's rule.",
        help="Lead in spikes.",
        example=4,
    )

    def check(self, config: DesireConfig) -> None:
        """See :class:`~lava_desire.model.fields.Part`."""
        if self.class_margin > config.num_steps:
            raise ValueError(
                f"class_margin is {self.class_margin}: expected class_margin <= num_steps, "
                f"and num_steps is {config.num_steps}"
            )

    def desire(self, counts: Array, labels: Array) -> Array:
        """See :class:`~lava_desire.model.option.OutputPolicy`."""
        return margin_desire(counts, labels, self.class_margin)


def margin_desire(counts: Array, labels: Array, margin: int) -> Array:
    """Derive the output neurons' desire from their order, where Eq. 11 does from each rate.

    Beyond the paper: unless the neuron of the sample's class leads all others by the margin, it
    wants more spikes, and those with the most spikes among the others want fewer. Only differences
    of counts matter, not how much a neuron spikes.

    Parameters
    ----------
    counts : array
        n, spikes of the window, (B, K) int64.
    labels : array
        (B,) integers in [0, K).
    margin : int
        M ≥ 1 in spikes.

    Returns
    -------
    array
        d, (B, K) int8: +1 or 0 for the sample's class, −1 or 0 for the others.

    Examples
    --------
    >>> import numpy as np
    >>> margin_desire(np.array([[9, 6, 1], [9, 2, 1]]), np.array([0, 0]), margin=4)
    array([[ 1, -1,  0],
           [ 0,  0,  0]], dtype=int8)
    """
    xp = namespace(counts, labels)
    target = is_target(counts, labels)
    others = xp.where(target, xp.zeros_like(counts), counts)
    most = xp.max(others, axis=-1, keepdims=True)
    own = xp.sum(counts - others, axis=-1, keepdims=True)
    is_close = own - most < margin
    wants_less = is_close & (others == most) & (others > 0)
    return xp.astype(target & is_close, xp.int8) - xp.astype(wants_less, xp.int8)
