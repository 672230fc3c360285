"""Training and classifying with a network of Lava processes: ``fit(..., backend="lava")``.

Like the torch model of :class:`~lava_desire.proc.DesireSequential`, it meets the engine, and is
imported where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.backends.inputs import StreamedTrains
from lava_desire.checkpoint import Checkpoint, read_checkpoint
from lava_desire.config import DesireConfig
from lava_desire.data import SpikeSource, SpikeTrains
from lava_desire.data.spike_trains import is_spikes
from lava_desire.model.option import Augmentation, refuse_options
from lava_desire.proc import (
    DesireChain,
    DesireSequential,
    DesireSimCfg,
    EventSource,
    RateEncoder,
    SampleSource,
    WindowRecorder,
    plot_window,
)
from lava_desire.training.evaluation import Metrics
from lava_desire.training.loop import TrainingRun

from lava.magma.core.run_conditions import RunSteps  # isort: skip

_WINDOWS_A_RUN = 16  # between two looks at progress and interrupts


def source_of(
    inputs: Any,
    labels: Any,
    config: DesireConfig,
    into: RateEncoder | DesireSequential,
    **options: Any,
) -> SampleSource | EventSource:
    """Return a source of images or of spike trains, whichever they are, that feeds `into`."""
    if isinstance(inputs, SpikeSource) or is_spikes(inputs):
        events = EventSource(config=config, spikes=inputs, labels=labels, **options)
        events.s_out.connect(into.s_in)
        return events
    source = SampleSource(config=config, images=inputs, labels=labels, **options)
    source.brightness_out.connect(into.brightness_in)
    return source


def classified(
    checkpoint: str | Path | Checkpoint, images: Any, labels: Any
) -> Iterator[tuple[Any, int]]:
    """Classify images, or spike trains, with a stored network as Lava processes.

    They are as :class:`~lava_desire.proc.SampleSource` takes them, or
    :class:`~lava_desire.proc.EventSource`. Yields, of each sample in order, the spikes of the
    output neurons, (N_L,) int64, and the class, −1 where the network is undecided.
    """
    network = DesireSequential.from_checkpoint(checkpoint, training=False, learning_enabled=False)
    source = source_of(images, labels, network.config, network)
    source.label_out.connect(network.label_in)
    window = RunSteps(network.config.window_steps)
    settings = DesireSimCfg("fixed_pt" if network.proc_params["formats"] else "floating_pt")
    try:
        for _ in range(len(labels)):
            network.run(window, settings)
            yield network.counts.get().astype(np.int64), int(network.prediction.get()[0])
    finally:
        network.stop()


def predict_in_lava(checkpoint: str | Path, images: Any, labels: Any) -> Any:
    """Return the classes, (S,) int64, that :func:`classified` yields."""
    return np.array([found for _, found in classified(checkpoint, images, labels)], np.int64)


def classified_checked(network: Any, inputs: Any, labels: Any) -> Iterator[tuple[Any, int]]:
    """Do what :func:`classified` does, with samples that passed the engine's checks before.

    Raises ValueError if the network computes what the processes do not.
    """
    _check_arithmetic(network, "classifying")
    yield from classified(network.checkpoint(), *_as_sent(inputs, labels, network.config))


def _as_sent(inputs: Any, labels: Any, config: DesireConfig) -> tuple[Any, Any]:
    """Return samples that passed the engine's checks as sources take them."""
    if isinstance(inputs, StreamedTrains):
        return inputs.source, labels.numpy()
    if inputs.ndim == 2:
        return inputs.numpy(), labels.numpy()
    return SpikeTrains(inputs.numpy(), config.num_steps, (config.num_inputs,)), labels.numpy()


def _check_arithmetic(network: Any, doing: str) -> None:
    """Refuse a network that computes elsewhere, or in another way, than the processes."""
    if str(network.device) != "cpu":
        raise ValueError(f"device is {network.device}: {doing} in Lava expects cpu")
    if network.precision not in ("float32", "fixed_point"):
        raise ValueError(
            f"precision is {network.precision}: {doing} in Lava expects float32 or fixed_point"
        )


def draw_window_in_lava(checkpoint: str | Path, image: Any, label: int, path: str | Path) -> None:
    """Let a stored network learn one sample as Lava processes, and draw its window.

    The sample is (N_0,) brightness, or a spike train; the PNG goes to `path`.
    """
    stored = read_checkpoint(checkpoint)
    chain = DesireChain.build(stored.config, stored.weights, training=False)
    images = image if is_spikes(image) else image[None]
    source = source_of(images, np.array([label]), stored.config, chain.encoder)
    source.label_out.connect(chain.teacher.label_in)
    recorder = WindowRecorder(chain)
    try:
        chain.teacher.run(RunSteps(stored.config.window_steps), DesireSimCfg())
        record = recorder.window()
    finally:
        chain.teacher.stop()
    busiest = np.argsort(-record.spikes[-2].sum(axis=0), kind="stable")[:3]
    shown = [int(neuron) for neuron in busiest]
    names = stored.class_names or None
    plot_window(record, path, label=label, neurons=shown, class_names=names)


class LavaTrainingRun(TrainingRun):
    """Trains and evaluates in one running network of processes; weights come back when saved.

    Samples come in the engine's order, with its dropout masks, so the run ends as the engine's does
    with minibatches of one, to the bit, and either backend can resume what the other began.
    Arguments are those of :func:`~lava_desire.engine.fit`; the network holds the weights between
    runs, and its arithmetic is that of the processes. Raises ValueError if the config asks for what
    the processes do not offer.
    """

    def __init__(
        self,
        network: Any,
        train: Any,
        test: Any,
        folder: Any,
        validation: Any = None,
        choose: str = "best",
    ) -> None:
        super().__init__(network, train, test, folder, validation, choose)
        held_out = self.watched
        if held_out and len({getattr(part[0], "ndim", 3) for part in (self.train, held_out)}) > 1:
            raise ValueError(
                "train and test hold images and spike trains: training in Lava expects one kind"
            )
        self._source: SampleSource | EventSource | None = None
        self._sequential: DesireSequential | None = None
        self._is_ahead = False  # whether the processes have learned since weights were fetched

    @classmethod
    def check_network(cls, network: Any) -> None:
        """Refuse a network that processes do not train as its config says."""
        config = network.config
        _check_arithmetic(network, "training")
        for name, value, expected in (
            ("batch_size", config.batch_size, 1),
            ("weight_average", config.weight_average, 0),
        ):
            if value != expected:
                raise ValueError(f"{name} is {value}: training in Lava expects {expected}")
        where = " where a network trains in Lava, which changes no samples"
        refuse_options(config, Augmentation, where)
        super().check_network(network)

    def _minibatches(self) -> Iterator[None]:
        """Learn from the rest of the epoch, some windows a run."""
        sequential = self._start()
        num_samples = len(self.train[1])
        while self.samples_done < num_samples:
            windows = min(_WINDOWS_A_RUN, num_samples - self.samples_done)
            before = self._read("num_correct", "num_active")
            self._run_windows(windows)
            after = self._read("num_correct", "num_active")
            self.samples_done += windows
            self.num_correct += int((after[0] - before[0]).item())
            self.num_active += int((after[1] - before[1]).item())
            self._is_ahead = True
            yield
        next_rate = self.network.config.learning_rate_at(self.epoch + 1)
        self._put(sequential.learning_rate, next_rate)

    def _metrics(self) -> Metrics | None:
        """Classify what is watched with the same processes, dropout and learning switched off."""
        if self.watched is None:
            self._fetch()
            return None
        self._set_mode(learns=False)
        before = self._read("confusion", "loss")
        num_samples = len(self.watched[1])
        self._run_windows(num_samples)
        after = self._read("confusion", "loss")
        self._set_mode(learns=True)
        self._fetch()
        confusion = (after[0] - before[0]).astype(np.int64)
        return Metrics(
            num_samples=num_samples,
            num_correct=int(np.trace(confusion)),
            num_undecided=int(confusion[:, -1].sum()),
            confusion=confusion,
            loss=float((after[1] - before[1]).item()) / num_samples,
        )

    def save(self) -> None:
        """Write a checkpoint of what the processes have learned, if there is a folder."""
        if self.folder is not None:
            self._fetch()
        super().save()

    def close(self) -> None:
        """Stop the processes."""
        if self._sequential is not None:
            self._sequential.stop()

    def _take_config(self) -> None:
        """Let processes of the new configuration go on from the weights."""
        super()._take_config()
        self._fetch()
        self.close()
        self._sequential = None

    def _start(self) -> DesireSequential:
        """Build the processes where the run is, at its beginning or after a resume."""
        if self._sequential is not None:
            return self._sequential
        config, network = self.network.config, self.network
        self._sequential = DesireSequential.from_checkpoint(network.checkpoint())
        self._sequential.learning_rate.init = np.array([config.learning_rate_at(self.epoch)])
        self._source = source_of(
            *_as_sent(*self.train, config),
            config,
            self._sequential,
            held_out=self.watched and _as_sent(*self.watched, config),
            shuffle=True,
            position=self.epoch * len(self.train[1]) + self.samples_done,
        )
        self._source.label_out.connect(self._sequential.label_in)
        return self._sequential

    def _run_windows(self, num_windows: int) -> None:
        sequential = self._start()
        tag = "fixed_pt" if self.network.format_fields() else "floating_pt"
        sequential.run(RunSteps(num_windows * self.network.config.window_steps), DesireSimCfg(tag))

    def _read(self, *names: str) -> list[Any]:
        sequential = self._start()
        return [getattr(sequential, name).get() for name in names]

    def _set_mode(self, learns: bool) -> None:
        sequential = self._start()
        assert self._source is not None
        self._put(self._source.evaluating, not learns)
        self._put(sequential.training, learns)
        self._put(sequential.learning_enabled, learns)

    def _put(self, var: Any, value: float) -> None:
        """Set a Var of one number: before the first window, as after a resume, to begin with it."""
        if self._start().runtime is None:
            var.init = np.array([value])
        else:
            var.set(np.array([value]))

    def _fetch(self) -> None:
        """Copy the processes' weights to the engine's network, unless it has them."""
        if not self._is_ahead or self._sequential is None:
            return
        self.network.restore(self._sequential.state())
        self._is_ahead = False
