"""The bar of ``fit(..., progress=True)``, in terminals and notebooks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.training.history import Progress


def bar_class() -> Any:
    """Return tqdm's bar: a widget in a notebook that has ipywidgets."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # without widgets it is text, there as well
        from tqdm.auto import tqdm
    return tqdm


class ProgressBar:
    """Shows all samples of a run as one bar of tqdm."""

    def __init__(self) -> None:
        self._make = bar_class()
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, progress: Progress) -> None:
        """Move the bar; tqdm draws it ten times a second at most."""
        done = progress.epoch * progress.num_samples + progress.samples_done
        if self._bar is None:  # what a run that is resumed has behind it took no time here
            total = progress.num_epochs * progress.num_samples
            self._bar = self._make(total=total, initial=done, unit=" samples")
        said = [f"epoch {min(progress.epoch + 1, progress.num_epochs)}/{progress.num_epochs}"]
        if progress.records:
            last = progress.records[-1]
            said.append(f"training {100 * last.train_accuracy:.1f} %")
            if last.accuracy is not None:
                name = "test" if last.validation_accuracy is None else "validation"
                said.append(f"{name} {100 * last.accuracy:.1f} %")
            said.append(f"with desire {100 * last.active_share:.1f} %")
        self._bar.set_postfix_str(", ".join(said), refresh=progress.samples_done == 0)
        self._bar.update(done - self._bar.n)
