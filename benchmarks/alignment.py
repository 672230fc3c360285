"""Why desires lose, or do not lose, against gradients: alignment, neurons, what each step costs.

``python -m benchmarks.alignment mnist fashion-mnist --data-dir FOLDER`` trains small networks by
desires and by surrogate gradients, measures both after every epoch, trains what lies between the
two, and writes ``results/understanding/NAME.json``; ``--draw`` draws its figures from the files
that are there. All is chosen and judged on a tenth of the training set; the test set is not read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit, load_dataset
from lava_desire._provenance import commit
from lava_desire.analysis.alignment import (
    ERRORS,
    Understanding,
    layer_signals,
    surrogate_pass,
    weight_directions,
)
from lava_desire.analysis.style import SERIES, grid
from lava_desire.cli.machine import environment
from lava_desire.randomness import epoch_order, validation_split

PLACE = Path(__file__).parents[1] / "results" / "understanding"
LAYERS = {"mnist": (784, 200, 100, 10), "fashion-mnist": (784, 300, 100, 10)}
SAMPLES, EPOCHS, WATCHED = 8_000, 4, 512
CHANGES: dict[str, Any] = {
    "batch_size": 64,
    "weight_average": 0.0,
    "image_shift": 0,
    "tie_break": "earliest",
}
"""What differs from the presets, beside the layers: no image moves, so that all see the same, and
ties, of which cross entropy leaves many, are broken for all."""

RATES = 0.5, 1.0, 2.0, 4.0
"""Factors of the preset's learning rate that are tried with the rule as it is."""

ADAM: dict[str, tuple[str, float, bool]] = {
    "Adam, squared error, 1e-3": ("squared_error", 1e-3, False),
    "Adam, squared error, 3e-3, baseline": ("squared_error", 3e-3, True),
}
"""Loss, learning rate, and whether traces have their baseline, tried with surrogate gradients."""

BETWEEN: dict[str, tuple[str, str, str, float]] = {
    "desires, spikes (Eq. 4)": ("desire", "spike", "", 1.0),
    "passed on and learned near threshold": ("gated", "near", "", 1.0),
    "passed on and learned near threshold, steps of a quarter": ("gated", "near", "", 0.25),
    "gradient of Eq. 6, steps of a quarter": ("gradient", "derivative", "squared_error", 0.25),
    "the same, ternary": ("ternary", "derivative", "squared_error", 0.25),
}
"""Error, postsynaptic factor, loss, and steps as a share of those of Eq. 4 at its best rate."""

_FIELDS = 20


class Learner:
    """Trains a network in given directions, with the schedule, order and dropout of `fit`."""

    def __init__(
        self, config: DesireConfig, train: Any, way: tuple[str, str, str], adam: float | None = None
    ) -> None:
        self.network = DesireNetwork(config)
        self.images, self.labels = torch.as_tensor(train[0]), torch.as_tensor(train[1]).long()
        self.error, self.post, self.loss = way
        self.optimizer = None
        if adam is not None:
            self.optimizer = torch.optim.Adam(self.network.weights, lr=adam)
            self.adam = adam

    def epochs(self) -> Iterator[float]:
        """Learn an epoch, and yield the training accuracy."""
        config = self.network.config
        for epoch in range(config.epochs):
            order = torch.from_numpy(epoch_order(config.seed, epoch, len(self.labels)))
            correct = 0
            for chosen in order.split(config.batch_size):
                correct += self.learn(chosen, config.learning_rate_at(epoch))
            yield correct / len(self.labels)

    def learn(self, chosen: Tensor, learning_rate: float) -> int:
        """Learn a minibatch, and return how many samples of it were right."""
        network, labels = self.network, self.labels[chosen]
        config, backend = network.config, network.backend
        spikes = backend.unpack(backend.encode(self.images[chosen]))
        weights = [each.detach().requires_grad_() for each in network.weights]
        passed = surrogate_pass(config, weights, spikes, network.draw_masks(len(chosen)))
        errors = passed.errors(passed.loss(labels, self.loss)) if self.error in ERRORS else []
        signals = layer_signals(passed, labels, self.error, errors)
        baseline = config.trace_baseline
        directions = weight_directions(passed, signals, self.post, baseline)
        with torch.no_grad():
            if self.optimizer is not None:
                self.optimizer.param_groups[0]["lr"] = (
                    self.adam * learning_rate / config.learning_rate
                )
                for weight, direction in zip(network.weights, directions, strict=True):
                    weight.grad = -direction
                self.optimizer.step()
                for weight in network.weights:
                    weight.grad = None
            else:
                desires = layer_signals(passed, labels, "desire", [])
                rule = weight_directions(passed, desires, "spike", baseline)
                for weight, direction, step in zip(network.weights, directions, rule, strict=True):
                    length = step.norm() / direction.norm().clamp(min=1e-12)
                    weight += learning_rate * length * direction
            for bound in config.bounds:
                for weight in network.weights:
                    weight.clamp_(-bound.limit(), bound.limit())
        return int((passed.counts.argmax(1) == labels).sum())


def measured(
    config: DesireConfig,
    data: Any,
    way: tuple[str, str, str],
    adam: float | None = None,
    watch: Understanding | None = None,
) -> dict[str, Any]:
    """Train, and return what was reached, and the network."""
    learner = Learner(config, data[0], way, adam)
    began, epochs = time.process_time(), []
    if watch is not None:
        watch.measure(learner.network, 0)
    for epoch, accuracy in enumerate(learner.epochs(), start=1):
        validated = evaluate(learner.network, data[1]).accuracy
        epochs.append({"training": accuracy, "validation": validated})
        if watch is not None:
            watch.measure(learner.network, epoch)
    return {
        "epochs": epochs,
        "processor_seconds": round(time.process_time() - began),
        "network": learner.network,
    }


def fitted(config: DesireConfig, data: Any, watch: Understanding | None = None) -> dict[str, Any]:
    """Train by `fit`, and return the same."""
    network = DesireNetwork(config)
    history = fit(network, data[0], data[1], callbacks=[watch] if watch else [])
    epochs = [
        {"training": each.train_accuracy, "validation": each.test_accuracy}
        for each in history.records
    ]
    return {"epochs": epochs, "network": network}


def readouts(network: DesireNetwork, data: Any) -> list[float]:
    """Return what a linear readout of each layer's spike counts reaches on the held-out samples."""
    (images, labels), (held_images, held_labels) = data
    seen, held = network.forward(images).counts, network.forward(held_images).counts
    steps = network.config.num_steps
    found = []
    for layer in range(1, network.config.num_layers):
        model = LogisticRegression(C=0.1, max_iter=300)
        model.fit(seen[layer].numpy() / steps, labels)
        found.append(float(model.score(held[layer].numpy() / steps, held_labels)))
    return found


def described(network: DesireNetwork, data: Any, watch: Understanding) -> dict[str, Any]:
    """Return records, readouts and first-layer features of a network that was watched."""
    weights = network.numpy_weights()[0]
    chosen = weights[:: -(-len(weights) // _FIELDS)]
    return {
        "records": watch.records,
        "readouts": readouts(network, data),
        "fields": [[round(float(value), 2) for value in field] for field in chosen],
    }


def watched(data: Any, by_desires: bool) -> Understanding:
    """Return what measures on the first training samples."""
    images, labels = data[0]
    return Understanding(images[:WATCHED], labels[:WATCHED], by_desires)


def rule_as_it_is(config: DesireConfig, data: Any) -> dict[str, Any]:
    """Train by the rule, with the preset's options, at each of the rates; watch the best."""
    tried = {}
    for factor in RATES:
        rate = factor * config.learning_rate
        tried[rate] = fitted(config.replace(learning_rate=rate), data)["epochs"]
    best = max(tried, key=lambda rate: tried[rate][-1]["validation"])
    watch = watched(data, True)
    found = fitted(config.replace(learning_rate=best), data, watch)
    network = found.pop("network")
    return {
        **found,
        "learning_rate": best,
        "tried": {f"{rate:.3g}": epochs for rate, epochs in tried.items()},
        **described(network, data, watch),
        "untrained_readouts": readouts(DesireNetwork(config), data),
    }


def surrogate_gradients(config: DesireConfig, data: Any, part: str) -> dict[str, Any]:
    """Train by surrogate gradients with Adam."""
    loss, rate, baseline = ADAM[part]
    watch = watched(data, False)
    if not baseline:
        config = config.replace(trace_baseline=0.0)
    found = measured(config, data, ("gradient", "derivative", loss), rate, watch)
    return {**described(found.pop("network"), data, watch), **found}


def best_gradients(parts: dict[str, Any]) -> dict[str, Any]:
    """Return what does best of the parts that learned by gradients with Adam."""
    tried = [parts[part] for part in ADAM if part in parts]
    best: dict[str, Any] = max(tried, key=lambda part: part["epochs"][-1]["validation"])
    return best


def between(config: DesireConfig, data: Any, name: str) -> dict[str, Any]:
    """Train what lies between desires and gradients."""
    *way, factor = BETWEEN[name]
    rate = factor * config.learning_rate
    found = measured(config.replace(learning_rate=rate), data, tuple(way))
    del found["network"]
    return found


def measured_part(part: str, config: DesireConfig, data: Any, parts: dict[str, Any]) -> Any:
    """Measure a part; `parts` are those before."""
    if part == "desires":
        return rule_as_it_is(config, data)
    # A rate floor is a term of its own: without it for all of these alike.
    plain = config.replace(rate_floor=0.0, learning_rate=parts["desires"]["learning_rate"])
    if part in ADAM:
        return surrogate_gradients(plain, data, part)
    return between(plain, data, part)


def measure(name: str, data_dir: str | None, minutes: float) -> bool:
    """Measure what is not in the file yet; return whether all is."""
    whole = load_dataset(name, data_dir)
    learned, held = validation_split(whole.train_labels, 0.1, 0)
    learned = learned[:SAMPLES]
    data = [(whole.train_images[chosen], whole.train_labels[chosen]) for chosen in (learned, held)]
    config = DesireConfig.preset(f"{name}-best").replace(
        layer_sizes=LAYERS[name], epochs=EPOCHS, learning_rate_decay=4 / EPOCHS, **CHANGES
    )
    path = PLACE / f"{name}.json"
    found: dict[str, Any] = {
        "command": f"python -m benchmarks.alignment {name}",
        "commit": commit(),
        "environment": environment(),
        "config": config.to_dict(),
        "training_samples": len(learned),
        "validation_samples": len(held),
        "watched_samples": WATCHED,
        "parts": {},
    }
    if path.exists():
        found["parts"] = json.loads(path.read_text())["parts"]
    began = time.monotonic()
    for part in ("desires", *BETWEEN, *ADAM):
        if part in found["parts"]:
            continue
        if time.monotonic() - began > 60 * minutes:
            return False
        found["parts"][part] = measured_part(part, config, data, found["parts"])
        print(name, part, found["parts"][part]["epochs"][-1], flush=True)
        PLACE.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_rounded(found)) + "\n")
    return True


def _rounded(value: Any) -> Any:
    """Return JSON types with five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


SHOWN = {
    "ternary": "gradient made ternary, ψ",
    "passed back": "errors through Wᵀ, not ternary, ψ",
    "desires, derivative": "desires, ψ",
    "desires": "desires, spikes: Eq. 4",
    "shuffled desires": "desires of other neurons, spikes",
}
"""Stages that are drawn over the epochs."""

COSTS = {
    "mean over the window": "error's mean over the window",
    "ternary": "... made ternary, as many as desires",
    "signs of all": "... signs of all",
    "passed back": "errors through Wᵀ, no derivative",
    "ternary output": "... of a ternary output",
    "no local error": "... ternary in all layers, no Eq. 14",
    "gated": "... passed on by those near threshold",
    "desires, derivative": "... with Eq. 14 instead: desires",
    "near threshold": "near threshold for ψ",
    "spikes": "spikes for ψ",
    "gated, near threshold": "passed through and learned near threshold",
    "desires": "desires, spikes: Eq. 4",
}
"""Stages that are drawn as bars, from the gradient to Eq. 4."""


def draw() -> None:
    """Draw what has been measured."""
    found = {
        {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[name]: json.loads(path.read_text())
        for name in LAYERS
        if (path := PLACE / f"{name}.json").exists()
    }
    for picture in (draw_alignment, draw_costs, draw_neurons, draw_features, draw_between):
        figure = picture(found)
        path = PLACE / f"{picture.__name__.removeprefix('draw_')}.png"
        figure.savefig(path, dpi=130)
        print(path)


def _grid_of(found: dict[str, Any], columns: int, size: tuple[float, float]) -> Any:
    figure = Figure(figsize=(size[0], size[1] * len(found)), layout="constrained")
    return figure, figure.subplots(len(found), columns, squeeze=False, sharex=True)


def _layer(config: dict[str, Any], layer: int) -> str:
    return f"layer {layer}, {config['layer_sizes'][layer]} neurons"


def draw_alignment(found: dict[str, Any]) -> Figure:
    """Cosine with the gradient by layer and epoch."""
    figure, rows = _grid_of(found, 3, (10.5, 3.1))
    for row, (name, each) in zip(rows, found.items(), strict=True):
        records = each["parts"]["desires"]["records"]
        epochs = [record["epoch"] for record in records]
        for layer, axes in enumerate(row):
            for (stage, label), style in zip(SHOWN.items(), SERIES, strict=True):
                values = [record["squared_error"]["updates"][stage][layer] for record in records]
                axes.plot(epochs, values, label=label, markersize=4, **style)
            axes.set_title(f"{name}: {_layer(each['config'], layer + 1)}", fontsize=9)
            axes.set_xticks(epochs)
            axes.axhline(0, color="0.6", linewidth=0.8)
            axes.set_ylim(-0.5, 1.05)
            grid(axes)
        row[0].set_ylabel("cosine with the gradient")
    for axes in rows[-1]:
        axes.set_xlabel("epoch")
    handles = rows[0][0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(
        "A minibatch's change of weights and the gradient of Eq. 6, network trained by desires",
        fontsize=11,
    )
    return figure


def draw_costs(found: dict[str, Any]) -> Figure:
    """Cosine with the gradient, stage by stage, after the last epoch."""
    figure = Figure(figsize=(10.5, 6.0), layout="constrained")
    columns = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, (name, each) in zip(columns, found.items(), strict=True):
        updates = each["parts"]["desires"]["records"][-1]["squared_error"]["updates"]
        for layer in range(3):
            places = np.arange(len(COSTS)) + 0.26 * (layer - 1)
            values = [updates[stage][layer] for stage in COSTS]
            colour = SERIES[layer]["color"]
            axes.barh(places, values, 0.24, color=colour, label=f"layer {layer + 1}")
        axes.set_yticks(range(len(COSTS)), list(COSTS.values()), fontsize=8)
        axes.set_xlabel("cosine with the gradient of Eq. 6")
        axes.set_title(f"{name}, after the last epoch", fontsize=10)
        axes.set_xlim(-0.55, 1.05)
        axes.axvline(0, color="0.6", linewidth=0.8)
        grid(axes)
    columns[0].invert_yaxis()
    handles = columns[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(
        "What each step from the gradient to Eq. 4 leaves of its direction", fontsize=11
    )
    return figure


def draw_neurons(found: dict[str, Any]) -> Figure:
    """Neurons that say nothing, and desires that come true, over the epochs."""
    figure, rows = _grid_of(found, 3, (10.5, 3.1))
    for row, (name, each) in zip(rows, found.items(), strict=True):
        sizes = each["config"]["layer_sizes"]
        runs = {"desires": each["parts"]["desires"], "gradients": best_gradients(each["parts"])}
        for (part, run), dashes in zip(runs.items(), ("-", ":"), strict=True):
            records = run["records"]
            epochs = [record["epoch"] for record in records]
            for kind, axes in zip(("silent", "runaway"), row, strict=False):
                for layer in range(2):
                    values = [100 * record[kind][layer] / sizes[layer + 1] for record in records]
                    style = {**SERIES[layer], "linestyle": dashes}
                    label = f"{part}, layer {layer + 1}"
                    axes.plot(epochs, values, label=label, markersize=4, **style)
                axes.set_title(f"{name}: {kind} neurons", fontsize=9)
        records = each["parts"]["desires"]["records"]
        epochs = [record["epoch"] for record in records]
        for layer in range(3):
            for desire, way, dashes in (("more", 0, "-"), ("less", 2, ":")):
                values = [100 * record["satisfied"][desire][layer][way] for record in records]
                style = {**SERIES[layer], "linestyle": dashes}
                label = f"wants {desire}, layer {layer + 1}"
                row[2].plot(epochs, values, label=label, markersize=4, **style)
        row[2].set_title(f"{name}: desires satisfied at once", fontsize=9)
        row[0].set_ylabel("% of the layer")
        row[2].set_ylabel("% of these neurons and samples")
        for axes in row:
            axes.set_xticks(epochs)
            axes.set_ylim(0, max(5.0, 1.05 * axes.get_ylim()[1]))
            grid(axes)
    for axes in rows[-1]:
        axes.set_xlabel("epoch")
    handles = [line for place in (0, 2) for line in rows[0][place].get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8)
    return figure


def draw_features(found: dict[str, Any]) -> Figure:
    """Weights of first-layer neurons, learned by desires and by gradients."""
    figure = Figure(figsize=(10.5, 3.9 * len(found)), layout="constrained")
    rows = figure.subplots(len(found), 2, squeeze=False)
    for row, (name, each) in zip(rows, found.items(), strict=True):
        runs = {"desires": each["parts"]["desires"], "gradients": best_gradients(each["parts"])}
        for axes, (part, run) in zip(row, runs.items(), strict=True):
            fields = np.array(run["fields"][:20]).reshape(-1, 28, 28)
            padded = np.pad(fields, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
            mosaic = np.concatenate(
                [np.concatenate(list(padded[first : first + 5]), 1) for first in range(0, 20, 5)]
            )
            limit = float(np.percentile(np.abs(fields), 99.5))
            image = axes.imshow(mosaic, cmap="RdBu", vmin=-limit, vmax=limit)
            axes.axis("off")
            axes.set_title(f"{name}: by {part}", fontsize=10)
            figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
    figure.suptitle("Weights of 20 neurons of the first layer after the last epoch", fontsize=11)
    return figure


def draw_between(found: dict[str, Any]) -> Figure:
    """Accuracies of what lies between desires and gradients."""
    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    columns = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    names = {"desires": "the preset's rule, with its floor"}
    names |= {part: part for part in (*BETWEEN, *ADAM)}
    parts = [each["parts"] for each in found.values()]
    names = {part: name for part, name in names.items() if all(part in each for each in parts)}
    for axes, (name, each) in zip(columns, found.items(), strict=True):
        last = [each["parts"][part]["epochs"][-1] for part in names]
        for kind, marker, colour in (("validation", "o", SERIES[0]), ("training", "s", SERIES[1])):
            values = [100 * epoch[kind] for epoch in last]
            axes.plot(
                values, range(len(names)), marker, color=colour["color"], label=f"{kind}", alpha=0.9
            )
        axes.set_yticks(range(len(names)), list(names.values()), fontsize=8)
        axes.set_xlabel("accuracy (%)")
        axes.set_title(name, fontsize=10)
        grid(axes)
    columns[0].legend(fontsize=8)
    columns[0].invert_yaxis()
    figure.suptitle(
        f"{SAMPLES} samples, {EPOCHS} epochs, one seed: what learns, and in which direction",
        fontsize=11,
    )
    return figure


def main() -> None:
    """Measure the data sets that are asked for, then draw all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=" or ".join(LAYERS))
    parser.add_argument("--data-dir", help="folder of the IDX files")
    parser.add_argument("--minutes", type=float, default=1e9, help="then stop; again goes on")
    parser.add_argument("--draw", action="store_true", help="draw what has been measured")
    asked = parser.parse_args()
    if any(name not in LAYERS for name in asked.names):
        sys.exit(f"names are {asked.names}: expected {', '.join(LAYERS)}")
    done = [measure(name, asked.data_dir, asked.minutes) for name in asked.names]
    if asked.draw or (done and all(done)):
        draw()


if __name__ == "__main__":
    main()
