"""Runs as one HTML page that needs no network: ``lava-desire report``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lava_desire._text import percent, printable
from lava_desire.analysis.figures import (
    plot_calibration,
    plot_classified_images,
    plot_confusion,
    plot_curves,
    plot_desires,
    plot_learning_curve,
    plot_rasters,
    plot_rates,
    plot_weights,
)
from lava_desire.analysis.firing import RUNAWAY, FiringRates, firing_rates
from lava_desire.analysis.report_page import Page, Part, Table, Text
from lava_desire.analysis.runs import StoredRun, differences, over_seeds, ranked
from lava_desire.data import Dataset
from lava_desire.data.spike_trains import first_samples
from lava_desire.deploy.chip_energy import energy
from lava_desire.deploy.energy_report import PARTS
from lava_desire.engine import DesireNetwork, Metrics, count_operations, evaluate
from lava_desire.files import write_atomically

_CHIP = "loihi1"
_LOOKED_AT = 1000  # samples whose rates and desires are means
_COUNTED = 256  # samples whose operations are
_PRICED = 50  # samples, and training samples, whose energy is
_WITHOUT_TEST = 2000  # training samples that are classified where there is no test set
_RIGHT, _WRONG = 4, 2  # samples that are shown


@dataclass(frozen=True)
class ReportedRun:
    """A run and what is looked at of it.

    `network` has the weights of the file `weights`; it and `data` are None where they are not
    there, and `missing` says why.
    """

    name: str
    run: StoredRun
    network: DesireNetwork | None = None
    weights: str = ""
    data: Dataset | None = None
    missing: tuple[str, ...] = ()


def write_report(runs: Sequence[ReportedRun], path: str | Path, title: str = "") -> None:
    """Write runs as one HTML page, which loads nothing.

    Above stands the title, or the name of the run or how many there are. Raises ValueError if there
    is no run, OSError if the file cannot be written.
    """
    if not runs:
        raise ValueError("runs is empty: expected at least one")
    page = _Maker()
    parts = [page.part_of(each, f"run-{number}") for number, each in enumerate(runs, start=1)]
    if len(runs) > 1:
        parts.insert(0, page.comparison(runs, parts))
    parts += [_settings_of(runs)]
    title = title or (f"Run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs")
    text = page.render(title, parts, runaway=RUNAWAY)
    write_atomically(path, text.encode())


class _Maker(Page):
    """Makes the parts of a page."""

    def part_of(self, each: ReportedRun, anchor: str) -> Part:
        """Return all that is told of one run."""
        run, part = each.run, Part(each.name, anchor)
        part.facts = _facts(each)
        part.blocks = [_missing(text) for text in (*run.problems, *each.missing)]
        if run.history.records:
            self._add_curves(part, run)
        if each.network is None:
            return part
        part.blocks.append(
            Text(f"The network that is looked at has the weights of {each.weights}.")
        )
        network, samples = each.network, _samples_of(each.data)
        if samples is not None:
            images, labels, kind = samples
            self._add_classes(part, network, images, labels, kind)
        self._add_first_layer(part, network, each.data)
        if samples is not None:
            images, labels = first_samples(images, _LOOKED_AT), labels[:_LOOKED_AT]
            self._add_spikes(part, network, each.data, images, labels, kind)
            self._add_rates(part, network, images, labels, kind)
            _add_operations(part, network, images[:_COUNTED], kind)
            _add_energy(part, network, each.data)
        return part

    def comparison(self, runs: Sequence[ReportedRun], parts: Sequence[Part]) -> Part:
        """Return what stands above several runs: their accuracies, and their curves in one."""
        part = Part("Comparison", "comparison")
        order = ranked([each.run for each in runs])
        rows = [_row(runs[number]) for number in order]
        best = [row[0] for row in rows if rows[0][1] != "-" and row[1] == rows[0][1]]
        part.blocks.append(
            Table(
                "Runs, the most accurate first; in bold the best",
                ["run", "best", "in epoch", "of", "last", "test, read once", "training", "epochs"],
                rows,
                bold=frozenset(best),
                links={each.name: one.anchor for each, one in zip(runs, parts, strict=True)},
            )
        )
        groups = over_seeds([each.run for each in runs])
        if groups:
            names = ("best", "last", "test", "training")
            part.blocks.append(
                Table(
                    "Mean ± standard deviation over runs that differ in nothing but the seed",
                    ["runs", "seeds", "best", "last", "test, read once", "training"],
                    [
                        [
                            ", ".join(runs[number].name for number in each.runs),
                            ", ".join(map(str, each.seeds)),
                            *(_spread(each.means.get(name)) for name in names),
                        ]
                        for each in groups
                    ],
                )
            )
        histories = {each.name: each.run.history for each in runs if each.run.best is not None}
        if len(histories) > 1:
            first = next(iter(histories))
            part.blocks.append(
                self.picture(
                    plot_curves,
                    histories,
                    caption="Accuracy over the epochs, in validation or else on the test set",
                )
            )
            part.blocks.append(
                self.picture(
                    plot_curves,
                    histories,
                    against=first,
                    caption=f"The same, less the accuracy of {first}, in points",
                )
            )
        return part

    def _add_curves(self, part: Part, run: StoredRun) -> None:
        last = run.history.records[-1]
        part.add(
            "Learning curve",
            self.picture(
                plot_learning_curve,
                run.history,
                caption=f"Accuracy over {last.epoch} epochs; the star marks the best. "
                f"In the last, {percent(last.train_accuracy)} of the training samples were right, "
                f"and {percent(last.active_share)} desired a change.",
            ),
        )
        part.add(
            "Desires over the epochs",
            self.picture(
                plot_desires,
                run.history,
                caption="Shares of the training samples that desired a change and that were "
                "predicted wrong, and of the held-out samples whose prediction was a tie",
            ),
        )

    def _add_classes(
        self, part: Part, network: DesireNetwork, images: Any, labels: Any, kind: str
    ) -> None:
        metrics = evaluate(network, (images, labels))
        names = _names_of(network)
        part.add(
            "Confusion",
            Text(
                f"{percent(metrics.accuracy)} of {metrics.num_samples} {kind} samples are right, "
                f"{metrics.num_undecided} are undecided."
            ),
            self.picture(
                plot_confusion,
                metrics,
                class_names=names,
                caption=f"{kind.capitalize()} samples by label, a row each, and predicted class",
            ),
        )
        part.add("Classes", _classes(metrics, names))
        part.add(
            "Calibration of the margin",
            self.picture(
                plot_calibration,
                metrics,
                caption="Accuracy of the samples by their margin, the output spikes of the first "
                "class less those of the second, as a share of the window; on the dotted line "
                "the margin would be a probability",
            ),
        )

    def _add_first_layer(self, part: Part, network: DesireNetwork, data: Dataset | None) -> None:
        shape, title = data and data.image_shape, "Weights of the first layer"
        inputs = network.config.num_inputs
        if data is not None and data.feature_names:
            part.add(title, Text(f"They are no images: the data are a table of {inputs} columns."))
            return
        try:
            shown = self.picture(
                plot_weights,
                network,
                image_shape=shape,
                caption="What the first layer looks for: its weights as images, blue to spike, "
                "red not to; the number of the neuron, or kernel, is above",
            )
        except ValueError:
            part.add(title, Text(f"They are no images: {inputs} inputs of no known shape."))
        else:
            part.add(title, shown)

    def _add_spikes(
        self,
        part: Part,
        network: DesireNetwork,
        data: Dataset | None,
        images: Any,
        labels: Any,
        kind: str,
    ) -> None:
        chosen = _shown_samples(network, images[:_COUNTED], labels[:_COUNTED])
        activity = network.forward(images[chosen])
        found, shape = [int(label) for label in labels[chosen]], data and data.image_shape
        names: dict[str, Any] = {"class_names": _names_of(network)}
        caption = (
            f"Spikes of {len(chosen)} {kind} samples in every layer, a bar each; above, label and "
            "prediction; behind the output, the label"
        )
        if shape and data is not None and not data.has_spikes:
            drawn = self.picture(
                plot_classified_images,
                network.config,
                activity,
                images[chosen],
                found,
                shape,
                caption=caption,
                **names,
            )
        else:
            drawn = self.picture(
                plot_rasters, network.config, activity, found, caption=caption, **names
            )
        part.add("Spikes of samples", drawn)

    def _add_rates(
        self, part: Part, network: DesireNetwork, images: Any, labels: Any, kind: str
    ) -> None:
        measured = firing_rates(network, images)
        rows = _rates(network, measured, images, labels)
        part.add(
            "Firing rates and desires by layer",
            Table(
                f"Means over {measured.num_samples} {kind} samples; desires are neurons of a "
                "sample that desire more spikes (+), or fewer (−)",
                ["layer", "neurons", "rate", "silent", "runaway", "desire +", "desire −"],
                rows,
            ),
            self.picture(
                plot_rates,
                measured,
                title=" ",
                caption="Firing rates of each layer's neurons, sorted: silent ones at the left",
            ),
        )


def _missing(text: str) -> Text:
    return Text(text, kind="missing")


def _facts(each: ReportedRun) -> list[tuple[str, str]]:
    run, found = each.run, each.run.accuracies
    where = "in validation" if run.chosen_by == "validation" else "on the test set"
    names = {"best": f"best {where}, epoch {run.best.epoch if run.best else '-'}"}
    names |= {
        "test": "test set, read once",
        "last": "last epoch",
        "training": "training, last epoch",
    }
    facts = [
        (said, percent(found[name])) for name, said in names.items() if found[name] is not None
    ]
    facts.append(("epochs", run.progress))
    if run.config is not None:
        facts.append(("network", run.config.shape_text))
    if run.settings.get("data"):
        facts.append(("data", Path(run.settings["data"]).name))
    if run.history.records:
        seconds = sum(record.seconds for record in run.history.records)
        facts.append(("training time", f"{seconds:,.0f} s"))
    return facts


def _row(each: ReportedRun) -> list[str]:
    run, found = each.run, each.run.accuracies
    best = [percent(found["best"]), str(run.best.epoch) if run.best else "-", run.chosen_by or "-"]
    others = [percent(found[name]) for name in ("last", "test", "training")]
    return [each.name, *best, *others, run.progress]


def _settings_of(runs: Sequence[ReportedRun]) -> Part:
    """Return configuration, settings and environment, a column a run, differences in bold."""
    part = Part("Configuration and environment", "configuration")
    if len(runs) > 1:
        part.blocks.append(Text("What differs between runs is in bold, and first."))
    for title, told in (
        ("Configuration", [each.run.fields for each in runs]),
        ("Run", [each.run.settings for each in runs]),
        ("Environment", [each.run.environment for each in runs]),
    ):
        names = list(dict.fromkeys(name for row in told for name in row))
        if not names:
            part.add(title, _missing("no file of these runs says it"))
            continue
        differing = differences(told)
        order = [*differing, *(name for name in names if name not in differing)]
        part.add(
            title,
            Table(
                "a column a run" if len(runs) > 1 else "as the files of the run say",
                ["name", *(each.name for each in runs)],
                [[name, *(row.get(name, "-") for row in told)] for name in order],
                numbers=False,
                bold=frozenset(differing),
            ),
        )
    return part


def _samples_of(data: Dataset | None) -> tuple[Any, Any, str] | None:
    """Return the samples that are looked at: the test set, or else the first to train with."""
    if data is None:
        return None
    if data.has_test:
        return (*data.test, "test")
    images, labels = data.train
    return first_samples(images, _WITHOUT_TEST), labels[:_WITHOUT_TEST], "training"


def _names_of(network: DesireNetwork) -> Sequence[str] | None:
    return tuple(map(printable, network.class_names)) if network.class_names else None


def _shown_samples(network: DesireNetwork, images: Any, labels: Any) -> list[int]:
    """Return some samples of different classes that are right, and some that are not."""
    predicted = network.predict(images).cpu().numpy()
    labels = np.asarray(labels)
    wrong = np.flatnonzero(predicted != labels)[:_WRONG].tolist()
    right: dict[int, int] = {}
    for sample in np.flatnonzero(predicted == labels).tolist():
        right.setdefault(int(labels[sample]), sample)
    return [*list(right.values())[:_RIGHT], *wrong]


def _classes(metrics: Metrics, names: Sequence[str] | None) -> Table:
    scores = metrics.by_class
    called = names or [str(label) for label in range(len(scores.support))]
    columns = (scores.precision, scores.recall, scores.f1, scores.support)
    rows = [
        [name, *map(percent, numbers[:3]), int(numbers[3])]
        for name, *numbers in zip(called, *columns, strict=True)
    ]
    macro = scores.macro
    rows.append(
        [
            "mean",
            *(percent(macro[name]) for name in ("precision", "recall", "f1")),
            metrics.num_samples,
        ]
    )
    return Table(
        "Of the samples predicted as a class, those that are of it (precision); of its samples, "
        "those predicted as it (recall); their harmonic mean (F1)",
        ["class", "precision", "recall", "F1", "samples"],
        rows,
        bold=frozenset({"mean"}),
    )


@torch.inference_mode()
def _rates(network: DesireNetwork, measured: FiringRates, images: Any, labels: Any) -> list[Any]:
    activity = network.forward(images)
    rows = []
    layers = zip(measured.rates, measured.silent, measured.runaway, strict=True)
    desires = network.desires(activity, labels)
    for layer, ((rates, silent, runaway), desire) in enumerate(
        zip(layers, desires, strict=True), start=1
    ):
        signs = [float((desire == sign).sum()) / len(labels) for sign in (1, -1)]
        kind = "output" if layer == len(measured.rates) else "hidden"
        rows.append(
            [
                f"{layer}, {kind}",
                len(rates),
                f"{rates.mean():.3f}",
                silent,
                runaway,
                *(f"{count:.2f}" for count in signs),
            ]
        )
    return rows


def _add_operations(part: Part, network: DesireNetwork, images: Any, kind: str) -> None:
    counted = count_operations(network, network.forward(images))
    rows = [
        [
            layer,
            *(
                f"{number / each.num_samples:,.0f}"
                for number in (
                    each.spikes_received,
                    each.spikes_sent,
                    each.synaptic_operations,
                    each.neuron_updates,
                )
            ),
            f"{each.weight_bytes_stored:,.0f}",
        ]
        for layer, each in enumerate(counted, start=1)
    ]
    part.add(
        "Operations",
        Table(
            f"Of a sample, a mean over {len(images)} {kind} samples; weights in bytes",
            [
                "layer",
                "spikes in",
                "spikes out",
                "synaptic operations",
                "neuron updates",
                "weights",
            ],
            rows,
        ),
    )


def _add_energy(part: Part, network: DesireNetwork, data: Dataset | None) -> None:
    """Add what a chip would take, of networks that it could hold and samples that it is told."""
    try:
        found = energy(network, data, _CHIP, samples=_PRICED)
    except (ValueError, NotImplementedError) as error:
        part.add("Energy", Text(f"None is derived: {printable(str(error))}"))
        return
    rows = [
        _energies(each.layer, [each.energies["makers"][n] for n in PARTS]) for each in found.layers
    ]
    rows.append(_energies("all", [found.total("makers", name) for name in PARTS]))
    took = "" if found.time_ns is None else f" and {found.time_ns / 1000:,.1f} µs"
    part.add(
        "Energy",
        Text(
            f"Derived for {found.title}; nothing ran on a chip. Events of {found.samples} samples "
            "are counted, and multiplied with the figures that the chip's makers published: "
            f"{_nanojoules(found.total('makers'))} nJ{took} a sample on {found.cores} cores. "
            f"lava-desire energy tells what is assumed, and what learning takes."
        ),
        Table("Nanojoules of a sample", ["layer", *PARTS, "all"], rows, bold=frozenset({"all"})),
    )


def _energies(layer: Any, picojoules: Sequence[float]) -> list[Any]:
    return [layer, *map(_nanojoules, [*picojoules, sum(picojoules)])]


def _nanojoules(picojoules: float) -> str:
    return f"{picojoules / 1000:,.3g}" if picojoules < 1e6 else f"{picojoules / 1000:,.0f}"


def _spread(found: tuple[float, float] | None) -> str:
    return "-" if found is None else f"{100 * found[0]:.2f} ± {100 * found[1]:.2f} %"
