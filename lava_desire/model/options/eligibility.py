"""Synapses that may learn where the potential is near the threshold, in place of at spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.arrays import Array
from lava_desire.model.desire import kept_desire
from lava_desire.model.fields import FloatRange, real
from lava_desire.model.option import EligibilityPolicy

_WORDS = "0, or 2**-10 <= {name} <= 1, as narrower bands may hold no float32"
_WIDTH = FloatRange(_WORDS, lambda value: 0 <= value <= 1, _WORDS, 2.0**-10, 1.0)


@dataclass(frozen=True)
class EligibilityWidth(EligibilityPolicy):
    """Hidden neurons learn near their threshold: :func:`near_threshold`, :func:`eligible_error`."""

    is_quiet: ClassVar[bool] = True
    integers: ClassVar[bool] = True

    eligibility_width: float = real(
        0.0,
        _WIDTH,
        doc="Width w, in [2**-10, 1] thresholds, of the band around the threshold in which a "
        "potential makes a hidden neuron's synapses eligible: "
        ":func:`~lava_desire.rule.near_threshold`. Such a time step stands for a spike in Eq. 4, "
        "and in Eq. 14: :func:`~lava_desire.rule.eligible_error`. Output neurons learn in every "
        "step. 0, the paper's rule, learns at spikes.",
        help="Learn this near the threshold, a share of it.",
        example=0.5,
    )

    def eligible(self, potential: Array, threshold: float) -> Array:
        """See :class:`~lava_desire.model.option.EligibilityPolicy`."""
        return near_threshold(potential, threshold, self.eligibility_width)

    def band(self, threshold: float) -> tuple[float, float]:
        """See :class:`~lava_desire.model.option.EligibilityPolicy`."""
        return _band(threshold, self.eligibility_width)

    def error(self, desire: Array, share: Array, mask: Array | None = None) -> Array:
        """See :class:`~lava_desire.model.option.EligibilityPolicy`."""
        return eligible_error(desire, share, mask)

    def integer_error(self, desire: Array, counts: Array, mask: Array | None = None) -> Array:
        """See :class:`~lava_desire.model.option.EligibilityPolicy`."""
        return kept_desire(desire, counts, mask) * counts


def _band(threshold: float, width: float) -> tuple[float, float]:
    """Return θ (1 − w) and θ (1 + w), rounded to float32."""
    import numpy as np

    return float(np.float32(threshold * (1 - width))), float(np.float32(threshold * (1 + width)))


def near_threshold(potential: Array, threshold: float, width: float) -> Array:
    """Tell which neurons are near their threshold: e = [θ (1 − w) < p < θ (1 + w)].

    Beyond the paper. p is the potential before its reset. With e[t] in place of the spike, Eq. 4
    reads ΔW = η Σ_b d_o Σ_t e_o[t] r_i[t]: a surrogate gradient, whose derivative of a spike is a
    box (see "Desires and gradients" in the documentation), with a ternary error. A neuron that
    spikes in every step, far above its threshold, no longer learns; one that stays silent just
    below it does. Output neurons learn in every step, e = 1, near the threshold or not: Eq. 4 is
    the delta rule there, with a ternary error and a trace.

    Parameters
    ----------
    potential : array
        p, β·p[t−1] + a[t], before a spike is deducted, (..., N) float32.
    threshold : float
        θ > 0.
    width : float
        w in [2**-10, 1], in thresholds; both ends of the band, rounded to float32, are outside.

    Returns
    -------
    array
        e, (..., N) bool.

    Examples
    --------
    >>> import numpy as np
    >>> near_threshold(np.array([0.5, 0.75, 1.25, 1.5], np.float32), threshold=1.0, width=0.5)
    array([False,  True,  True, False])
    """
    low, high = _band(threshold, width)
    return (potential > low) & (potential < high)


def eligible_error(desire: Array, share: Array, mask: Array | None = None) -> Array:
    """Return the local error of a neuron that learns near its threshold: c = d · ē.

    In place of Eq. 14. What a neuron passes back is its desire, times the share of the window in
    which it was near its threshold, where a small change moves its spikes. Eq. 14 passes a desire
    for more spikes on with nearly 1, and one for fewer with nearly 0, where a neuron hardly spikes.

    Parameters
    ----------
    desire : array
        d, (..., N) int8 in {−1, 0, +1}.
    share : array
        ē, steps near the threshold by T, (..., N) float32 in [0, 1].
    mask : array, optional
        Dropout mask, broadcast to (..., N) bool.

    Returns
    -------
    array
        c, (..., N) float32.

    Examples
    --------
    >>> import numpy as np
    >>> eligible_error(np.array([1, -1, 0], np.int8), np.array([0.5, 0.25, 0.5], np.float32))
    array([ 0.5 , -0.25,  0.  ], dtype=float32)
    """
    return kept_desire(desire, share, mask) * share
