"""Training a network, and which kind of run carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork
    from lava_desire.training.callbacks import Callback
    from lava_desire.training.history import EpochRecord, History, Progress
    from lava_desire.training.loop import TrainingRun

BACKENDS = ("torch", "lava")
"""Where a network may learn: in bulk, or as Lava processes."""

CHOICES = ("best", "last")
"""Which epoch's weights a run is for."""

_RUNS = {
    "alone": ("lava_desire.training.loop", "TrainingRun"),
    "captured": ("lava_desire.training.captured", "CapturedRun"),
    "ranks": ("lava_desire.training.distributed", "DistributedRun"),
    "lava": ("lava_desire.proc.training", "LavaTrainingRun"),
}


def fit(
    network: DesireNetwork,
    train: Any,
    test: Any = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 60.0,
    on_progress: Callable[[Progress], None] | None = None,
    backend: str = "torch",
    validation: Any = None,
    choose: str = "best",
    callbacks: Iterable[Callback | Callable[[EpochRecord], Any]] = (),
    progress: bool = False,
) -> History:
    """Train a network as its config says, evaluating after every epoch.

    Where torch.distributed has a process group of several ranks, they share the work; each calls
    this with the same arguments. See ``docs/distributed.md``.

    Parameters
    ----------
    network : DesireNetwork
        The network; its weights change.
    train : tuple, Dataset, mapping, torch Dataset or DataLoader, SpikeSource
        ``(images, labels)``: (S, N), N the config's `num_pixels`, (S, h, w), (S, 1, h, w) or
        (S, h, w, 1), uint8 or float in [0, 1], and (S,) or (S, 1) integers in [0, K) or one-hot
        labels, (S, K). Or a
        :class:`~lava_desire.data.Dataset`, or arrays by name as it takes them
        (:meth:`~lava_desire.data.Dataset.from_arrays`), which bring their test set, and names of
        classes that the network keeps. Or a Dataset or DataLoader of torch, whose samples are drawn
        once, in their order, into memory: the network's batch size and seed decide on batches and
        their order. In place of images spike trains: (T, S, N_0) or (T, S, C, H, W) bool, or
        :class:`~lava_desire.data.SpikeTrains`, T the config's `num_steps`; of torch's, where a
        sample comes first, (T, N_0) or (T, C, H, W) a sample. They are kept packed, a bit a step.
        A :class:`~lava_desire.data.SpikeSource` is read from disk a minibatch at a time.
    test : the same, optional
        To evaluate after every epoch, or, with a `validation`, once at the end. Without either
        there are no such accuracies in the history, no best epoch, and no ``best.safetensors``: the
        last epoch's network is the one.
    folder : path, optional
        Where config, metrics and checkpoints are kept; made if it is not there. Nothing is kept
        without one.
    resume : bool
        Resume from the checkpoint in `folder`, or from the one before it if that is damaged. The
        result is that of an unbroken run, to the bit.
    checkpoint_seconds : float
        Longest time between two checkpoints, at least 0; there is one after every epoch as well.
    on_progress : callable, optional
        Called with a :class:`Progress` after every minibatch and every epoch; in Lava, after every
        16 samples.
    backend : {"torch", "lava"}
        Where the network learns: in bulk, or as Lava processes, online, in floating point or in
        integers as the network computes. The latter asks for Lava, a network on the CPU with sums
        in ``float32`` or integers, and a config with a `batch_size` of 1 that moves no images and
        averages no weights. Results are those of ``"torch"`` with that config, to the bit, and
        either resumes what the other began.
    validation : float, or as test, optional
        What chooses the best epoch: a share of the samples to train with, in (0, 1), drawn class by
        class by the config's seed (:func:`~lava_desire.randomness.validation_split`) and not
        learned; or other samples. They are then evaluated after every epoch, and the test set is
        read once, after the last, with the weights that were best: :attr:`History.test`.
    choose : {"best", "last"}
        Whose weights the run is for. With ``"last"`` no epoch is evaluated and none chosen: the
        test set is read once, after the last, with the weights there, or with their average where
        the config keeps one: :attr:`History.test`. It takes no `validation`.
    callbacks : iterable of Callback or callable, optional
        Called while it trains (:class:`~lava_desire.engine.Callback`), in this order; a function
        with the record of every epoch.
    progress : bool
        Show a bar, in a terminal as in a notebook, with the accuracies of the last epoch; of
        several ranks the first does.

    Returns
    -------
    History

    Warns
    -----
    DataWarning
        If images are bytes on another scale than 0 to 255, or of a DataLoader of other batches;
        once, if no neuron of a layer spikes for any of 64 training samples after the first epoch.
    RangeWarning
        At the beginning, of a network in integers, if the learning rate becomes so small in the
        course of training that a layer learns nothing more.

    Raises
    ------
    Interrupted
        On SIGINT or SIGTERM, after the running minibatch and a checkpoint.
    CheckpointError
        If the checkpoint does not fit the network or the data.
    FileExistsError
        If `folder` already holds a run and `resume` is not asked for.
    FolderInUseError
        If another process is training in `folder`.
    DeviceMemoryError
        If the device runs out of memory; the last checkpoint is whole.
    ValueError
        If an argument is not as above, the data do not fit the network or each other, `choose` is
        neither or beside a `validation`, no pixel can ever spike, spike trains are given where
        images are filtered or moved or Lava trains, weights grow beyond all bounds, or the backend
        does not offer what the config or several ranks ask for.
    ImportError
        If Lava is asked for and not installed.
    OSError
        If the folder cannot be written; the last checkpoint is whole.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
    >>> digits = load_dataset("digits")
    >>> network = DesireNetwork(DesireConfig((64, 40, 10), learning_rate=1e-4, epochs=2))
    >>> history = fit(network, digits)
    >>> history.last.epoch, history.best.test_accuracy > 0.5
    (2, True)
    """
    from lava_desire.training.callbacks import as_callbacks

    _check_how(folder, resume, checkpoint_seconds, on_progress, progress)
    found = as_callbacks(callbacks)
    run = training_class(network, backend)(
        network, train, test, Path(folder) if folder is not None else None, validation, choose
    )
    run.callbacks = found
    if not (progress and _is_first()):
        return run.carry_out(resume, checkpoint_seconds, on_progress)
    from lava_desire.training.progress import ProgressBar

    with ProgressBar() as bar:

        def show(where: Progress) -> None:
            if on_progress is not None:
                on_progress(where)
            bar.update(where)

        return run.carry_out(resume, checkpoint_seconds, show, after_each=on_progress is not None)


def _check_how(
    folder: Any, resume: Any, checkpoint_seconds: Any, on_progress: Any, progress: Any
) -> None:
    """Refuse arguments of a run that are of another kind, before anything is done: ValueError."""
    if not (folder is None or (isinstance(folder, (str, PathLike)) and folder != "")):
        raise ValueError(
            f"folder is {folder!r}: expected a path, '.' for the current directory; None for none"
        )
    for name, flag in (("resume", resume), ("progress", progress)):
        if not isinstance(flag, bool):
            raise ValueError(f"{name} is {flag!r}: expected True or False")
    is_number = isinstance(checkpoint_seconds, Real) and not isinstance(checkpoint_seconds, bool)
    if not (is_number and checkpoint_seconds >= 0):  # written so that NaN is refused
        raise ValueError(
            f"checkpoint_seconds is {checkpoint_seconds!r}: expected a number of seconds, at least "
            "0; math.inf for none but at the end of an epoch"
        )
    if on_progress is not None and not callable(on_progress):
        raise ValueError(f"on_progress is {on_progress!r}: expected a function of a Progress")


def check_choice_of_epoch(choose: str, validation: Any = None) -> None:
    """Refuse what is no choice of an epoch, or leaves a validation nothing to choose.

    Raises ValueError if it is so.
    """
    if choose not in CHOICES:
        raise ValueError(f"choose is {choose!r}: expected {' or '.join(map(repr, CHOICES))}")
    if choose == "last" and validation is not None:
        raise ValueError(
            "choose is 'last' beside a validation, which chooses the best epoch: expected one"
        )


def check_backend(backend: str) -> None:
    """Refuse what is no place to learn or classify in: ValueError."""
    if backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}: expected {' or '.join(map(repr, BACKENDS))}")


def _is_first() -> bool:
    from torch import distributed

    in_group = distributed.is_available() and distributed.is_initialized()
    return not in_group or distributed.get_rank() == 0


def is_captured(network: DesireNetwork) -> bool:
    """Tell whether a network's steps can be captured on its device."""
    others = (network.config.feedback_policy, network.config.eligibility_policy)
    return network.backend.captures and others == (None, None)


def training_class(network: DesireNetwork, backend: str = "torch") -> type[TrainingRun]:
    """Return what trains a network, which is imported here alone.

    With Triton's kernels its steps are captured. Raises ValueError if there is no such backend, or
    it is Lava's and torch.distributed has several ranks.
    """
    from torch import distributed

    check_backend(backend)
    in_group = distributed.is_available() and distributed.is_initialized()
    num_ranks = distributed.get_world_size() if in_group else 1
    if backend == "lava" and num_ranks > 1:
        raise ValueError(
            f"backend is 'lava' in a group of {num_ranks} ranks: expected 'torch', or one process; "
            "Lava processes learn one sample at a time on one machine"
        )
    if backend == "lava":
        kind = "lava"
    elif num_ranks > 1:
        kind = "ranks"
    else:
        kind = "captured" if is_captured(network) else "alone"
    module, name = _RUNS[kind]
    found: type[TrainingRun] = getattr(import_module(module), name)
    return found
