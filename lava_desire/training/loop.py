"""A run of training: schedule, evaluation, checkpoints, resume."""

from __future__ import annotations

import hashlib
import numbers
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lava_desire import card as cards
from lava_desire._provenance import versions
from lava_desire.backends.inputs import Inputs, StreamedTrains
from lava_desire.backends.registry import FIXED_POINT
from lava_desire.checkpoint import (
    BEST,
    BEST_AVERAGE,
    CHECKPOINT,
    PREVIOUS,
    Checkpoint,
    CheckpointError,
    read_checkpoint,
    write_checkpoint,
)
from lava_desire.data import Dataset, DataWarning
from lava_desire.errors import NotFiniteError, RangeWarning
from lava_desire.files import (
    FolderLock,
    check_writable,
    remove_partial,
    replacing,
    write_atomically,
)
from lava_desire.model.state import ARRAYS
from lava_desire.network import DesireNetwork
from lava_desire.randomness import epoch_order
from lava_desire.training.augment import Moves, draw_moves, move_samples
from lava_desire.training.average import WeightAverage
from lava_desire.training.callbacks import Callback
from lava_desire.training.choose import check_choice_of_epoch
from lava_desire.training.evaluation import Metrics, checked_data, chunks, evaluate_checked
from lava_desire.training.history import (
    EpochRecord,
    History,
    Progress,
    TestRecord,
    write_metrics,
)
from lava_desire.training.interrupt import Interrupted, InterruptFlag
from lava_desire.training.memory import memory_advice
from lava_desire.training.run_folder import (
    CONFIG,
    FILES,
    POSITION,
    checked_state,
    holds_run,
    read_latest,
)
from lava_desire.training.samples import (
    SampleKind,
    as_dataset,
    split_off,
    training_pairs,
    warn_of_one_class,
)

_SAMPLES_LOOKED_AT = 64  # for layers that fell silent
_STRETCH_SECONDS = 0.2  # of the processor between two looks at interrupts and time, at most about
_STRETCH_BYTES = 1 << 24  # of images or trains at a time, as the loop takes them


class TrainingRun:
    """One call of :func:`~lava_desire.engine.fit`: the network, its data and where in them it is.

    Another backend overrides what learns, what evaluates and what is given back at the end; files,
    schedule and interrupts stay the same. Arguments are those of :func:`~lava_desire.engine.fit`.
    """

    def __init__(
        self,
        network: DesireNetwork,
        train: Any,
        test: Any,
        folder: Path | None,
        validation: Any = None,
        choose: str = "best",
    ) -> None:
        check_choice_of_epoch(choose, validation)
        self.check_network(network)
        self.network, self.choose = network, choose
        share = validation if isinstance(validation, numbers.Real) else None
        others = {"test": test, "validation": None if share is not None else validation}
        train = as_dataset(given := train)
        learned, held_out, names = training_pairs(network, train, **others)
        with network.threads():
            self.train = checked_data(network, learned, "train")
            checked = {
                name: checked_data(network, pair, name) for name, pair in held_out.items() if pair
            }
        self.test, self.validation = checked.get("test"), checked.get("validation")
        if share is not None:
            self.train, self.validation = split_off(self.train, share, network.config.seed)
        network.class_names = names
        if network.config.num_classes > 1:
            warn_of_one_class(self.train[1])
        self._trained_before = cards.before(network.card)
        self._data_name = given.name if isinstance(given, Dataset) else None
        self._kind = SampleKind.of(train, learned, network.config)
        shape = None if self._kind.spikes else self._kind.shape
        self._image_shape = None if shape is None else list(shape)
        self._feature_names = cards.names_kept(getattr(train, "feature_names", None))
        train_images = self.train[0]
        self._has_floats = isinstance(train_images, Tensor) and train_images.is_floating_point()
        self.folder = folder
        self.notes: dict[str, bytes] = {}  # further files that describe the run, by name
        self.metrics: Metrics | None = None  # of the last epoch, on what is watched
        self.callbacks: list[Callback] = []
        self.replaces = False  # whether a run in the folder gives way to this one
        self.history = History()
        self.average = WeightAverage(network) if network.config.weight_average else None
        self._followed: Any = network.backend  # every configuration that is set makes another
        self._kept: dict[str, Checkpoint] = {}  # the best weights of a run without a folder
        self._looked_at: Tensor | None = None  # some training samples, for rates
        self._keeps_previous = True
        self._interrupt = InterruptFlag()
        self._stretch = 1  # minibatches before the run looks up
        self._looks_up_after_each = True
        self._fingerprint = self._digest() if folder else ""
        # A test set that is left for the end is no part of the run's data.
        self._test_digest = fingerprint(*self.test) if self.test and self._reads_last else None
        self._start_epoch(0)
        network.card = self._card()

    @classmethod
    def check_network(cls, network: DesireNetwork) -> None:
        """Refuse a network that cannot learn here as its config says: ValueError names what."""
        network.check_trainable()

    def _digest(self) -> str:
        return fingerprint(*self.train, *(self.watched or ()))

    @property
    def watched(self) -> tuple[Inputs, Tensor] | None:
        """What every epoch is evaluated on: the samples to validate with, or else the test set.

        None where the last epoch is taken, whatever others reach.
        """
        return self.validation if self._reads_last else self.test

    @property
    def _reads_last(self) -> bool:
        """Whether a test set is left for the end, to be read once."""
        return self.validation is not None or self.choose == "last"

    def _start_epoch(self, epoch: int) -> None:
        self.epoch, self.samples_done, self.num_correct, self.num_active = epoch, 0, 0, 0
        self.seconds = 0.0

    def carry_out(
        self,
        resume: bool = False,
        checkpoint_seconds: float = 60.0,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        after_each: bool = True,
    ) -> History:
        """Train to the last epoch; see :func:`~lava_desire.engine.fit`.

        Unless `on_progress`, or a callback's, is to be called `after_each` minibatch, they are
        learned in stretches where a compiled loop can, which is faster: of one minibatch at first,
        then each up to twice as long, to about 0.2 s of the processor or 16 MiB of inputs. One by
        one they go where checkpoints may be closer, or a minibatch's samples are read from disk.
        """
        watch = any(type(each).on_progress is not Callback.on_progress for each in self.callbacks)
        self._looks_up_after_each = (
            watch
            or (on_progress is not None and after_each)
            or checkpoint_seconds < _STRETCH_SECONDS
        )
        with self._lock(resume):
            if resume:
                self.resume()
            else:
                self.begin()
            advice = memory_advice(self.network, self.folder)
            try:
                with InterruptFlag() as self._interrupt, advice, self.network.threads():
                    self._go(checkpoint_seconds, on_progress or (lambda progress: None))
            finally:
                self.close()
        return self.history

    def stop(self, reason: str) -> None:
        """End the run after the present epoch, as if it were the last; `reason` is for people."""
        self.history.stopped = reason

    def _is_stopped(self) -> bool:
        return self.history.stopped is not None

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a method of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, name)(self, *arguments)

    def _lock(self, resume: bool) -> Any:
        """Return what keeps other processes out of the folder, which is made for a new run."""
        if self.folder is None:
            return nullcontext()
        if not resume:
            self.folder.mkdir(parents=True, exist_ok=True)
        elif not holds_run(self.folder):
            raise CheckpointError(f"{self.folder} holds no {CHECKPOINT} to resume from")
        return FolderLock(self.folder)

    def close(self) -> None:
        """Give back what the run holds; the engine's holds nothing."""

    def begin(self) -> None:
        """Open the folder of a new run; one that it replaces goes when all of this one is written.

        Where that fails, the other is as it was; killed within, the folder holds one or none.
        """
        if self.folder is None:
            return
        if holds_run(self.folder) and not self.replaces:
            raise FileExistsError(
                f"{self.folder} already holds a run: resume it, or choose another folder"
            )
        remove_partial(self.folder)
        for name in FILES:
            check_writable(self.folder / name)
        files = {CONFIG: self.network.config.to_json().encode(), **self.notes}
        with ExitStack() as written:
            # What is entered first takes its place last: the checkpoint makes it a run.
            partial = written.enter_context(replacing(self.folder / CHECKPOINT))
            partial.write_bytes(self._checkpoint().to_bytes(self.folder / CHECKPOINT))
            for name, content in files.items():
                written.enter_context(replacing(self.folder / name)).write_bytes(content)
            for name in FILES:
                if self.replaces and name not in files:
                    (self.folder / name).unlink(missing_ok=True)

    def resume(self) -> None:
        """Go back to where the checkpoint in the folder is."""
        if self.folder is None:
            raise ValueError("resume is True without a folder: expected the folder of a run")
        remove_partial(self.folder)
        checkpoint, path = read_latest(self.folder)
        # A damaged checkpoint takes the place of no good one.
        self._keeps_previous = path.name == CHECKPOINT
        self._check_fits(checkpoint, path)
        self._restore(checkpoint, path)
        for name, content in self.notes.items():
            write_atomically(self.folder / name, content)

    def _restore(self, checkpoint: Checkpoint, path: Path) -> None:
        """Go to where a checkpoint is that fits, or refuse what is no run's."""
        state = checked_state(checkpoint, path, len(self.train[1]))
        self.network.restore(checkpoint)
        self.history.records, self.history.test = state["records"], state["test"]
        for name in POSITION:
            setattr(self, name, state[name])
        if checkpoint.card:
            self.network.card = checkpoint.card
            self._trained_before = checkpoint.card.get("before", [])

    def _check_fits(self, checkpoint: Checkpoint, path: Path) -> None:
        mine = self.network.config.to_dict()
        theirs = checkpoint.config.to_dict()
        for name in {**mine, **theirs}:
            given, expected = theirs.get(name), mine.get(name)  # None where it is left out
            # More epochs may be asked for, unless learning rates follow how many there are; all
            # else would make it another run.
            policy = self.network.config.rate_policy if name == "epochs" else None
            if given != expected and (name != "epochs" or policy is not None):
                if policy is not None:
                    raise CheckpointError(
                        f"epochs is {expected}: expected {given}, with which {path} was begun, as "
                        f"{policy.switch().name} sets learning rates by them"
                    )
                raise CheckpointError(
                    f"{path} was trained with {name} = {given}: expected {expected}"
                )
        state = checked_state(checkpoint, path, len(self.train[1]))
        if checkpoint.formats != self.network.format_fields():
            raise CheckpointError(
                f"{path} was trained with formats {checkpoint.formats}: expected "
                f"{self.network.format_fields()}"
            )
        for name in ARRAYS:
            if self.network.state.holds(name) and not checkpoint.holds(name):
                raise CheckpointError(
                    f"{path} holds no {name}: expected arrays of {self.network.config.num_layers} "
                    "layers, as this config asks for"
                )
        names = tuple(checkpoint.class_names) or None
        if names is not None and self.network.class_names not in (None, names):
            raise CheckpointError(
                f"{path} was trained with classes {names}: expected {self.network.class_names}"
            )
        for name, expected in (
            ("precision", self.network.precision),
            ("num_validated", self._num_validated),
            ("data", self._fingerprint),
        ):
            if state.get(name) != expected:
                raise CheckpointError(
                    f"{path} was trained with {name} {state.get(name)}: expected {expected}"
                )
        known = state.get("test_data")
        if None not in (known, self._test_digest) and known != self._test_digest:
            raise CheckpointError(
                f"{path} was begun with the test set {known}: expected {self._test_digest}, the "
                "same that is given"
            )

    def save(self) -> None:
        """Write a checkpoint, if there is a folder."""
        if self.folder is None:
            return
        previous = self.folder / PREVIOUS if self._keeps_previous else None
        write_checkpoint(self._checkpoint(), self.folder / CHECKPOINT, previous=previous)
        self._keeps_previous = True

    def _checkpoint(self) -> Checkpoint:
        """Return where the run is."""
        return self.network.checkpoint(
            {
                **{name: getattr(self, name) for name in POSITION},
                "records": [asdict(record) for record in self.history.records],
                "test": asdict(self.history.test) if self.history.test else None,
                "precision": self.network.precision,
                "num_validated": self._num_validated,
                "data": self._fingerprint,
                "test_data": self._test_digest,
            }
        )

    @property
    def _num_validated(self) -> int | None:
        return None if self.validation is None else len(self.validation[1])

    def _card(self, record: EpochRecord | None = None, averaged: bool = False) -> dict[str, Any]:
        """Return what is said of the network; with a record, of it at the end of that epoch."""
        data = {
            "name": self._data_name,
            "digest": self._fingerprint or None,
            "image_shape": self._image_shape,
            "feature_names": self._feature_names,
            "floats": (self._feature_names and self._has_floats) or None,
            "training_samples": len(self.train[1]),
            "validation_samples": self._num_validated,
            "test_samples": None if self.test is None else len(self.test[1]),
        }
        card: dict[str, Any] = {
            "data": {name: value for name, value in data.items() if value is not None},
            "epoch": self.epoch if record is None else record.epoch,
            "precision": self.network.precision,
            "versions": dict(versions()),
        }
        if self._trained_before:
            card["before"] = self._trained_before
        if record is not None:
            found = {
                "training": record.train_accuracy,
                "validation": record.validation_accuracy,
                "test": record.test_accuracy,
            }
            if averaged:
                card["weights"] = "moving average"
                watched = "test" if self.validation is None else "validation"
                found = {watched: record.average_accuracy}
            card["accuracy"] = {name: share for name, share in found.items() if share is not None}
        return card

    def _go(
        self,
        checkpoint_seconds: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        saved = time.monotonic()
        self._warn_of_idle_epochs()
        self._call("on_begin")
        self._follow_config()
        while self.epoch < self.network.config.epochs and not self._is_stopped():
            started = time.monotonic() - self.seconds
            self.network.card = self._card()
            with self._epoch_named():
                for _ in self._minibatches():
                    self.seconds = max(self.seconds, time.monotonic() - started)
                    progress = self._progress()
                    on_progress(progress)
                    self._call("on_progress", progress)
                    due = time.monotonic() - saved > checkpoint_seconds
                    stops = self._stops()
                    if stops or due:
                        self.save()
                        saved = time.monotonic()
                    if stops:
                        raise Interrupted(self.folder, self._interrupt.signal)
                # Weights that are none are neither evaluated nor kept.
                self.network.check_finite()
            self._finish_epoch()
            saved = time.monotonic()
            on_progress(self._progress())
            self._call("on_epoch_end", self.history.records[-1])
            self._follow_config()
        if self._reads_last and self.test is not None and self.history.test is None:
            self._read_test()
        if self.history.stopped is not None and self.folder is not None:
            write_metrics(self.history, self.folder)
        self._call("on_end")

    def _follow_config(self) -> None:
        """Go on as the configuration says that a callback may have set."""
        before = self._followed
        if self.network.backend is not before:
            self.check_network(self.network)
            self._kind.check(self.network.config)
            kind = "spike trains" if self._kind.spikes else "images"
            held = {"train": self.train, "validation": self.validation, "test": self.test}
            for name, samples in held.items():
                if samples is not None:
                    self.network.check_scale(samples[0], f"{name} {kind}", whole=True)
            self._followed = self.network.backend
            self._take_config()
            self._warn_of_idle_epochs(before)

    def _take_config(self) -> None:
        """Make anew what was made for the configuration before."""
        self._stretch = 1  # of minibatches that may be of another size
        if not self.network.config.weight_average:
            self.average = None
        elif self.average is None or not self.network.state.average:  # ended, and begun anew
            self.average = WeightAverage(self.network)

    def _stops(self) -> bool:
        """Tell whether the run ends after this minibatch."""
        return self._interrupt.is_set

    def _metrics(self) -> Metrics | None:
        """Classify what is watched, if anything is, with the weights at the end of an epoch."""
        return None if self.watched is None else self._evaluate(self.network, self.watched)

    def _evaluate(self, network: DesireNetwork, samples: tuple[Inputs, Tensor]) -> Metrics:
        return evaluate_checked(network, *samples)

    def _read_test(self) -> None:
        """Classify the test set with the weights that are chosen, and put it down."""
        chosen, name = self.history.chosen, self.history.weights_file
        if self.choose == "last":
            chosen, name = self.history.last, BEST_AVERAGE if self.average else CHECKPOINT
        if chosen is None or name is None or self.test is None:
            return
        stored, mine = self._best_weights(name), self.network
        # As these weights were configured: a callback may have set another config since.
        network = type(mine).from_checkpoint(
            stored, mine.device, precision=mine.precision, kernels=mine.kernels
        )
        metrics = self._evaluate(network, self.test)
        self.history.test = TestRecord(
            epoch=chosen.epoch,
            weights=name,
            accuracy=metrics.accuracy,
            loss=metrics.loss,
            undecided_share=metrics.num_undecided / metrics.num_samples,
            num_samples=metrics.num_samples,
        )
        if self.folder is not None:
            accuracies = {**stored.card.get("accuracy", {}), "test": metrics.accuracy}
            stored.card["accuracy"] = accuracies
            if name == CHECKPOINT:
                self.network.card = stored.card
            else:
                write_checkpoint(stored, self.folder / name)
            write_metrics(self.history, self.folder)
            self.save()

    def _best_weights(self, name: str) -> Checkpoint:
        if name == CHECKPOINT:
            return self.network.checkpoint()
        if self.folder is None:
            return self._kept[name]
        return read_checkpoint(self.folder / name)

    def _minibatches(self) -> Iterator[None]:
        """Learn from the rest of the epoch, minibatch by minibatch."""
        labels = self.train[1]
        config = self.network.config
        order = torch.from_numpy(epoch_order(config.seed, self.epoch, len(labels)))
        order = order.to(labels.device)
        learning_rate = config.learning_rate_at(self.epoch)
        moves = self._moves()
        while self.samples_done < len(labels):
            # Asked anew: the loop may have been compiled meanwhile, or a callback have set another
            # size, which an epoch takes from its beginning on.
            is_same = self.network.config.batch_size == config.batch_size
            in_turn = is_same and self._learns_in_turn
            size = config.batch_size * (self._stretch if in_turn else 1)
            part = slice(self.samples_done, self.samples_done + size)
            chosen, learn = order[part], self._learn_in_turn if in_turn else self._learn
            num_correct, num_active = learn(
                chosen, None if moves is None else moves[part], learning_rate
            )
            if self.average is not None and not in_turn:
                self.average.update()
            self.samples_done += len(chosen)
            self.num_correct += num_correct
            self.num_active += num_active
            yield

    @property
    def _learns_in_turn(self) -> bool:
        """Whether a compiled loop learns minibatches one after the other."""
        return self.network.learns_in_turn

    def _learn(self, chosen: Tensor, moves: Moves | None, learning_rate: float) -> tuple[int, int]:
        """Learn one minibatch; return how many samples were right, and how many had desire."""
        result = self.network.train_step_checked(*self._shown(chosen, moves), learning_rate)
        return result.num_correct, result.num_active

    def _learn_in_turn(
        self, chosen: Tensor, moves: Moves | None, learning_rate: float
    ) -> tuple[int, int]:
        """Learn a stretch of minibatches; return what :meth:`_learn` does.

        The next stretch is as long as the run may go without looking up.
        """
        began = time.thread_time()  # as many samples where others take the processors
        shown = self._shown(chosen, moves)
        found = self.network.learn_in_turn(*shown, learning_rate, self.average)
        num_minibatches = -(-len(chosen) // self.network.config.batch_size)
        seconds = max(time.thread_time() - began, 1e-9) / num_minibatches
        wanted = max(1, int(_STRETCH_SECONDS / seconds))
        self._stretch = min(2 * self._stretch, wanted, self._longest_stretch(shown[0]))
        return found

    def _longest_stretch(self, samples: Tensor) -> int:
        """Return how many minibatches may be learned at once, of samples such as these."""
        config, backend = self.network.config, self.network.backend
        is_read = config.batch_size > 1 and not isinstance(self.train[0], Tensor)
        if self._looks_up_after_each or is_read:
            return 1
        num_bytes = config.num_inputs * backend.bytes_in_turn(samples)
        return max(1, _STRETCH_BYTES // (config.batch_size * num_bytes))

    def _shown(self, chosen: Tensor, moves: Moves | None) -> tuple[Tensor, Tensor]:
        """Return the chosen training samples, changed where they are, and their labels."""
        images, labels = self.train[0], self.train[1][chosen]
        samples = images.index_select(0, chosen) if isinstance(images, Tensor) else images[chosen]
        if moves is not None:
            samples = move_samples(samples, moves, self.network.config)
        return samples, labels

    def _moves(self) -> Moves | None:
        """Return how this epoch changes its samples, in its order; None where they stay."""
        labels = self.train[1]
        moves = draw_moves(self.network.config, self.epoch, len(labels))
        return None if moves is None else moves.to(labels.device)

    def _finish_epoch(self) -> None:
        self.metrics = metrics = self._metrics()
        rates = self._rates()
        if self.epoch == 0:
            self._warn_of_silence(rates)
        averaged = None
        if self.average is not None and self.watched is not None:
            averaged = self._evaluate(self.average.network, self.watched)
        validates = self.validation is not None
        tested, validated = (None, metrics) if validates else (metrics, None)
        num_samples = len(self.train[1])
        record = EpochRecord(
            epoch=self.epoch + 1,
            learning_rate=self.network.config.learning_rate_at(self.epoch),
            train_accuracy=self.num_correct / num_samples,
            test_accuracy=tested.accuracy if tested else None,
            test_loss=tested.loss if tested else None,
            undecided_share=metrics.num_undecided / metrics.num_samples if metrics else None,
            active_share=self.num_active / num_samples,
            samples_per_second=num_samples / max(self.seconds, 1e-9),
            seconds=self.seconds,
            average_accuracy=averaged.accuracy if averaged else None,
            validation_accuracy=validated.accuracy if validated else None,
            validation_loss=validated.loss if validated else None,
            rates=rates,
        )
        best_before, best_average_before = self.history.best, self.history.best_average
        self.history.records.append(record)
        self.history.test = None  # of fewer epochs, where a run goes on to more
        self._start_epoch(self.epoch + 1)
        self.network.card = self._card(record)
        if self.average is not None:
            self.average.network.card = self._card(record, averaged=True)
        # The best weights go first: a kill between the two files repeats the epoch and writes
        # the same again, while the other order could lose them.
        if self.history.best is not best_before:
            self._keep(BEST, self.network)
        # Without a set to choose by the latest average is kept: the checkpoint's is for going on.
        if self.average is not None and (
            self.watched is None or self.history.best_average is not best_average_before
        ):
            self._keep(BEST_AVERAGE, self.average.network)
        if self.folder is None:
            return
        write_metrics(self.history, self.folder)
        self.save()

    def _keep(self, name: str, network: DesireNetwork) -> None:
        """Keep the best weights: in the folder, or for a test set that is read at the end."""
        if self.folder is not None:
            write_checkpoint(network.checkpoint(), self.folder / name)
        elif self._reads_last and self.test is not None:
            self._kept[name] = network.checkpoint()

    def _rates(self) -> list[float]:
        """Return the mean firing rate of each layer for some training samples: 0 learns no more."""
        network = self.network
        if self._looked_at is None:
            count = min(_SAMPLES_LOOKED_AT, len(self.train[1]))
            self._looked_at, _ = self._shown(torch.arange(count, device=network.device), None)
        totals = [0] * network.config.num_layers
        with torch.inference_mode():
            # As many at a time as learn together, so that it takes no more memory than learning.
            for part in chunks(self._looked_at, network.config.batch_size):
                trains = network.forward_checked(self._looked_at[part]).trains[1:]
                for layer, each in enumerate(trains):
                    totals[layer] += int(network.backend.counts(each).sum())
        sizes = [len(self._looked_at) * size for size in network.config.neurons[1:]]
        num_steps = network.config.num_steps
        return [total / size / num_steps for total, size in zip(totals, sizes, strict=True)]

    def _warn_of_silence(self, rates: list[float]) -> None:
        """Say which layer spikes for none of these samples, and so learns little or nothing."""
        silent = next((layer for layer, rate in enumerate(rates, start=1) if not rate), None)
        if silent is not None:
            self._warn(
                f"none of the {self.network.config.neurons[silent]} neurons of layer {silent} "
                f"spikes for any of {min(_SAMPLES_LOOKED_AT, len(self.train[1]))} training samples "
                "after the first epoch, and silent neurons learn little or nothing: see "
                "docs/symptoms.md, The network is silent",
                DataWarning,
            )

    def _warn_of_idle_epochs(self, before: Any = None) -> None:
        """Say from which epoch on a layer learns nothing, its rate being too small for integers.

        Not again where that was so with the backend `before`.
        """
        network, config = self.network, self.network.config
        if network.arithmetic != FIXED_POINT:
            return
        rules = [network.rule] if before is None else [network.rule, before.rule]
        found, *known = (rule.first_idle(range(self.epoch, rule.config.epochs)) for rule in rules)
        if found is not None and found not in known:
            epoch, layer = found
            rate, least = config.learning_rate_at(epoch), network.rule.least_rate(layer)
            falls = "" if config.rate_policy else ", a smaller learning_rate_decay"
            self._warn(
                f"in epoch {epoch + 1} of {config.epochs} the learning rate is {rate:.3g}, which "
                f"is 0 on the grid of layer {layer}: it learns nothing from there on; the smallest "
                f"is {least:.3g} where a network learns in integers: take fewer epochs{falls} or a "
                "larger learning_rate",
                RangeWarning,
            )

    def _warn(self, message: str, kind: type[Warning]) -> None:
        warnings.warn(message, kind, stacklevel=3)

    @contextmanager
    def _epoch_named(self) -> Iterator[None]:
        """Say in which epoch weights have grown beyond all bounds."""
        try:
            yield
        except NotFiniteError as error:
            raise NotFiniteError(f"in epoch {self.epoch + 1}, {error}") from None

    def _progress(self) -> Progress:
        return Progress(
            self.epoch,
            self.network.config.epochs,
            self.samples_done,
            len(self.train[1]),
            self.num_correct,
            self.num_active,
            self.seconds,
            self.history.records,
        )


def fingerprint(*tensors: Inputs) -> str:
    """Return a short digest of the data, so that a run is not resumed on other data."""
    digest = hashlib.sha256()
    for tensor in tensors:
        if isinstance(tensor, StreamedTrains):
            tensor = tensor.spread()
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
