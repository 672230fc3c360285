"""Train variants of a preset side by side on one GPU, each on a stream of its own.

``python -m benchmarks.variants SPEC.json`` reads ``{"dataset": …, "preset": …, "base": {fields},
"every": epochs between evaluations, "variants": {name: {fields}}}`` and writes what came of it into
the same file, under ``records``: a row an evaluation, of epoch, test accuracy, that of the averaged
weights, training accuracy under dropout and share of samples with desire, in per cent. A variant
may say ``every`` for itself. Steps of small networks leave most of a GPU idle: a dozen at once take
little longer than one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.randomness import epoch_order
from lava_desire.training.augment import draw_moves, move_samples
from lava_desire.training.average import WeightAverage

SYNCHRONIZED = 50  # steps of each variant between two waits for the device
TEST_BATCH = 2500


class Variant:
    """One network, what it has learned so far and the stream that it runs on."""

    def __init__(self, name: str, config: DesireConfig, every: int, data: Any, device: str) -> None:
        from lava_desire.training.captured import CapturedStep  # which needs Triton

        self.name, self.config, self.every = name, config, every
        self.train, self.test = data
        self.device = torch.device(device)
        self.stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        self.network = DesireNetwork(config, device, precision="bfloat16x2", kernels="triton")
        self.average = WeightAverage(self.network) if config.weight_average else None
        self.num_steps = len(self.train[1]) // config.batch_size
        self.step = CapturedStep(self.network, config.batch_size, self.num_steps, self.average)
        self.epoch = self.done = 0
        self.records: list[tuple[float, ...]] = []

    def on_stream(self) -> Any:
        """Return what makes the variant's stream the current one."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    @torch.inference_mode()
    def begin_epoch(self) -> None:
        """Take in the samples of an epoch; those of its last, smaller minibatch are left out."""
        config, size = self.config, self.num_steps * self.config.batch_size
        images, labels = self.train
        with self.on_stream():
            order = torch.from_numpy(epoch_order(config.seed, self.epoch, len(labels)))[:size]
            order = order.to(self.device)
            shown = images[order]
            moves = draw_moves(config, self.epoch, len(labels))
            if moves is not None:
                moves = moves[:size].to(self.device)
                shown = move_samples(shown, moves, config)
            rate = config.learning_rate_at(self.epoch)
            self.step.begin(shown, labels[order], rate, self.epoch * size)
        self.done = 0

    def go(self) -> None:
        """Do one step; returns before the device is done."""
        with self.on_stream():
            self.step.run()
        self.done += 1

    def end_epoch(self) -> None:
        """Evaluate where it is time."""
        self.epoch += 1
        if self.epoch % self.every and self.epoch < self.config.epochs:
            return
        averaged = self.average.network if self.average else self.network
        seen = self.num_steps * self.config.batch_size
        correct, active = (100 * total / seen for total in self.step.totals.tolist())
        self.records.append(
            (self.epoch, self._accuracy(self.network), self._accuracy(averaged), correct, active)
        )

    @torch.inference_mode()
    def _accuracy(self, network: DesireNetwork) -> float:
        images, labels = self.test
        with self.on_stream():
            right = sum(
                int((network.predict(part) == truth).sum())
                for part, truth in zip(
                    images.split(TEST_BATCH), labels.split(TEST_BATCH), strict=True
                )
            )
        return 100 * right / len(labels)

    def summary(self) -> str:
        """Return a line of the best and the last evaluation."""
        if not self.records:
            return f"{self.name}: nothing evaluated in {self.epoch} epochs"
        best, best_average = (max(row[column] for row in self.records) for column in (1, 2))
        epoch, last, average, train, active = self.records[-1]
        return (
            f"{self.name:30s} best {best:.2f}, averaged {best_average:.2f}; epoch {epoch:.0f}: "
            f"{last:.2f}, {average:.2f}, training {train:.2f}, with desire {active:.1f}"
        )


def train_side_by_side(variants: list[Variant], seconds: float) -> None:
    """Train all to their last epochs, or until the time is over."""
    started, rounds = time.monotonic(), 0
    left = list(variants)
    for variant in left:
        variant.begin_epoch()
    while left and time.monotonic() - started < seconds:
        for variant in list(left):
            if variant.done == variant.num_steps:
                variant.end_epoch()
                if variant.epoch == variant.config.epochs:
                    left.remove(variant)
                    continue
                variant.begin_epoch()
            variant.go()
        rounds += 1
        if rounds % SYNCHRONIZED == 0 and torch.cuda.is_available():
            torch.cuda.synchronize()


def main() -> int:
    """Read what is wanted, train, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--data-dir", help="where the data set's files are")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    spec = json.loads(options.spec.read_text())
    loaded = load_dataset(spec["dataset"], options.data_dir)
    data = [
        tuple(torch.as_tensor(array).to(options.device) for array in part)
        for part in (loaded.train, loaded.test)
    ]
    preset = DesireConfig.preset(spec["preset"]).replace(**spec.get("base", {}))
    variants = []
    for name, given in spec["variants"].items():
        fields = dict(given)
        every = fields.pop("every", spec.get("every", 5))
        variants.append(Variant(name, preset.replace(**fields), every, data, options.device))
    started = time.monotonic()
    train_side_by_side(variants, options.seconds)
    spent = time.monotonic() - started
    for variant in variants:
        print(variant.summary())
    epochs = sum(variant.epoch for variant in variants)
    print(f"{epochs} epochs of {len(variants)} networks in {spent:.1f} s")
    spec["records"] = {variant.name: variant.records for variant in variants}
    spec["run"] = {"seconds": spent, "commit": commit(), "environment": environment()}
    options.spec.write_text(json.dumps(spec) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
