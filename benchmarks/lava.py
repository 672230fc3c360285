"""Time a step of a Lava network that learns beside a chain of stock Lava processes, in one run.

``make bench-lava`` prints the table and writes ``benchmarks/results/lava.json``. The chain has as
many processes as the network and ports of the same sizes: RingBuffer, LIF, then Dense and LIF for
each layer, RingBuffer. It sends forward only; the network sends desires and z backward besides, and
learns. Both run on Lava as released, forked by our runtime, and in one process, where models step
in compiled code, of which the kernels are there from the beginning, or by their own methods. All
cases exist at the same time and take turns, about as long each; of each, the fastest round counts,
and the mean processor time.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import time
from collections.abc import Callable
from itertools import pairwise
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
LAVA = "lava"
"""What Lava's own runtime is called among the modes of ours."""

BY_METHODS = "one, by methods"
"""In one process, without compiled steps."""

_COMPARED = {
    "processes": (LAVA,),
    "one": (LAVA, "processes", BY_METHODS),
    BY_METHODS: (LAVA, "processes"),
}

NETWORKS = ((64, 200, 100, 10), (784, 200, 100, 10))
WIDTHS = (100, 200, 350, 500, 700, 1000, 1400, 2000)
ROUNDS = 15
SECONDS = 0.3
"""How long a round of a case takes, about; a short one would count what the others left cold."""


def desire_network(config: DesireConfig, images: Any, labels: Any, learning: bool) -> Any:
    """Compose source, encoder, connections, layers and teacher; return the teacher."""
    weights = initial_weights(config)
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
    weights = initial_weights(config)
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
    """Return the processor time that this process and the children of a network have used."""
    ticks = 0
    for actor in process._runtime._messaging_infrastructure.actors:
        fields = Path(f"/proc/{actor.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()


def started(mode: str, build: Callable[[], Any], settings: Any) -> Any:
    """Build a network and run its first step on Lava's own runtime, or in a mode of ours."""
    if mode == LAVA:
        uninstall()
    elif mode == BY_METHODS:
        install("one", compiled="never")
    else:
        install(mode, compiled="now")
    process = build()
    process.run(RunSteps(1), settings)
    return process


def take_turns(
    cases: dict[Any, Any], window_steps: int, rounds: int
) -> tuple[dict[Any, float], dict[Any, float]]:
    """Run networks in turns; return of each the least time and the mean processor time of a step.

    They are stopped at the end.
    """
    steps = {}
    best = dict.fromkeys(cases, float("inf"))
    used = dict.fromkeys(cases, 0.0)
    try:
        for case, process in cases.items():
            process.run(RunSteps(window_steps))
            began = time.perf_counter()
            process.run(RunSteps(5 * window_steps))
            windows = math.ceil(5 * SECONDS / (time.perf_counter() - began))
            steps[case] = windows * window_steps
        for _ in range(rounds):
            for case, process in cases.items():
                before, began = processor_seconds(process), time.perf_counter()
                process.run(RunSteps(steps[case]))
                best[case] = min(best[case], (time.perf_counter() - began) / steps[case])
                # The system counts a child's time in hundredths of a second: rounds are added up.
                used[case] += (processor_seconds(process) - before) / (steps[case] * rounds)
    finally:
        for process in cases.values():
            process.stop()
        install()
    return best, used


def measure(sizes: tuple[int, ...], rounds: int) -> list[dict[str, Any]]:
    """Time the cases in turns; return a row each."""
    config = DesireConfig(sizes, learning_rate=1e-4)
    images, labels = images_for(sizes[0])
    settings = Loihi2SimCfg(select_tag="floating_pt")

    def chain() -> Any:
        return stock_chain(config, images / 255)

    def network() -> Any:
        return desire_network(config, images, labels, learning=True)

    def resting() -> Any:
        return desire_network(config, images, labels, learning=False)

    builders = {
        ("stock chain", LAVA): chain,
        ("stock chain", "processes"): chain,
        ("stock chain", "one"): chain,
        ("stock chain", BY_METHODS): chain,
        ("network, learning", LAVA): network,
        ("network, learning", "processes"): network,
        ("network, learning", "one"): network,
        ("network, learning", BY_METHODS): network,
        ("network, learning off", "one"): resting,
    }
    cases = {case: started(case[1], build, settings) for case, build in builders.items()}
    best, used = take_turns(cases, config.window_steps, rounds)
    return [
        {
            "network": "-".join(map(str, sizes)),
            "case": name,
            "runtime": mode,
            "steps_per_second": 1 / best[name, mode],
            "processor_ms_per_step": 1e3 * used[name, mode],
            **{
                f"{what}_less_than_{other}": of[name, other] / of[name, mode]
                for what, of in (("time", best), ("processor", used))
                for other in _COMPARED.get(mode, ())
                if (name, other) in of
            },
        }
        for name, mode in cases
    ]


def measure_widths(rounds: int) -> list[dict[str, Any]]:
    """Time networks of one width, forked and in one process: where the one becomes the faster."""
    rows = []
    settings = Loihi2SimCfg(select_tag="floating_pt")
    for width in WIDTHS:
        config = DesireConfig((width,) * 4, learning_rate=1e-4)
        images, labels = images_for(width)
        labels %= width
        builders = {
            "stock chain": functools.partial(stock_chain, config, images / 255),
            "network, learning": functools.partial(
                desire_network, config, images, labels, learning=True
            ),
        }
        cases = {
            (name, mode): started(mode, build, settings)
            for name, build in builders.items()
            for mode in ("processes", "one")
        }
        best, used = take_turns(cases, config.window_steps, rounds)
        rows += [
            {
                "width": width,
                "numbers_in_a_connection": width * width,
                "case": name,
                "steps_per_second": {mode: 1 / best[name, mode] for mode in ("processes", "one")},
                "processor_ms_per_step": {
                    mode: 1e3 * used[name, mode] for mode in ("processes", "one")
                },
            }
            for name in builders
        ]
    return rows


def measure_start(num_processes: int) -> list[dict[str, Any]]:
    """Time how long a chain of stock processes takes to compile, to start and to stop."""
    rows = []
    settings = Loihi2SimCfg(select_tag="floating_pt")
    for mode in ("processes", "one"):
        install(mode)
        neurons = [LIF(shape=(10,)) for _ in range(num_processes)]
        for one, other in pairwise(neurons):
            one.s_out.connect(other.a_in)
        marks = [time.perf_counter()]
        executable = neurons[0].compile(settings)
        marks.append(time.perf_counter())
        neurons[0].create_runtime(executable=executable)
        neurons[0].run(RunSteps(1))
        marks.append(time.perf_counter())
        neurons[0].stop()
        marks.append(time.perf_counter())
        seconds = [after - before for before, after in pairwise(marks)]
        rows.append(
            {"processes": num_processes, "runtime": mode}
            | dict(zip(("compile_s", "start_s", "stop_s"), seconds, strict=True))
        )
    install()
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--start", type=int, default=200, help="processes to start and stop; 0: keep"
    )
    parser.add_argument("--widths", type=int, default=5, help="rounds of each width; 0: keep")
    parser.add_argument("--dry", action="store_true", help="write no result")
    options = parser.parse_args(arguments)
    rows = [row for sizes in NETWORKS for row in measure(sizes, options.rounds)]
    for row in rows:
        print(
            f"{row['network']:15} {row['case']:22} {row['runtime']:15} "
            f"{row['steps_per_second']:7.0f} steps/s "
            f"{row['processor_ms_per_step']:6.3f} ms of processor a step"
        )
    starts = measure_start(options.start) if options.start else []
    for row in starts:
        print(json.dumps(row))
    widths = measure_widths(options.widths) if options.widths else []
    for row in widths:
        print(json.dumps(row))
    if options.dry:
        return
    from lava_desire.cli.machine import environment

    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    result = {
        "load": os.getloadavg()[0],
        "command": "make bench-lava",
        "commit": commit(),
        "rounds": options.rounds,
        "seconds_a_round": SECONDS,
        "environment": environment(),
        "results": rows,
        "starts": starts or kept.get("starts"),
        "widths": widths or kept.get("widths"),
        # What was not measured stays as it was, and says of which commit it is.
        "starts_commit": commit() if starts else kept.get("starts_commit", kept.get("commit")),
        "widths_commit": commit() if widths else kept.get("widths_commit", kept.get("commit")),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main()
