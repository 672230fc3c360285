"""A network of Lava's own processes alone; the two lines that are marked are all that was added."""

from lava_desire.lava_runtime import install  # added

install()  # added

import time

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor

STEPS = 2000

layers = [LIF(shape=(50,), du=0.5, dv=0.1, vth=5.0, bias_mant=1.0)]
for _ in range(4):
    connection = Dense(weights=np.random.default_rng(0).normal(0.1, 0.2, (50, 50)))
    layer = LIF(shape=(50,), du=0.5, dv=0.1, vth=1.0)
    layers[-1].s_out.connect(connection.s_in)
    connection.a_out.connect(layer.a_in)
    layers.append(layer)
monitor = Monitor()
monitor.probe(layers[-1].s_out, STEPS)

try:
    layers[0].run(RunSteps(1), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
    began = time.perf_counter()
    layers[0].run(RunSteps(STEPS - 1))
    seconds = time.perf_counter() - began
    spikes = monitor.get_data()[layers[-1].name]["s_out"]
finally:
    layers[0].stop()
print(f"{int(spikes.sum())} spikes in {STEPS} steps, {STEPS / seconds:.0f} steps a second")
