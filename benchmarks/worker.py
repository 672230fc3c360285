"""One competitor of the benchmark, in a process of its own.

Reads what to be from its arguments, then does one round for every line it reads and answers with a
line of JSON. It runs in the environment of the library that it measures, so it imports nothing but
NumPy and torch before it knows which that is.
"""

from __future__ import annotations

import itertools
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

NUM_STEPS, DECAY = 20, 0.75
LEARNING_RATE = 1e-5
IMAGE = (1, 28, 28)

Step = Callable[[np.ndarray, np.ndarray], Any]


def engine(layers: tuple[Any, ...], weights: list[np.ndarray] | None, option: str) -> Step:
    """Build our network in a precision; ``torch:`` before it takes torch operations.

    ``predict`` classifies. Layers that are texts, as ``16c5s2``, see images of 28 x 28, and count
    traces from their mean.
    """
    from lava_desire import DesireConfig
    from lava_desire.engine import DesireNetwork

    if isinstance(layers[0], str):
        config = DesireConfig(layers=layers, input_shape=IMAGE, trace_baseline=1.0)
    else:
        config = DesireConfig(layers)
    kernels = "torch" if option.startswith("torch:") else "auto"
    precision = "float32" if option == "predict" else option.removeprefix("torch:")
    network = DesireNetwork(config, weights=weights, precision=precision, kernels=kernels)
    if option == "predict":
        return lambda images, labels: network.predict(images)
    return lambda images, labels: network.train_step(images, labels, LEARNING_RATE)


def encoder_table() -> torch.Tensor:
    """Return the encoder's trains of the 256 brightnesses, (T, 256) float32."""
    brightness = torch.arange(256) / 255
    potential, trains = torch.zeros(256), []
    for _ in range(NUM_STEPS):
        potential = potential + brightness
        trains.append((potential >= 1).float())
        potential = potential - trains[-1]
    return torch.stack(trains)


def gradient_step(
    modules: torch.nn.Module, run: Callable[[torch.Tensor], torch.Tensor], option: str
) -> Step:
    """Return a step of surrogate gradients: cross entropy of the spike counts, Adam.

    With the option ``predict`` it classifies, by the largest count.
    """
    optimizer = torch.optim.Adam(modules.parameters(), lr=1e-3)
    table = encoder_table()

    @torch.inference_mode()
    def predict(images: np.ndarray, labels: np.ndarray) -> None:
        run(table[:, torch.from_numpy(images).int()]).sum(0).argmax(1)

    if option == "predict":
        return predict

    def step(images: np.ndarray, labels: np.ndarray) -> None:
        spikes = table[:, torch.from_numpy(images).int()]
        optimizer.zero_grad()
        counts = run(spikes).sum(0)
        torch.nn.functional.cross_entropy(counts, torch.from_numpy(labels)).backward()
        optimizer.step()

    return step


def snntorch(layers: tuple[Any, ...], weights: Any, option: str) -> Step:
    """Build the network in snnTorch: its Leaky neurons, step by step."""
    import snntorch as snn

    dense = torch.nn.ModuleList(
        torch.nn.Linear(before, behind, bias=False) for before, behind in itertools.pairwise(layers)
    )
    neurons = torch.nn.ModuleList(snn.Leaky(beta=DECAY) for _ in layers[1:])

    def run(spikes: torch.Tensor) -> torch.Tensor:
        states = [neuron.init_leaky() for neuron in neurons]
        out = []
        for values in spikes:
            for index, (product, neuron) in enumerate(zip(dense, neurons, strict=True)):
                values, states[index] = neuron(product(values), states[index])
            out.append(values)
        return torch.stack(out)

    return gradient_step(torch.nn.ModuleList([dense, neurons]), run, option)


def spikingjelly(layers: tuple[Any, ...], weights: Any, option: str) -> Step:
    """Build the network in SpikingJelly: multi-step mode, a layer's whole window in one product."""
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    def connections() -> Iterator[torch.nn.Module]:
        if isinstance(layers[0], int):
            for before, behind in itertools.pairwise(layers):
                yield layer.Linear(before, behind, bias=False, step_mode="m")
            return
        channels, size, _ = IMAGE
        for text in layers:
            numbers = [int(number) for number in re.findall(r"\d+", text)]
            if len(numbers) == 1:
                flatten = layer.Flatten(step_mode="m")
                dense = layer.Linear(channels * size**2, *numbers, bias=False, step_mode="m")
                yield torch.nn.Sequential(flatten, dense)
                channels, size = numbers[0], 1
                continue
            behind, kernel, stride = numbers
            yield layer.Conv2d(channels, behind, kernel, stride, bias=False, step_mode="m")
            channels, size = behind, (size - kernel) // stride + 1

    shape = IMAGE if isinstance(layers[0], str) else (-1,)
    parts: list[torch.nn.Module] = []
    for connection in connections():
        parts.append(connection)
        parts.append(
            neuron.LIFNode(
                tau=1 / (1 - DECAY),
                decay_input=False,
                v_reset=None,
                surrogate_function=surrogate.ATan(),
                step_mode="m",
            )
        )
    network = torch.nn.Sequential(*parts)

    def run(spikes: torch.Tensor) -> torch.Tensor:
        functional.reset_net(network)
        return network(spikes.reshape(*spikes.shape[:2], *shape))

    return gradient_step(network, run, option)


def ceiling(layers: tuple[Any, ...], weights: Any, option: str) -> Step:
    """Multiply float32 matrices of the size of the first layer's currents for B = 64."""
    left = torch.rand(NUM_STEPS * 64, layers[0])
    right = torch.rand(layers[0], layers[1])
    result = torch.empty(len(left), layers[1])
    return lambda images, labels: torch.mm(left, right, out=result)


def peak_mebibytes() -> float:
    """Return the peak memory of this process.

    Linux keeps it in two places, and what ``getrusage`` says includes the process that started
    this one, before it became another program.
    """
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


KINDS = {
    "engine": engine,
    "snntorch": snntorch,
    "spikingjelly": spikingjelly,
    "ceiling": ceiling,
}


def main() -> None:
    """Be the competitor that the arguments name: a file of data, and a JSON object."""
    with np.load(sys.argv[1], allow_pickle=False) as data:
        images, labels = data["images"], data["labels"]
    case = json.loads(sys.argv[2])
    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    weights = None
    if case["weights"] is not None:
        with np.load(case["weights"], allow_pickle=False) as file:
            weights = [file[name] for name in file.files]
    step = KINDS[case["kind"]](tuple(case["layers"]), weights, case["option"])
    batch_size, at = case["batch_size"], 0
    print("ready", flush=True)
    for line in sys.stdin:
        started, worked, done = time.perf_counter(), time.process_time(), 0
        while done < int(line):
            if at + batch_size > len(labels):
                at = 0
            step(images[at : at + batch_size], labels[at : at + batch_size])
            at, done = at + batch_size, done + batch_size
        answer = {
            "samples": done,
            "seconds": time.perf_counter() - started,
            "processor_seconds": time.process_time() - worked,
            "peak_mebibytes": peak_mebibytes(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
