"""Training with the engine's :func:`~lava_desire.engine.fit`, watched minibatch by minibatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from differential.by_rule import note_activity, note_layers
from differential.draw import Case
from differential.trace import Trace, note
from lava_desire import DesireNetwork
from lava_desire.training.choose import training_class


class StoppedError(Exception):
    """Raised in the middle of a run, as a crash would come."""


def run_engine(
    case: Case,
    *,
    folder: Path | None = None,
    stop_after: int | None = None,
    resume: bool = False,
    **options: Any,
) -> Trace:
    """Train as the configuration says.

    Parameters
    ----------
    case : Case
        What to learn.
    folder : path, optional
        Where the run is kept.
    stop_after : int, optional
        End with :class:`StoppedError` after this minibatch.
    resume : bool
        Go on from the checkpoint in `folder`.
    **options
        Of :class:`~lava_desire.DesireNetwork`.

    Returns
    -------
    dict
        What :func:`~differential.by_rule.run_rule` gives, and the history's figures.
    """
    network = DesireNetwork(case.config, weights=None if resume else case.weights, **options)
    network.samples_seen = 0 if resume else case.samples_seen
    run = training_class(network)(network, case.train, case.test, folder)
    trace: Trace = {}
    results: list[Any] = []
    learn = network.train_step_checked

    def watched(*arguments: Any) -> Any:
        results.append(learn(*arguments))
        return results[-1]

    learn_in_turn = network.learn_in_turn

    def watched_in_turn(images: Any, labels: Any, learning_rate: float, *rest: Any) -> Any:
        if len(images) == 1:  # what the sample does, seen by a step of another network
            twin = DesireNetwork(case.config, **options)
            twin.restore(network.state)
            results.append(twin.train_step_checked(images, labels, learning_rate))
        return learn_in_turn(images, labels, learning_rate, *rest)

    network.train_step_checked = watched  # type: ignore[method-assign]
    network.learn_in_turn = watched_in_turn  # type: ignore[method-assign]
    batch = case.config.batch_size
    an_epoch = -(-len(case.train[1]) // batch)

    def look(progress: Any) -> None:
        if progress.samples_done == 0:
            activity = network.forward(case.test[0])
            name = f"test {progress.epoch}: "
            note_activity(trace, name, activity.spikes, activity.prediction)
            record = run.history.records[-1]
            for field in ("train_accuracy", "test_accuracy", "test_loss", "undecided_share"):
                note(trace, name + field, getattr(record, field))
            note(trace, name + "active_share", record.active_share)
            return
        number = progress.epoch * an_epoch + -(-progress.samples_done // batch)
        name = f"minibatch {number}: "
        if results:  # ranks have only their share of an activity
            result = results[-1]
            note_activity(trace, name, result.spikes, result.activity.prediction, result.desires)
        note_layers(trace, name + "weights", network.weights)
        if network.input_rates is not None:
            note_layers(trace, name + "rates", network.input_rates.rates)
            note(trace, name + "rated samples", network.input_rates.num_samples)
        if run.average is not None:
            note_layers(trace, name + "average", run.average.network.weights)
        if number == stop_after:
            raise StoppedError

    run.carry_out(resume, 0.0 if folder is not None else 1e9, look)
    note(trace, "samples seen", network.samples_seen)
    return trace


def run_broken(case: Case, folder: Path, **options: Any) -> Trace:
    """Train with a crash in the middle, and go on from the checkpoint that it left."""
    minibatches = case.config.epochs * -(-len(case.train[1]) // case.config.batch_size)
    try:
        run_engine(case, folder=folder, stop_after=(minibatches + 1) // 2, **options)
    except StoppedError:
        return run_engine(case, folder=folder, resume=True, **options)
    raise AssertionError("the run was not stopped")
