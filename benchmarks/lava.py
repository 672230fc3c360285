"""Time a step of a Lava network that learns beside a chain of stock Lava processes, in one run.

``make bench-lava`` prints the table and writes ``benchmarks/results/lava.json``. The chain has as
many processes as the network and ports of the same sizes: RingBuffer, LIF, then Dense and LIF for
each layer, RingBuffer. It sends forward only; the network sends desires and z backward besides, and
learns. All cases exist at the same time and take turns; the fastest round of each counts.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig
from lava_desire._provenance import commit
from lava_desire.lava_runtime import install, uninstall
from lava_desire.proc import DesireDense, DesireLIF, DesireTeacher, RateEncoder, SampleSource
from lava_desire.randomness import initial_weights

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.dense.process import Dense  # isort: skip
from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
from lava.proc.io.source import RingBuffer as Source  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip

RESULT = Path(__file__).parent / "results" / "lava.json"
NETWORKS = ((64, 200, 100, 10), (784, 200, 100, 10))
ROUNDS = 15
WINDOWS = 10


def desire_network(config: DesireConfig, images: Any, labels: Any, learning: bool) -> Any:
    """Compose source, encoder, connections, layers and teacher; return the teacher."""
    weights = initial_weights(config.layer_sizes, config.seed)
    source = SampleSource(config=config, images=images, labels=labels)
    below: Any = RateEncoder(config=config)
    teacher = DesireTeacher(config=config)
    source.brightness_out.connect(below.brightness_in)
    source.label_out.connect(teacher.label_in)
    layers = [DesireLIF(config=config, layer=k + 1) for k in range(config.num_layers)]
    for number, layer in enumerate(layers, start=1):
        dense = DesireDense(
            config=config, layer=number, weights=weights[number - 1], learning_enabled=learning
        )
        below.s_out.connect(dense.s_in)
        dense.a_out.connect(layer.a_in)
        layer.s_out.connect(dense.s_post_in)
        (teacher if layer is layers[-1] else layer).desire_out.connect(dense.desire_in)
        if number > 1:
            dense.z_out.connect(below.z_in)
        below = layer
    below.s_out.connect(teacher.s_in)
    return teacher


def stock_chain(config: DesireConfig, images: Any) -> Any:
    """Compose as many stock processes, with ports of the same sizes; return the last."""
    weights = initial_weights(config.layer_sizes, config.seed)
    source = Source(data=images.T.astype(float))
    below: Any = LIF(shape=images.shape[1:], vth=1.0, dv=0.0, du=1.0)
    source.s_out.connect(below.a_in)
    for matrix in weights:
        dense = Dense(weights=matrix.astype(float))
        layer = LIF(shape=matrix.shape[:1], vth=1.0, dv=0.25, du=1.0)
        below.s_out.connect(dense.s_in)
        dense.a_out.connect(layer.a_in)
        below = layer
    sink = Sink(shape=below.s_out.shape, buffer=10)
    below.s_out.connect(sink.a_in)
    return sink


def images_for(num_inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of which 81 % of the pixels are dark, as in MNIST, or half for digits."""
    generator = np.random.default_rng(0)
    bright = generator.random((200, num_inputs)) < (0.5 if num_inputs == 64 else 0.19)
    images = (generator.integers(1, 256, bright.shape) * bright).astype(np.uint8)
    return images, generator.integers(0, 10, len(images))


def processor_seconds(process: Any) -> float:
    """Return the processor time that the children of a running network have used so far."""
    used = 0
    for actor in process._runtime._messaging_infrastructure.actors:
        fields = Path(f"/proc/{actor.pid}/stat").read_text().rsplit(")", 1)[1].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def measure(sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Time the cases in turns; return a row each."""
    config = DesireConfig(sizes, learning_rate=1e-4)
    images, labels = images_for(sizes[0])
    steps = WINDOWS * config.window_steps
    settings = Loihi2SimCfg(select_tag="floating_pt")
    uninstall()
    cases = {"stock chain, Lava's own runtime": stock_chain(config, images / 255)}
    cases["stock chain, Lava's own runtime"].run(RunSteps(1), settings)
    install(deadlock_seconds=None)
    cases["network, learning, not watched"] = desire_network(config, images, labels, learning=True)
    cases["network, learning, not watched"].run(RunSteps(1), settings)
    install()
    cases |= {
        "stock chain": stock_chain(config, images / 255),
        "network, learning": desire_network(config, images, labels, learning=True),
        "network, learning off": desire_network(config, images, labels, learning=False),
    }
    for process in cases.values():  # starts the children
        process.run(RunSteps(config.window_steps), settings)
    best = dict.fromkeys(cases, float("inf"))
    used = dict.fromkeys(cases, 0.0)
    try:
        for _ in range(ROUNDS):
            for name, process in cases.items():
                before, started = processor_seconds(process), time.perf_counter()
                process.run(RunSteps(steps), settings)
                best[name] = min(best[name], (time.perf_counter() - started) / steps)
                used[name] += (processor_seconds(process) - before) / (steps * ROUNDS)
    finally:
        for process in cases.values():
            process.stop()
    reference = best["stock chain, Lava's own runtime"]
    return [
        {
            "network": "-".join(map(str, sizes)),
            "case": name,
            "steps_per_second": 1 / seconds,
            "time_relative_to_chain": seconds / reference,
            "processor_ms_per_step": 1e3 * used[name],
        }
        for name, seconds in best.items()
    ]


def main() -> None:
    """Measure, print and write."""
    rows = [row for sizes in NETWORKS for row in measure(sizes)]
    for row in rows:
        print(
            f"{row['network']:15} {row['case']:34} {row['steps_per_second']:7.0f} steps/s "
            f"{row['time_relative_to_chain']:6.2f} x the chain's time "
            f"{row['processor_ms_per_step']:6.2f} ms of processor a step"
        )
    from lava_desire.cli.machine import environment

    result = {
        "load": os.getloadavg()[0],
        "command": "make bench-lava",
        "commit": commit(),
        "rounds": ROUNDS,
        "windows_a_round": WINDOWS,
        "environment": environment(),
        "results": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
