"""Resumable training runs, and measurements during training."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.config import DesireConfig
from lava_desire.engine import (
    DesireNetwork,
    History,
    Progress,
    default_precision,
    fit,
)
from lava_desire.files import open_regular, write_atomically
from lava_desire.training.run_folder import checked_state, holds_run, read_latest

Samples = tuple[Any, Any]
"""``(images, labels)``, as :func:`lava_desire.engine.fit` takes them."""

Watch = Callable[[DesireNetwork, Progress], None]
"""Called after every minibatch and every epoch with the network that learns."""


def train_or_resume(
    config: DesireConfig,
    train: Samples,
    test: Samples,
    folder: str | Path,
    *,
    device: str = "cpu",
    precision: str | None = None,
    watch: Sequence[Watch] = (),
) -> History:
    """Train in a folder of its own, resuming the run there; a finished run is only read.

    Every `watch` is called with network and progress on the way; without a `precision` it is the
    device's default. Raises CheckpointError if the folder holds a run of another configuration,
    precision or other data; and the errors of :func:`lava_desire.engine.fit`.
    """
    folder = Path(folder)
    network = DesireNetwork(config, device, precision=precision or default_precision(device))

    def show(progress: Progress) -> None:
        for call in watch:
            call(network, progress)

    resume = holds_run(folder)
    if resume and watch:
        # A run killed between its checkpoint and the call that follows would miss that call.
        _repeat_last_call(folder, device, network.precision, len(train[1]), watch)
    return fit(network, train, test, folder=folder, resume=resume, on_progress=show)


def _repeat_last_call(
    folder: Path, device: str, precision: str, num_samples: int, watch: Sequence[Watch]
) -> None:
    checkpoint, path = read_latest(folder)
    state = checked_state(checkpoint, path, num_samples)
    network = DesireNetwork.load(path, device, precision=precision)
    progress = Progress(
        state["epoch"],
        network.config.epochs,
        state["samples_done"],
        num_samples,
        state["num_correct"],
        state["num_active"],
        state["seconds"],
        [],
    )
    for call in watch:
        call(network, progress)


class Snapshots:
    """Calls a measurement at given moments of training and keeps each result in a file.

    A run that was broken off and goes on repeats no measurement that it has kept, and takes those
    that it missed, of the same weights to the bit. `samples` are moments in samples since the start
    of training; one within a minibatch is that minibatch's end, and 0 is not among them: nothing is
    called before the first minibatch. `measure` takes the network and returns arrays by name.
    """

    def __init__(
        self,
        samples: Sequence[int],
        measure: Callable[[DesireNetwork], dict[str, npt.NDArray[Any]]],
        folder: str | Path,
    ) -> None:
        self._samples = sorted(samples)
        self._measure = measure
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, samples: int) -> Path:
        """Return where the measurement after so many samples is kept."""
        return self._folder / f"after-{samples:09d}.npz"

    def take(self, network: DesireNetwork, samples: int) -> None:
        """Measure and keep, unless that has been done."""
        path = self.path(samples)
        if path.exists():
            return
        packed = io.BytesIO()
        np.savez_compressed(packed, **self._measure(network))
        write_atomically(path, packed.getvalue())

    def __call__(self, network: DesireNetwork, progress: Progress) -> None:
        """Take what falls due; to be given to :func:`train_or_resume` as a watch."""
        seen = progress.epoch * progress.num_samples + progress.samples_done
        if progress.samples_done == progress.num_samples:
            return  # the call after the evaluation of the epoch follows
        due = [moment for moment in self._samples if moment <= seen]
        # Only the latest: an earlier moment that has no file was passed before the run resumed.
        if due and seen - due[-1] < network.config.batch_size:
            self.take(network, due[-1])

    def read(self, samples: int) -> dict[str, npt.NDArray[Any]]:
        """Return what was measured after so many samples.

        Raises FileNotFoundError if nothing was.
        """
        with (
            open_regular(self.path(samples), follow=False) as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return dict(arrays)
