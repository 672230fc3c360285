"""Compare the rule written for Loihi's learning engine with ours, on digits.

``python -m benchmarks.exports.learning_engine`` trains 64-30-10 online in Lava: stock
``LearningDense`` connections, learning neurons that deliver desire, the desires computed by the
host from the spike counts, as a chip's embedded processor would. Every sample's change of weights
is compared with that of the engine from the same weights; then both learn the first of the digits.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig, DesireNetwork, evaluate, load_dataset, rule
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import loihi_learning_rule
from lava_desire.deploy.integer_network import encode_images
from lava_desire.randomness import initial_weights

RESULT = Path(__file__).parents[1] / "results" / "learning_engine.json"
CONFIG = DesireConfig((64, 30, 10), learning_rate=2e-4, dropout_hidden=0.0, batch_size=1)
COMPARED_SAMPLES = 100
LEARNED_SAMPLES = 500
CASES = [("float", False, 32), ("float", False, 64), ("fixed", True, 32), ("fixed", True, 64)]


class Chip:
    """The network in Lava, and the host beside it."""

    def __init__(self, fixed: bool, window_steps: int, samples: Any) -> None:
        from lava_desire.deploy import DesireLearningLIF

        from lava.proc.dense.process import LearningDense  # isort: skip
        from lava.proc.io.source import RingBuffer  # isort: skip

        weights = initial_weights(CONFIG)
        self.fixed, self.window = fixed, window_steps
        # Half of the 9 bits is left for the weights to grow into.
        self.scales = [np.floor(127 / np.abs(array).max()) if fixed else 1.0 for array in weights]
        trains = encode_images(samples, CONFIG)
        windows = np.zeros((len(samples), window_steps, CONFIG.layer_sizes[0]), np.int32)
        windows[:, : CONFIG.num_steps] = trains.transpose(1, 0, 2)
        self.source = RingBuffer(data=windows.reshape(-1, CONFIG.layer_sizes[0]).T)
        below = self.source.s_out
        self.rules, self.dense, self.neurons = [], [], []
        for layer, (array, scale) in enumerate(zip(weights, self.scales, strict=True), start=1):
            self.rules.append(
                loihi_learning_rule(
                    CONFIG,
                    weight_scale=scale if fixed else None,
                    window_steps=window_steps,
                    rng_seed=layer,
                )
            )
            scaled = (2 * np.rint(array * scale / 2)).astype(np.int32) if fixed else array
            dense = LearningDense(
                weights=scaled.astype(np.int32 if fixed else np.float64),
                learning_rule=self.rules[-1].rule,
                name=f"connection {layer}",
            )
            neurons = DesireLearningLIF(
                config=CONFIG,
                layer=layer,
                rule=self.rules[-1],
                threshold=int(scale) if fixed else None,
            )
            below.connect(dense.s_in)
            dense.a_out.connect(neurons.a_in)
            for port in ("bap", "y1", "y2", "y3"):
                getattr(neurons, f"s_out_{port}").connect(getattr(dense, f"s_in_{port}"))
            below = neurons.s_out
            self.dense.append(dense)
            self.neurons.append(neurons)

    def weights(self) -> list[Any]:
        """Return the weights in units of the network."""
        pairs = zip(self.dense, self.scales, strict=True)
        return [(dense.weights.get() / scale).astype(np.float32) for dense, scale in pairs]

    def learn(self, label: int) -> bool:
        """Run one window, with the desires of its spike counts; return whether it was right."""
        self._run(CONFIG.num_steps + 1)
        output = self.neurons[-1].count.get()
        rate = rule.firing_rate(output[None], CONFIG.num_steps, CONFIG.error_margin)
        desire = rule.output_desire(rate, np.array([label]), CONFIG.desire_threshold_output)
        above = (self.dense[1].weights.get() / self.scales[1]).astype(np.float32)
        z = rule.backpropagate_error(above, rule.local_error(desire, rate))
        desires = [rule.hidden_desire(z, CONFIG.desire_threshold_hidden), desire]
        for neurons, wanted in zip(self.neurons, desires, strict=True):
            neurons.desire.set(wanted[0].astype(np.int32))
        self._run(self.window - CONFIG.num_steps - 1)
        return bool(rule.predict(output) == label)

    def _run(self, steps: int) -> None:
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg

        tag = "fixed_pt" if self.fixed else "floating_pt"
        self.source.run(RunSteps(steps), Loihi2SimCfg(select_tag=tag))


def compare(fixed: bool, window_steps: int, images: Any, labels: Any) -> dict[str, Any]:
    """Compare the change of weights of every sample with the engine's, from the same weights."""
    chip = Chip(fixed, window_steps, images)
    mine: list[list[Any]] = [[], []]
    theirs: list[list[Any]] = [[], []]
    try:
        before = None
        for image, label in zip(images, labels, strict=True):
            chip_before = before or chip_start(chip)
            engine = DesireNetwork(CONFIG, weights=chip_before)
            result = engine.train_step(image[None], np.array([label]), CONFIG.learning_rate)
            del result
            chip.learn(int(label))
            before = chip.weights()
            for layer in range(2):
                mine[layer].append(before[layer] - chip_before[layer])
                theirs[layer].append(engine.numpy_weights()[layer] - chip_before[layer])
    finally:
        chip.source.stop()
    rows = [
        {"layer": layer + 1, **similarity(np.array(mine[layer]), np.array(theirs[layer]))}
        for layer in range(2)
    ]
    rates = [chosen.learning_rate for chosen in chip.rules]
    return {"window_steps": window_steps, "learning_rates": rates, "layers": rows}


def chip_start(chip: Chip) -> list[Any]:
    """Return the weights that the processes begin with."""
    pairs = zip(chip.dense, chip.scales, strict=True)
    return [(dense.weights.init / scale).astype(np.float32) for dense, scale in pairs]


def similarity(given: Any, wanted: Any) -> dict[str, float]:
    """Compare changes of weights, (S, N_o, N_i): per sample, and summed over all samples."""
    given, wanted = given.astype(np.float64), wanted.astype(np.float64)
    summed = [changes.sum(axis=0).ravel() for changes in (given, wanted)]
    return {
        "correlation_of_samples": float(np.corrcoef(given.ravel(), wanted.ravel())[0, 1]),
        "correlation_of_sums": float(np.corrcoef(*summed)[0, 1]),
        "slope_of_sums": float(summed[0] @ summed[1] / (summed[1] @ summed[1])),
        "relative_error_of_samples": float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted)),
        "relative_error_of_sums": float(
            np.linalg.norm(summed[0] - summed[1]) / np.linalg.norm(summed[1])
        ),
        "largest_change": float(np.abs(wanted).max()),
        "largest_error": float(np.abs(given - wanted).max()),
    }


def learn(fixed: bool, window_steps: int, dataset: Any) -> dict[str, Any]:
    """Learn in Lava, and test what was learned with the engine."""
    images, labels = (array[:LEARNED_SAMPLES] for array in dataset.train)
    chip = Chip(fixed, window_steps, images)
    started = time.monotonic()
    try:
        num_correct = sum(chip.learn(int(label)) for label in labels)
        weights = chip.weights()
    finally:
        chip.source.stop()
    return {
        "window_steps": window_steps,
        "train_accuracy": num_correct / len(labels),
        "test_accuracy": evaluate(DesireNetwork(CONFIG, weights=weights), dataset.test).accuracy,
        "seconds": time.monotonic() - started,
    }


def engine_learn(dataset: Any) -> dict[str, float]:
    """Learn the same samples in the same order with the engine."""
    network, num_correct = DesireNetwork(CONFIG), 0
    images, labels = (array[:LEARNED_SAMPLES] for array in dataset.train)
    for image, label in zip(images, labels, strict=True):
        result = network.train_step(image[None], np.array([label]), CONFIG.learning_rate)
        num_correct += result.num_correct
    return {
        "train_accuracy": num_correct / len(labels),
        "test_accuracy": evaluate(network, dataset.test).accuracy,
    }


def main() -> None:
    """Measure, print, write."""
    digits = load_dataset("digits")
    images, labels = (array[:COMPARED_SAMPLES] for array in digits.train)
    changes: dict[str, Any] = {}
    learned: dict[str, Any] = {"engine": engine_learn(digits)}
    for name, fixed, window in CASES:
        changes[f"{name}, window {window}"] = compare(fixed, window, images, labels)
        write(changes, learned)
    for name, fixed in (("fixed", True), ("float", False)):
        learned[f"{name}, window 32"] = learn(fixed, 32, digits)
        write(changes, learned)
    print(RESULT)


def write(changes: dict[str, Any], learned: dict[str, Any]) -> None:
    """Keep what has been measured so far."""
    result = {
        "command": "python -m benchmarks.exports.learning_engine",
        "commit": commit(),
        "environment": environment(),
        "config": CONFIG.to_dict(),
        "compared_samples": COMPARED_SAMPLES,
        "changes_of_weights": changes,
        "learned_samples": LEARNED_SAMPLES,
        "learned": learned,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
