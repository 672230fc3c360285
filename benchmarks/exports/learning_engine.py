"""Compare the rule written for Loihi's learning engine with ours, on digits.

``python -m benchmarks.exports.learning_engine`` trains online in Lava: stock ``LearningDense``
connections, and learning neurons that deliver desire. With the feedback ``transpose`` the desires
are computed by the host from the spike counts, as a chip's embedded processor would; with the
others by processes, and no host reads a number between samples. In 64-30-10 every sample's change
of weights is compared with that of the engine from the same weights; then both learn the training
digits once in 64-100-10. Parts are run and kept one by one:
``python -m benchmarks.exports.learning_engine changes learned:0`` (feedback:seed).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire import DesireConfig, DesireNetwork, evaluate, load_dataset, rule
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import loihi_feedback_rule, loihi_learning_rule
from lava_desire.deploy.integer_network import encode_images
from lava_desire.randomness import initial_weights

RESULT = Path(__file__).parents[1] / "results" / "learning_engine.json"
CONFIG = DesireConfig((64, 30, 10), learning_rate=2e-4, dropout_hidden=0.0, batch_size=1)
LEARNED = CONFIG.replace(layer_sizes=(64, 100, 10))
COMPARED_SAMPLES = 100
CASES = [("float", False, 32), ("float", False, 64), ("fixed", True, 32), ("fixed", True, 64)]
FEEDBACKS = ("transpose", "mirrored", "sign", "random", "learned")
WINDOW, SAMPLES_A_RUN = 32, 100


class Chip:
    """The network in Lava, and the host or the processes that bring errors back."""

    def __init__(
        self,
        config: DesireConfig,
        fixed: bool,
        window_steps: int,
        images: Any,
        labels: Any,
        weights: list[Any],
        feedback: Any = None,
        learns: bool = False,
    ) -> None:
        from lava_desire.deploy import DesireLearningLIF

        from lava.proc.dense.process import LearningDense  # isort: skip
        from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
        from lava.proc.io.source import RingBuffer  # isort: skip

        self.config, self.fixed, self.window, self.labels = config, fixed, window_steps, labels
        # Half of the 9 bits is left for the weights to grow into.
        self.scales = [self._scale(array) for array in weights]
        size = config.layer_sizes[0]
        windows = np.zeros((len(images), window_steps, size), np.int32)
        windows[:, : config.num_steps] = encode_images(images, config).transpose(1, 0, 2)
        self.source = RingBuffer(data=windows.reshape(-1, size).T)
        below = self.source.s_out
        self.rules, self.dense, self.neurons = [], [], []
        for layer, (array, scale) in enumerate(zip(weights, self.scales, strict=True), start=1):
            self.rules.append(self._rule(loihi_learning_rule, scale, layer))
            dense = LearningDense(
                weights=self._weights(array, scale),
                learning_rule=self.rules[-1].rule,
                name=f"connection {layer}",
            )
            neurons = DesireLearningLIF(
                config=config,
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
        self.sink = Sink(shape=(config.num_classes,), buffer=len(images) * window_steps)
        below.connect(self.sink.a_in)
        self.backward: Any = None
        if feedback is not None:
            self._bring_errors_back(feedback.T, learns)

    def _bring_errors_back(self, matrix: Any, learns: bool) -> None:
        """Add the processes by which errors come back through B, (N_1, N_2)."""
        from lava_desire.deploy import DesireErrors

        from lava.proc.dense.process import Dense, LearningDense  # isort: skip
        from lava.proc.io.source import RingBuffer  # isort: skip

        config = self.config
        scale = self.backward_scale = self._scale(matrix)
        weights, chosen = self._weights(matrix, scale), None
        if learns:
            chosen = self._rule(loihi_feedback_rule, scale, 3)
            self.backward = LearningDense(
                weights=weights, learning_rule=chosen.rule, num_message_bits=8, name="feedback"
            )
        else:
            self.backward = Dense(weights=weights, num_message_bits=8, name="feedback")
        units = scale * (config.num_steps - config.error_margin)
        thresholds = [round(config.desire_threshold_hidden * units) if self.fixed else None, None]
        errors = [
            DesireErrors(
                config=config, layer=layer, rule=own, threshold=threshold, feedback_rule=chosen
            )
            for layer, (own, threshold) in enumerate(zip(self.rules, thresholds, strict=True), 1)
        ]
        for neurons, beside in zip(self.neurons, errors, strict=True):
            neurons.s_out.connect(beside.s_in)
            beside.desire_out.connect(neurons.a_third_factor_in)
        errors[1].c_out.connect(self.backward.s_in)
        self.backward.a_out.connect(errors[0].z_in)
        if learns:
            errors[0].s_out_y1.connect(self.backward.s_in_y1)
            errors[0].s_out_y2.connect(self.backward.s_in_y2)
        targets = np.zeros((len(self.labels), self.window, config.num_classes), np.int32)
        targets[np.arange(len(self.labels)), config.num_steps, self.labels] = 1
        teacher = RingBuffer(data=targets.reshape(-1, config.num_classes).T)
        teacher.s_out.connect(errors[1].target_in)

    def _scale(self, array: Any) -> float:
        return float(np.floor(127 / np.abs(array).max())) if self.fixed else 1.0

    def _weights(self, array: Any, scale: float) -> Any:
        if self.fixed:
            return (2 * np.rint(array * scale / 2)).astype(np.int32)
        return array.astype(np.float64)

    def _rule(self, write: Any, scale: float, seed: int) -> Any:
        return write(
            self.config,
            weight_scale=scale if self.fixed else None,
            window_steps=self.window,
            rng_seed=seed,
        )

    def weights(self, of: str = "get") -> list[Any]:
        """Return the weights in units of the network, now or (``init``) those at the beginning."""
        held = [dense.weights.get() if of == "get" else dense.weights.init for dense in self.dense]
        pairs = zip(held, self.scales, strict=True)
        return [(array / scale).astype(np.float32) for array, scale in pairs]

    def feedback(self, of: str = "get") -> list[Any]:
        """Return the weights of the feedback as those, none for layer 1."""
        if self.backward is None:
            return []
        held = self.backward.weights
        array = held.get() if of == "get" else held.init
        return [None, (array / self.backward_scale).astype(np.float32).T]

    def learn(self, first: int, last: int) -> None:
        """Run the windows of the samples from `first` to before `last`."""
        if self.backward is not None:
            self._run((last - first) * self.window)
            return
        for label in self.labels[first:last]:
            self._learn_by_host(int(label))

    def _learn_by_host(self, label: int) -> None:
        """Run one window, with the desires of its spike counts."""
        self._run(self.config.num_steps + 1)
        output = self.neurons[-1].count.get()
        rate = rule.firing_rate(output[None], self.config.num_steps, self.config.error_margin)
        desire = rule.output_desire(rate, np.array([label]), self.config.desire_threshold_output)
        above = (self.dense[1].weights.get() / self.scales[1]).astype(np.float32)
        z = rule.backpropagate_error(above, rule.local_error(desire, rate))
        desires = [rule.hidden_desire(z, self.config.desire_threshold_hidden), desire]
        for neurons, wanted in zip(self.neurons, desires, strict=True):
            neurons.desire.set(wanted[0].astype(np.int32))
        self._run(self.window - self.config.num_steps - 1)

    def num_correct(self) -> int:
        """Return how many of all samples were told right in the window in which they came."""
        spikes = self.sink.data.get().reshape(
            self.config.num_classes, len(self.labels), self.window
        )
        return int((rule.predict(spikes.sum(axis=-1).T) == self.labels).sum())

    def _run(self, steps: int) -> None:
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi2SimCfg

        tag = "fixed_pt" if self.fixed else "floating_pt"
        self.source.run(RunSteps(steps), Loihi2SimCfg(select_tag=tag))


def compare(fixed: bool, window_steps: int, images: Any, labels: Any) -> dict[str, Any]:
    """Compare the change of weights of every sample with the engine's, from the same weights.

    Feedback that learns begins as the weights of another network, and should change as those of
    layer 2 do.
    """
    weights, other = initial_weights(CONFIG), initial_weights(CONFIG.replace(seed=1))[1]
    rows = []
    for feedback, layers in ((None, (1, 2)), (other, (2,))):
        chip = Chip(CONFIG, fixed, window_steps, images, labels, weights, feedback, learns=True)
        mine: dict[int, list[Any]] = {layer: [] for layer in layers}
        theirs: dict[int, list[Any]] = {layer: [] for layer in layers}
        before, held = chip.weights("init"), chip.feedback("init")
        try:
            for sample in range(len(labels)):
                part, engine = slice(sample, sample + 1), DesireNetwork(CONFIG, weights=before)
                engine.train_step(images[part], labels[part], CONFIG.learning_rate)
                chip.learn(sample, sample + 1)
                after, held_after = chip.weights(), chip.feedback()
                for layer in layers:
                    now, then = (after, before) if feedback is None else (held_after, held)
                    mine[layer].append(now[layer - 1] - then[layer - 1])
                    theirs[layer].append(engine.numpy_weights()[layer - 1] - before[layer - 1])
                before, held = after, held_after
        finally:
            chip.source.stop()
        rows += [
            {
                "layer": layer,
                "backward": feedback is not None,
                **similarity(np.array(mine[layer]), np.array(theirs[layer])),
            }
            for layer in layers
        ]
    rates = [chosen.learning_rate for chosen in chip.rules]
    return {"window_steps": window_steps, "learning_rates": rates, "layers": rows}


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


def begin_feedback(feedback: str, weights: Any, config: DesireConfig) -> Any:
    """Return what errors of layer 2 come back by at first, (N_2, N_1) float32; None for Wᵀ."""
    if feedback == "transpose":
        return None
    if feedback == "mirrored":
        return weights
    size = np.sqrt(np.mean(weights**2))
    if feedback == "sign":
        return (size * np.sign(weights)).astype(np.float32)
    if feedback == "random":
        signs = np.random.default_rng(config.seed).integers(-1, 2, weights.shape)
        return (size * np.sqrt(1.5) * signs).astype(np.float32)
    return initial_weights(config.replace(seed=config.seed + 1000))[1]


def learn(fixed: bool, weights: list[Any], back: Any, learns: bool, dataset: Any) -> dict[str, Any]:
    """Learn an epoch in Lava, and test what was learned with the engine."""
    images, labels = dataset.train
    chip = Chip(LEARNED, fixed, WINDOW, images, labels, weights, back, learns)
    started = time.monotonic()
    try:
        for first in range(0, len(labels), SAMPLES_A_RUN):
            last = min(first + SAMPLES_A_RUN, len(labels))
            chip.learn(first, last)
            print(f"  {last} samples, {time.monotonic() - started:.0f} s", flush=True)
        learned, held, num_correct = chip.weights(), chip.feedback(), chip.num_correct()
    finally:
        chip.source.stop()
    found = scores(num_correct, learned, dataset, held[-1] if held else None)
    return {**found, "seconds": time.monotonic() - started}


def engine_learn(weights: list[Any], back: Any, learns: bool, dataset: Any) -> dict[str, Any]:
    """Learn the same samples in the same order with the engine, and errors by that feedback."""
    network, num_correct = DesireNetwork(LEARNED, weights=weights), 0
    for image, label in zip(*dataset.train, strict=True):
        activity = network.forward(image[None])
        desires = network.desires(activity, np.array([label]))
        if back is not None:
            counts = activity.spikes[-1].sum(0).numpy()
            rate = rule.firing_rate(counts, LEARNED.num_steps, LEARNED.error_margin)
            z = rule.backpropagate_error(back, rule.local_error(desires[1].numpy(), rate))
            wanted = rule.hidden_desire(z, LEARNED.desire_threshold_hidden)
            desires[0] = desires[0].new_tensor(wanted)
        before = network.numpy_weights()[1].copy()
        network.update(activity, desires, LEARNED.learning_rate)
        if learns:
            back = back + (network.numpy_weights()[1] - before)
        num_correct += int(activity.prediction[0]) == label
    return scores(num_correct, network.numpy_weights(), dataset, back)


def scores(num_correct: int, weights: list[Any], dataset: Any, back: Any) -> dict[str, Any]:
    """Return accuracies, and the cosine of the angle between the weights and their feedback."""
    tested = evaluate(DesireNetwork(LEARNED, weights=weights), dataset.test)
    found = {
        "train_accuracy": num_correct / len(dataset.train_labels),
        "test_accuracy": tested.accuracy,
        "test_undecided": tested.num_undecided / len(dataset.test_labels),
    }
    if back is not None:
        above, below = weights[-1].ravel(), back.ravel()
        lengths = np.linalg.norm(above) * np.linalg.norm(below)
        found["alignment"] = float(above @ below / lengths)
    return found


def learn_all(feedback: str, seed: int, dataset: Any) -> list[dict[str, Any]]:
    """Learn an epoch by engine, fixed and floating point; return what came out."""
    config = LEARNED.replace(seed=seed)
    weights = initial_weights(config)
    back = begin_feedback(feedback, weights[1], config)
    learns = feedback in ("mirrored", "learned")
    rows = []
    for by in ("engine", "fixed", "float"):
        print(f"{feedback}, seed {seed}, {by}", flush=True)
        if by == "engine":
            found = engine_learn(weights, back, learns, dataset)
        else:
            found = learn(by == "fixed", weights, back, learns, dataset)
        rows.append({"feedback": feedback, "seed": seed, "by": by, **found, "commit": commit()})
    return rows


def main(parts: list[str]) -> None:
    """Measure, print, write."""
    digits = load_dataset("digits")
    result = json.loads(RESULT.read_text()) if parts else {}
    for part in parts or ["changes", *(f"{feedback}:0" for feedback in FEEDBACKS)]:
        if part == "changes":
            images, labels = (array[:COMPARED_SAMPLES] for array in digits.train)
            result["changes_of_weights"] = {
                f"{name}, window {window}": compare(fixed, window, images, labels)
                for name, fixed, window in CASES
            }
        else:
            feedback, seed = part.split(":")
            kept = [
                row
                for row in result.get("learned", [])
                if (row["feedback"], row["seed"]) != (feedback, int(seed))
            ]
            result["learned"] = kept + learn_all(feedback, int(seed), digits)
        result |= {
            "command": "python -m benchmarks.exports.learning_engine",
            "commit": commit(),
            "environment": environment(),
            "config": CONFIG.to_dict(),
            "compared_samples": COMPARED_SAMPLES,
            "learned_config": LEARNED.to_dict(),
            "learned_samples": len(digits.train_labels),
            "window_steps": WINDOW,
        }
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT)


if __name__ == "__main__":
    main(sys.argv[1:])
