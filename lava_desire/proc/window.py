"""The time steps of one sample: where in its window a process is.

A window has T + L steps for L plastic layers, counted from 1:

=============  =====================================================================
1              state is reset, dropout masks are drawn
1 to T         the encoder sends the spikes of t = step − 1, an image's or those it is fed
2 to T + 1     the layers run t = step − 2
T + 1          the teacher sends the output desire to connection L
T + 2 …        connection ℓ + 1 sends z, layer ℓ its desire to connection ℓ
T + L          connection 1 has its desire
=============  =====================================================================
"""

from __future__ import annotations

from lava_desire.config import DesireConfig

UNLABELLED = -1
"""The third factor of a sample without a label: nothing is learned from it."""


def step_in_window(time_step: int, config: DesireConfig) -> int:
    """Return where in its window Lava's time step is, in 1 to T + L."""
    return (time_step - 1) % config.window_steps + 1


def sample_shape(batch_size: int, num_neurons: int) -> tuple[int, ...]:
    """Return the shape of a port that carries a value a neuron: (N,), or (B, N) where B > 1."""
    return (num_neurons,) if batch_size == 1 else (batch_size, num_neurons)
