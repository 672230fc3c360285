"""Training with Lava's processes, watched window by window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from differential.by_rule import note_layers
from differential.draw import Case
from differential.trace import Trace, note
from lava_desire.proc import DesireSequential, DesireSimCfg
from lava_desire.proc.training import source_of

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip


def run_lava(case: Case, tag: str, broken_in: Path | None = None) -> Trace:
    """Train online, one sample a window, evaluating after every epoch.

    Parameters
    ----------
    case : Case
        What to learn, as :meth:`~differential.draw.Case.online` gives it.
    tag : str
        Of the run configuration.
    broken_in : path, optional
        A folder in which the network is stored after the first epoch, from which another goes on.

    Returns
    -------
    dict
        Output spikes, desires, predictions, weights and rates of every window, under the names
        that the engine's have.
    """
    config = case.config
    trace: Trace = {}
    running = _Running(case, tag, 0, weights=case.weights, samples_seen=case.samples_seen)
    try:
        for epoch in range(config.epochs):
            if epoch and broken_in is not None:
                path = broken_in / "network.safetensors"
                running.network.to_checkpoint(path)
                running.network.stop()
                running = _Running(case, tag, epoch, path)
            running.train(trace, epoch)
            running.evaluate(trace, epoch)
        note(trace, "samples seen", int(running.network.samples_seen.get()[0]))
    finally:
        running.network.stop()
    return trace


class _Running:
    """A source and a network that learns from it, begun with an epoch."""

    def __init__(
        self, case: Case, tag: str, epoch: int, path: Path | None = None, **options: Any
    ) -> None:
        self._case, self._tag = case, tag
        config = case.config
        if path is None:
            self.network = DesireSequential(config=config, **options)
        else:
            self.network = DesireSequential.from_checkpoint(path)
        self.source = source_of(
            *case.train,
            config,
            self.network,
            held_out=case.test,
            shuffle=True,
            position=epoch * len(case.train[1]),
        )
        self.source.label_out.connect(self.network.label_in)
        left = (config.epochs - epoch) * (len(case.train[1]) + len(case.test[1]))
        self._monitor = Monitor()
        self._monitor.probe(self.network.s_out, left * config.window_steps)
        self._windows = 0
        self._places: list[tuple[str, int]] = []

    def train(self, trace: Trace, epoch: int) -> None:
        config, network = self._case.config, self.network
        rate = np.array([config.learning_rate_at(epoch)])
        if self._windows == 0:
            network.learning_rate.init = rate
        else:
            network.learning_rate.set(rate)
        num_samples, layers = len(self._case.train[1]), config.num_layers
        for sample in range(num_samples):
            name = f"minibatch {epoch * num_samples + sample + 1}: "
            self._run_window(name)
            note(trace, name + "prediction", network.prediction.get())
            for layer in range(1, layers):
                note(
                    trace, f"{name}desire {layer}", getattr(network, f"desire_{layer}").get()[None]
                )
            note(trace, f"{name}desire {layers}", network.desire.get()[None])
            note_layers(trace, name + "weights", [var.get() for var in network.weights])
            if config.follows_rates:
                note_layers(trace, name + "rates", [var.get() for var in network.input_rates])
                rated = np.repeat(network.rated_samples.get(), layers)
                note(trace, name + "rated samples", rated)
        self._take_spikes(trace)

    def evaluate(self, trace: Trace, epoch: int) -> None:
        self._set_mode(learns=False)
        predictions, name = [], f"test {epoch + 1}: "
        for sample in range(len(self._case.test[1])):
            self._run_window(f"{name}{sample} ")
            predictions.append(self.network.prediction.get()[0])
        note(trace, name + "prediction", predictions)
        found: Trace = {}
        self._take_spikes(found)
        layer = self._case.config.num_layers
        note(trace, f"{name}spikes {layer}", np.concatenate(list(found.values()), axis=1))
        self._set_mode(learns=True)

    def _run_window(self, name: str) -> None:
        steps = self._case.config.window_steps
        self.network.run(RunSteps(steps), DesireSimCfg(self._tag))
        self._places.append((name, self._windows * steps))
        self._windows += 1

    def _take_spikes(self, trace: Trace) -> None:
        config = self._case.config
        recorded = next(iter(next(iter(self._monitor.get_data().values())).values()))
        for name, begin in self._places:
            window = recorded[begin : begin + config.window_steps]
            spikes = window[1 : 1 + config.num_steps]
            if spikes.sum() != window.sum():
                raise AssertionError(f"{name}output spikes outside their steps")
            note(trace, f"{name}spikes {config.num_layers}", spikes[:, None])
        self._places.clear()

    def _set_mode(self, learns: bool) -> None:
        self.source.evaluating.set(np.array([not learns]))
        self.network.training.set(np.array([learns]))
        self.network.learning_enabled.set(np.array([learns]))
