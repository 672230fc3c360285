"""What is to be trained, before there is a folder: all that the options of ``train`` say."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.cli.printing import say
from lava_desire.cli.run import (
    AUTO,
    Run,
    bin_events,
    check_choice,
    check_computing,
    check_settings,
    make_config,
    make_network,
)
from lava_desire.cli.run_data import Source, check_choosing
from lava_desire.config import DesireConfig
from lava_desire.files import read_file, write_atomically
from lava_desire.strict_json import parse_json
from lava_desire.training.choose import BACKENDS

if TYPE_CHECKING:
    from lava_desire.data import Dataset
    from lava_desire.engine import DesireNetwork


@dataclass(frozen=True)
class Plan:
    """Runs of one configuration but for what each of them changes, on the same samples.

    `validation` is the share of the training samples that chooses the best epoch, if any, and
    `patience` how many epochs without a better one end a run. With `tensorboard` they write events.
    """

    source: Source
    config: DesireConfig
    device: str = "cpu"
    precision: str = AUTO
    kernels: str = AUTO
    backend: str = "torch"
    validation: float | None = None
    patience: int | None = None
    tensorboard: bool = False

    def network(self, **changes: Any) -> DesireNetwork:
        """Build the network, with some fields of its configuration changed."""
        config = self.config.replace(**changes)
        return make_network(config, self.device, self.precision, self.kernels)

    def run(self, data: Dataset, network: DesireNetwork, folder: Path, **more: Any) -> Run:
        """Return the run of a network in a folder; `more` are further fields of it."""
        return Run(
            self.source,
            data,
            network,
            folder,
            backend=self.backend,
            validation=self.validation,
            patience=self.patience,
            tensorboard=self.tensorboard,
            **more,
        )

    def write(self, path: Path, **more: Any) -> None:
        """Write it as JSON, with what else belongs to it."""
        fields = {**vars(self), "source": asdict(self.source.absolute())}
        fields["config"] = self.config.to_dict()
        write_atomically(path, (json.dumps({**fields, **more}, indent=2) + "\n").encode())

    @classmethod
    def read(cls, path: Path, *more: str) -> tuple[Plan, dict[str, Any]]:
        """Read what :meth:`write` has written, and what else is in the file under `more`.

        Raises ValueError if the file is damaged; OSError if it cannot be read.
        """
        try:
            fields = parse_json(read_file(path, follow=False))
            others = {name: fields.pop(name) for name in more}
            source, config = fields.pop("source"), fields.pop("config")
            plan = cls(Source(**source), DesireConfig.from_dict(config), **fields)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        check_choice(f"{path}: backend", plan.backend, BACKENDS)
        check_computing(plan.device, plan.precision, plan.kernels)
        check_choosing(path, plan.validation, plan.patience)
        return plan, others


def make_plan(
    where: Mapping[str, Any],
    given: dict[str, Any],
    *,
    preset: str | None = None,
    config: str | None = None,
    layers: str | None = None,
    check: Callable[[], None] = lambda: None,
    load: Callable[[Source], Dataset] = Source.load,
    **settings: Any,
) -> tuple[Plan, Dataset]:
    """Return the plan that options ask for, and its samples, which are looked at.

    `where` says where the samples are, as options of :data:`~lava_desire.cli.fields.SAMPLES`, and
    `settings` are the further fields of :class:`Plan`, where they are given. What can be refused
    without the samples is, and `check` called, before `load` is.
    """
    source = Source.given(**where)
    if not source.is_named:
        source = Source.given("digits", where.get("data_dir"))
    settings = {name: value for name, value in settings.items() if value is not None}
    if settings.get("backend") == "lava":
        # A Lava network learns online; a preset's minibatch is not for it.
        given.setdefault("batch_size", 1)
    base: Mapping[str, Any] = {"preset": preset, "file": config, "layers": layers}
    check_settings(given, source.dataset or "", **base)
    source = bin_events(source, given, **base)
    check()
    samples = load(source)
    if "patience" in settings and "validation" not in settings:
        say(
            "--patience without --validation: what ends the run is the accuracy on the test set, "
            "which then says too much; --validation 0.1 keeps samples back to choose by",
            sys.stderr,
        )
    return Plan(source, make_config(samples, given, **base), **settings), samples


def holds_plan(folder: str | Path, name: str) -> bool:
    """Tell whether a folder holds several runs, of a plan in the file of that name."""
    return os.path.lexists(Path(folder) / name)
