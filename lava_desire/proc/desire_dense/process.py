"""The plastic connection, all to all."""

from __future__ import annotations

from lava_desire.model.synapses import Dense
from lava_desire.proc.desire_connection.process import DesireConnection


class DesireDense(DesireConnection):
    """A connection, all to all, that learns: trace STDP, gated by the desire of its neurons.

    a = W (g·u)  (Eq. 1);  ΔW = η · d ⊗ Σ_t s[t] r[t]  (Eq. 4);  z = Wᵀ c  (Eq. 13)

    Its weights are (N_ℓ, N_{ℓ−1}). Parameters (g is of Eq. 16), ports, Vars and errors are those of
    :class:`~lava_desire.proc.DesireConnection`.
    """

    kind = Dense
