"""Runs stock processes in fixed point, up to the ends of their ranges; prints what each has sent.

``python fixed_traces.py`` prints JSON, a digest of every trace, so that two Pythons and two NumPys
can be compared, and each with ``fixed_traces.json``, recorded on Python 3.10 with NumPy 1.26.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.atrlif.process import ATRLIF
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.graded.process import (
    GradedReluVec,
    GradedVec,
    InvSqrt,
    NormVecDelay,
)
from lava.proc.io.encoder import DeltaEncoder, PyDeltaEncoderModelDense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF, LIFReset, TernaryLIF
from lava.proc.prodneuron.process import ProdNeuron
from lava.proc.rf.process import RF
from lava.proc.rf_iz.process import RF_IZ
from lava.proc.sdn.process import Delta, Sigma, SigmaDelta
from lava.proc.sparse.process import Sparse

from lava_desire import DesireConfig
from lava_desire.proc import DesireSequential, SampleSource

STEPS, N = 40, 6
SHAPE = (N,)


def traces() -> dict[str, str]:
    """Run them all, and return the digest of what each sent."""
    random = np.random.RandomState(1)
    weights = random.randint(-128, 128, (N, N))
    spikes = Source(data=random.randint(0, 2, (N, STEPS)))
    # Of every size that a message of 24 bits has, and of both signs.
    sizes = random.randint(0, 24, (N, STEPS))
    levels = Source(data=random.randint(0, 1 << sizes) * random.choice([-1, 1], (N, STEPS)))
    positive = Source(data=random.randint(1, 1 << np.minimum(sizes + 1, 23)))
    plane = Source(data=random.randint(-128, 128, (130, 1, 1, STEPS)))

    neurons: dict[str, Any] = {
        "lif": LIF(shape=SHAPE, vth=100, du=400, dv=900, bias_mant=random.randint(-4096, 4096, N)),
        "bias": LIF(shape=SHAPE, vth=131071, du=4095, dv=1, bias_mant=4095, bias_exp=7),
        "ternary": TernaryLIF(shape=SHAPE, vth_hi=90, vth_lo=-70, du=300, dv=100),
        "reset": LIFReset(shape=SHAPE, vth=1000, du=30, dv=10, reset_interval=7),
        "adaptive": ATRLIF(shape=SHAPE, delta_i=400, delta_v=300, theta_0=200, bias_mant=5),
        "sigma": Sigma(shape=SHAPE),
        "delta": Delta(shape=SHAPE, vth=10, cum_error=True, spike_exp=2, state_exp=3),
        "sigma delta": SigmaDelta(shape=SHAPE, vth=7, bias=-3, spike_exp=1, state_exp=4),
        "graded": GradedVec(shape=SHAPE, vth=12),
        "graded relu": GradedReluVec(shape=SHAPE, vth=12),
        "encoder": DeltaEncoder(shape=SHAPE, vth=3, spike_exp=4),
    }
    for neuron in neurons.values():
        levels.s_out.connect(neuron.a_in)
    pairs: dict[str, Any] = {
        "product": ProdNeuron(shape=SHAPE, vth=3, exp=7),
        "norm": NormVecDelay(shape=SHAPE, vth=3, exp=6),
    }
    for pair in pairs.values():
        levels.s_out.connect(pair.a_in1)
        positive.s_out.connect(pair.a_in2)
    resonators: dict[str, Any] = {
        "resonator": RF(SHAPE, period=7, alpha=0.1, state_exp=6, decay_bits=12, vth=9),
        "resonator iz": RF_IZ(SHAPE, period=11, alpha=0.05, state_exp=6, decay_bits=12, vth=9),
    }
    for resonator in resonators.values():
        levels.s_out.connect(resonator.a_real_in)
        positive.s_out.connect(resonator.a_imag_in)
    root, total = (
        InvSqrt((1,), fp_base=12),
        Dense(weights=np.ones((1, N), int), num_message_bits=24),
    )
    positive.s_out.connect(total.s_in)
    total.a_out.connect(root.a_in)
    connections: dict[str, Any] = {
        "dense": Dense(weights=weights, weight_exp=5, num_message_bits=24),
        "coarse": Dense(weights=weights, weight_exp=-6, num_weight_bits=5, num_message_bits=24),
        "delayed": DelayDense(weights=weights, delays=random.randint(0, 4, (N, N)), weight_exp=2),
        "sparse": Sparse(weights=weights * (weights > 0), weight_exp=3, num_message_bits=24),
    }
    for name, connection in connections.items():
        (spikes if name == "delayed" else levels).s_out.connect(connection.s_in)
    convolution = Conv(
        weight=random.randint(-128, 128, (2, 2, 2, 1)),
        weight_exp=3,
        input_shape=(130, 1, 1),
        padding=(1, 1),
        num_message_bits=8,
    )
    plane.s_out.connect(convolution.s_in)

    rule = STDPLoihi(
        learning_rate=1, A_plus=1, A_minus=-1, tau_plus=10, tau_minus=10, t_epoch=2, rng_seed=5
    )
    learning = LearningDense(weights=weights // 2, learning_rule=rule)
    learner = LIF(shape=SHAPE, vth=5, du=1000, dv=400)
    spikes.s_out.connect(learning.s_in)
    learning.a_out.connect(learner.a_in)
    learner.s_out.connect(learning.s_in_bap)

    ports = {name: neuron.s_out for name, neuron in {**neurons, **pairs, **resonators}.items()}
    ports |= {name: connection.a_out for name, connection in connections.items()}
    ports |= {"inverse root": root.s_out, "norm, second": pairs["norm"].s2_out}
    ports |= {"learner": learner.s_out, "learning": learning.a_out, "plane": convolution.a_out}
    sinks = {name: Sink(shape=port.shape, buffer=STEPS) for name, port in ports.items()}
    for name, port in ports.items():
        port.connect(sinks[name].a_in)
    kept = {"a network's learned weights": learned_by_desire()}
    by_hand = {DeltaEncoder: PyDeltaEncoderModelDense}  # its tags say what it sends
    settings = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=by_hand)
    for process in (spikes, levels, plane):
        try:
            process.run(RunSteps(STEPS), settings)
            mine = {n: s for n, s in sinks.items() if s.runtime is process.runtime}
            kept |= {name: sink.data.get() for name, sink in mine.items()}
            if process is spikes:
                kept["learned weights"] = learning.weights.get()
        finally:
            process.stop()
    # A constant trace would be equal whatever is done to it.
    constant = [name for name, array in kept.items() if array.min() == array.max()]
    assert not constant, constant
    return {name: _digest(array) for name, array in sorted(kept.items())}


def learned_by_desire() -> Any:
    """Return the weights that a network learns in integers."""
    config = DesireConfig((N, 20, 3), num_steps=8, error_margin=1, learning_rate=1e-2, seed=2)
    images = np.random.RandomState(2).random_sample((8, N)).astype(np.float32)
    source = SampleSource(config=config, images=images, labels=np.arange(8) % 3)
    network = DesireSequential(config=config)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    try:
        network.run(RunSteps(8 * config.window_steps), Loihi2SimCfg(select_tag="fixed_pt"))
        return np.concatenate([weights.get().ravel() for weights in network.weights])
    finally:
        network.stop()


def _digest(array: Any) -> str:
    numbers = np.asarray(array, np.float64)
    return hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    print(json.dumps(traces(), indent=1))
