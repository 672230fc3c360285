"""The plastic convolution."""

from __future__ import annotations

from lava_desire.model.conv2d import Conv2d
from lava_desire.proc.desire_connection.process import DesireConnection


class DesireConv(DesireConnection):
    """A convolution that learns: trace STDP, gated by the desire of its neurons.

    a[o,y,x] = Σ_{c,i,j} W[o,c,i,j] g·u[c, y·s_h+i−p_h, x·s_w+j−p_w]  (Eq. 1), and likewise, over
    the same pairs of neurons, ΔW (Eq. 4), the sum over positions, and z (Eq. 13).

    Its weights are (C', C, k_h, k_w); messages are flat, in C order of (C, H, W). Parameters (g is
    of Eq. 16), ports, Vars and errors are those of :class:`~lava_desire.proc.DesireConnection`.

    Examples
    --------
    A convolution between processes of one's own, here a stock source of spikes:

    >>> import numpy as np
    >>> from lava.magma.core.run_conditions import RunSteps
    >>> from lava.proc.io.source import RingBuffer
    >>> from lava_desire import Conv2d, Dense, DesireConfig
    >>> from lava_desire.proc import DesireConv, DesireLIF, DesireSimCfg
    >>> config = DesireConfig(layers=[Conv2d(2, 3, stride=2), Dense(3)], input_shape=(1, 5, 5))
    >>> weights = np.full((2, 1, 3, 3), [[[[1.0]]], [[[0.5]]]], np.float32)
    >>> source = RingBuffer(data=np.ones((25, config.window_steps)))
    >>> convolution = DesireConv(config=config, layer=1, weights=weights, learning_enabled=False)
    >>> neurons = DesireLIF(config=config, layer=1)
    >>> source.s_out.connect(convolution.s_in)
    >>> convolution.a_out.connect(neurons.a_in)
    >>> neurons.s_out.connect(convolution.s_post_in)
    >>> neurons.run(RunSteps(2), DesireSimCfg("floating_pt"))
    >>> neurons.potential.get().reshape(2, 2, 2)  # 9 spikes meet a kernel; 1 was deducted
    array([[[8. , 8. ],
            [8. , 8. ]],
    <BLANKLINE>
           [[3.5, 3.5],
            [3.5, 3.5]]])
    >>> neurons.stop()
    """

    kind = Conv2d
