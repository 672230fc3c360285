"""Tables of what was measured, made from the JSON that the measurements left.

`{measured} NAME` in a page stands for a table of :data:`TABLES`; `{measured} other` for every file
of `benchmarks/results` that none of them has read. Below each stand machine, commit and command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from building import accuracies
from building.tables import ROOT, Page
from lava_desire._text import percent
from lava_desire.deploy.chips import find_chips
from lava_desire.deploy.energy_report import LEARNING, PARTS, title

BENCHMARKS = "benchmarks/results"


def _times(page: Page, file: str, one: str) -> None:
    name = f"{BENCHMARKS}/{file}.json"
    notes = page.read(name)
    found = {row["case"]: row for row in notes["results"]}
    ours = found[one]["ms_per_sample"]
    page.table(
        ["case", "ms a sample", "of the processor", "time, ours in training = 1", "peak MiB"],
        (
            [
                case,
                row["ms_per_sample"],
                row["processor_ms_per_sample"],
                f"{row['ms_per_sample'] / ours:.2f}",
                f"{row['peak_mebibytes']:.0f}",
            ]
            for case, row in found.items()
            if not case.startswith("before")
        ),
    )
    page.origin(name, notes)


def _peers(page: Page) -> None:
    name = f"{BENCHMARKS}/engine.json"
    notes = page.read(name)
    found = {row["case"]: row for row in notes["results"]}
    cases = [
        f"ours, {state}, B = {size}" for size in (64, 1) for state in ("in training", "untrained")
    ]
    cases += [case for case in found if not case.startswith(("ours", "before", "matrix"))]
    page.table(
        ["program", "ms a training sample", "of the processor", "peak MiB"],
        (
            [
                case.replace("ours", "lava_desire"),
                found[case]["ms_per_sample"],
                found[case]["processor_ms_per_sample"],
                f"{found[case]['peak_mebibytes']:.0f}",
            ]
            for case in cases
        ),
    )
    page.origin(name, notes)


def _growth(page: Page) -> None:
    name = f"{BENCHMARKS}/growth.json"
    notes = page.read(name)
    page.table(
        ["what grows", "from, to", "ms a sample", "size to the power", "last three sizes"],
        (
            [
                axis,
                f"{points[0]['size']}, {points[-1]['size']}",
                f"{points[0]['milliseconds']:.3f}, {points[-1]['milliseconds']:.3f}",
                f"{notes['exponents'][axis]['all']:.2f}",
                f"{notes['exponents'][axis]['last three']:.2f}",
            ]
            for axis, points in notes["axes"].items()
        ),
    )
    page.origin(name, notes)


def _lava(page: Page) -> None:
    name = f"{BENCHMARKS}/lava.json"
    notes = page.read(name)
    page.table(
        ["network", "case", "runtime", "steps a second", "processor ms a step"],
        (
            [
                row["network"],
                row["case"],
                row["runtime"],
                f"{row['steps_per_second']:.0f}",
                f"{row['processor_ms_per_step']:.3f}",
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _soak(page: Page) -> None:
    name = f"{BENCHMARKS}/lava_stress.json"
    notes = page.read(name)
    run, many = (notes["parts"][part] for part in ("long_run", "many_networks"))
    page.table(
        ["what", "found"],
        [
            ["steps in one run", run["steps"]],
            ["samples learned", run["samples_learned"]],
            ["largest growth of a child, KiB", run["largest_growth_of_a_child"]["resident_kib"]],
            ["processes and segments left after it", run["left_processes"] + run["left_segments"]],
            ["networks built and stopped in turn", many["networks"]],
            [
                "processes left, of those started",
                f"{many['left_processes']} of {many['processes_started']}",
            ],
            ["segments left, of those made", f"{many['left_segments']} of {many['segments_made']}"],
            [
                "growth of the interpreter a network, KiB",
                round(many["growth_of_parent"]["resident_kib"] / many["networks"]),
            ],
        ],
    )
    page.origin(name, notes | {"commit": run["commit"]})


def _differential(page: Page) -> None:
    name = f"{BENCHMARKS}/differential.json"
    notes = page.read(name)
    page.table(
        ["compared", "the same", "numbers", "both refuse", "different"],
        (
            [pair, counts["same"], counts["values"], _refused(counts), counts["different"]]
            for pair, counts in notes["pairs"].items()
        ),
    )
    ranks = notes.get("two ranks")
    if ranks:
        page.table(
            ["compared", "the same", "numbers"],
            [["one process = each of two ranks", len(ranks["configurations"]), ranks["values"]]],
        )
    page.origin(name, notes)


def _refused(counts: dict[str, Any]) -> str:
    return ", ".join(f"{number} {field}" for field, number in counts["refused"].items())


def _exports(page: Page) -> None:
    name = f"{BENCHMARKS}/exports.json"
    notes = page.read(name)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for reader, measured in notes["readers"].items():
        version = next(iter(measured["versions"].values()))
        for row in measured["results"]:
            how = f"`{row['how']}`" if row["how"] else "as imported"
            key = (f"{reader} {version}", row["form"], row["reset"], how)
            sums = found.setdefault(key, {"bits": 0, "wrong": 0})
            sums["bits"] += row["output_bits"]
            sums["wrong"] = row.get("refused") or sums["wrong"] + row["mismatching"]
    lava_dl = notes["netx"]["results"]
    key = (f"lava-dl {notes['netx']['versions']['lava-dl']}", "netx", "zero", "as imported")
    found[key] = {
        "bits": sum(row["output_bits"] for row in lava_dl),
        "wrong": sum(row["mismatching"] for row in lava_dl),
    }
    page.table(
        ["reader", "form", "reset", "how", "bits that differ", "of bits"],
        ([*key, sums["wrong"], sums["bits"]] for key, sums in found.items()),
    )
    page.origin(name, notes)


def _emulators(page: Page) -> None:
    name = f"{BENCHMARKS}/emulators.json"
    notes = page.read(name)
    found: dict[tuple[str, str, str], Counter[str]] = {}
    networks: dict[tuple[str, str, str], set[str]] = {}
    for measured in notes.values():
        package = " ".join(next(iter(measured["versions"].items())))
        for row in measured["results"]:
            key = (package, row["how"], row["why"])
            networks.setdefault(key, set()).add(row["network"])
            sums = found.setdefault(key, Counter())
            sums[row["quantity"]] += row["mismatching"]
            sums[f"of {row['quantity']}"] += row["bits"]
            sums["predictions"] += row.get("predictions_mismatching", 0)
            sums["of predictions"] += row.get("predictions", 0)

    def share(sums: Counter[str], quantity: str) -> str:
        whole = sums[f"of {quantity}"]
        return f"{sums[quantity]} of {whole}" if whole else ""

    page.table(
        ["package", "how", "networks", "spikes that differ", "potentials", "predictions", "why"],
        (
            [
                *key[:2],
                len(networks[key]),
                *(share(sums, each) for each in ("spikes", "potentials", "predictions")),
                key[2],
            ]
            for key, sums in found.items()
        ),
    )
    for measured in {measured["commit"]: measured for measured in notes.values()}.values():
        page.origin(name, measured)


def _on_lava(page: Page) -> None:
    name = f"{BENCHMARKS}/exports_on_lava.json"
    notes = page.read(name)
    page.table(
        ["network and processes", "images", "spikes", "spikes that differ", "of bits"],
        (
            [
                row["processes"],
                row["images"],
                row["spikes"],
                row["mismatching_spikes"],
                row["output_bits"],
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _learning_engine(page: Page) -> None:
    name = f"{BENCHMARKS}/learning_engine.json"
    notes = page.read(name)
    page.table(
        [
            "arithmetic, window",
            "layer",
            "correlation of samples",
            "error of the sum",
            "slope of the sum",
        ],
        (
            [
                case,
                f"{layer['layer']}{', backward' if layer['backward'] else ''}",
                f"{layer['correlation_of_samples']:.6f}",
                f"{layer['relative_error_of_sums']:.2g}",
                f"{layer['slope_of_sums']:.3f}",
            ]
            for case, row in notes["changes_of_weights"].items()
            for layer in row["layers"]
        ),
    )
    page.lines += ["", "An epoch of digits, learned online in 64-100-10:", ""]
    page.table(
        [
            "errors come back by",
            "learned by",
            "right while learning",
            "of test digits",
            "undecided",
            "cosine of weights forward and backward",
        ],
        (
            [
                row["feedback"],
                row["by"] if row["by"] == "engine" else f"Lava, {row['by']}",
                *(
                    f"{100 * row[share]:.1f} %"
                    for share in ("train_accuracy", "test_accuracy", "test_undecided")
                ),
                f"{row['alignment']:.3f}" if "alignment" in row else "",
            ]
            for row in notes["learned"]
        ),
    )
    page.origin(name, notes)


def _chips(page: Page) -> None:
    page.table(
        ["chip", "limit", "number", "how it is known", "source"],
        (
            [f"`{chip.name}`", words, figure.text, figure.kind, figure.source]
            for chip in find_chips().values()
            for words, figure in chip.limits().items()
        ),
    )


def _energies(page: Page) -> None:
    page.table(
        ["chip", "by", "event", "energy", "how it is known", "source"],
        (
            [f"`{chip.name}`", by, event.replace("_", " "), each.text, each.kind, each.source]
            for chip in find_chips().values()
            for by, figures in {"its makers": chip.energies, **chip.simulators}.items()
            for event, each in figures.items()
        ),
    )


def _spent(page: Page) -> None:
    name = f"{BENCHMARKS}/energy.json"
    notes = page.read(name)
    rows = []
    for row in notes["results"]:
        found, bits = row["energy"], row["differing"]
        network = f"{row['name']}: {found['network']}"
        simulated = found["simulated"]
        times = {"makers": found["time_ns"] / 1e6, "simulated": simulated["time_s"] * 1e3}
        parts = {
            who: [sum(each["energies"][who][part] for each in found["layers"]) for part in PARTS]
            for who in found["layers"][0]["energies"]
        }
        parts["simulated"] = [
            simulated["energy_J"][part] * 1e12 for part in ("synapse", "soma", "network")
        ]
        differ = (
            f"{sum(one['mismatching'] for one in bits)} of {sum(one['bits'] for one in bits):,}"
        )
        rows += [
            [
                network,
                {
                    "makers": "derived, figures of Davies et al.",
                    "sanafe": "derived, figures of SANA-FE",
                    "simulated": f"simulated, {notes['emulator']}",
                }[who],
                *(f"{each / 1e6:.3f}" for each in (*values, sum(values))),
                f"{times[who]:.3f}" if who in times else "",
                differ if who == "simulated" else "",
            ]
            for who, values in parts.items()
        ]
    page.table(
        [
            "network",
            "how",
            *(f"{title(part)}, µJ" for part in (*PARTS, "all")),
            "ms",
            "bits that differ",
        ],
        rows,
    )
    page.origin(name, notes)


def _spent_by_layer(page: Page) -> None:
    name = f"{BENCHMARKS}/energy.json"
    notes = page.read(name)
    counted = ("spikes", "synaptic_operations", "neuron_updates", "neuron_updates_idle", "messages")
    page.table(
        ["network", "layer", *map(title, counted), "µJ"],
        (
            [row["name"], layer["layer"]]
            + [f"{layer['events'][event]:,.0f}" for event in counted]
            + [f"{sum(layer['energies']['makers'].values()) / 1e6:.3f}"]
            for row in notes["results"]
            for layer in row["energy"]["layers"]
        ),
    )
    page.origin(name, notes)


def _spent_learning(page: Page) -> None:
    name = f"{BENCHMARKS}/energy.json"
    notes = page.read(name)
    rows = []
    for row in notes["results"]:
        layers = row["energy"]["layers"]
        rows += [
            [row["name"], each["layer"], *(f"{each['learning'][event]:,.1f}" for event in LEARNING)]
            for each in layers
        ]
        sums = [
            sum(each["learning_energies"].get(event, 0) for each in layers) for event in LEARNING
        ]
        rows.append([row["name"], "µJ", *(f"{each / 1e6:.3f}" if each else "" for each in sums)])
    page.table(["network", "layer", *map(title, LEARNING)], rows)
    page.origin(name, notes)


def _core_maps(page: Page) -> None:
    name = f"{BENCHMARKS}/core_maps.json"
    notes = page.read(name)
    parts = [f"{part}_bytes" for part in ("weight", "index", "list", "learning", "feedback")]
    page.table(
        [
            "network",
            "resets",
            "chip",
            "bits",
            "learns",
            "cores",
            "weights alone",
            "KiB",
            "limited by",
        ],
        (
            [
                row["network"],
                {"zero": "to zero", "subtract": "by subtraction"}[row["reset"]],
                row["chip"],
                row["weight_bits"],
                row["learning"],
                f"{row['cores'] or 'none'} of {row['chip_cores']}",
                row["cores_of_weights_alone"],
                round(sum(row[part] for part in parts) / 1024),
                "; ".join(row["problems"])
                or ", ".join(dict.fromkeys(filter(None, row["limited_by"]))),
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _authors(page: Page) -> None:
    name = f"{BENCHMARKS}/authors.json"
    notes = page.read(name)
    page.table(
        ["file", "network", "test accuracy", "undecided"],
        (
            [
                row["file"],
                row["network"],
                f"{100 * row['accuracy']:.2f} % of {row['samples']:,}",
                row["undecided"],
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).glob("*.json"))


def _neurobench(page: Page) -> None:
    files = [f"results/neurobench/{each.name}" for each in _files("results/neurobench")]
    notes = [page.read(name) for name in files]
    reports = [report for each in notes for report in each["reports"].values()]

    def numbers(values: dict[str, Any], above: str = "") -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            inside = numbers(value, f"{above}{name} ") if isinstance(value, dict) else None
            found |= inside or {above + name: value}
        return found

    counted = [numbers(report) for report in reports]
    page.table(
        ["metric", *(f"{each['data']}, {form}" for each in notes for form in each["reports"])],
        ([name, *(f"{each[name]:.6g}" for each in counted)] for name in counted[0]),
    )
    for name, each in zip(files, notes, strict=True):
        page.origin(name, each)


def _xylo(page: Page) -> None:
    name = f"{BENCHMARKS}/xylo.json"
    notes = page.read(name)
    page.table(
        [
            "network",
            "synapse_decay",
            "seed",
            "floating point",
            "Loihi's integers",
            "XyloNetwork",
            "xylosim",
            "steps with several spikes",
            "differing counts of spikes",
        ],
        (
            [
                row["layers"],
                row["synapse_decay"],
                row["seed"],
                *(
                    "" if row[place] is None else f"{100 * row[place]:.2f} %"
                    for place in ("floating_point", "loihi_integers", "xylo_network", "xylosim")
                ),
                ", ".join(f"{100 * share:.1f} %" for share in row["several_spikes"][:-1]),
                f"{row['mismatching']} of {row['bits']:,}",
            ]
            for row in notes["results"]
        ),
    )
    page.origin(name, notes)


def _xylo_learned(page: Page) -> None:
    name = f"{BENCHMARKS}/xylo.json"
    notes = page.read(name)["learned"]

    ways: dict[str, Callable[[dict[str, Any]], str]] = {
        "learned in floating point": lambda row: percent(
            row["test_accuracies"]["floating_point"][-1]
        ),
        "then quantised to Loihi's integers": lambda row: percent(row["quantised_to_loihi"]),
        "or written for Xylo": lambda row: percent(row["written_for_xylo"]),
        "or with low thresholds": lambda row: percent(row["low_thresholds"]),
        "of steps with spikes those with several, then": lambda row: percent(row["several_spikes"]),
        "learned in Loihi's integers": lambda row: percent(
            row["test_accuracies"]["loihi_integers"][-1]
        ),
        "learned with Xylo's neurons": lambda row: percent(
            row["test_accuracies"]["xylo_neurons"][-1]
        ),
        "of these, spikes that differ on xylosim, hidden": lambda row: _share(row, 0),
        "outputs": lambda row: _share(row, 1),
    }
    rows = notes["results"]
    page.table(
        [rows[0]["layers"], *(f"seed {row['seed']}" for row in rows)],
        ([way, *map(told, rows)] for way, told in ways.items()),
    )
    page.origin(name, notes)


def _share(row: dict[str, Any], part: int) -> str:
    return f"{row['mismatching'][part]} of {row['bits'][part]:,}"


def _feedback(page: Page) -> None:
    names = [f"results/feedback/{each.name}" for each in _files("results/feedback")]
    notes = {name: page.read(name) for name in names}

    def listed(values: Any, form: str) -> str:
        return ", ".join(format(value, form) for value in values)

    page.table(
        ["data", "feedback", "test accuracy, %, three seeds", "cosine of B and W, layers 2 to L"],
        (
            [
                Path(name).stem,
                row["feedback"],
                listed((100 * run["test_accuracy"] for run in row["runs"]), ".2f"),
                listed(row["runs"][0]["cosine"], ".2f"),
            ]
            for name, note in notes.items()
            for row in note["results"]
        ),
    )
    for name, note in notes.items():
        page.origin(name, note)


TABLES: dict[str, Callable[[Page], None]] = {
    "engine": partial(_times, file="engine", one="ours, in training, B = 64"),
    "convolutions": partial(
        _times, file="convolutions", one="convolutions, in training, float32, B = 64"
    ),
    "peers": _peers,
    "authors": _authors,
    "growth": _growth,
    "lava": _lava,
    "soak": _soak,
    "differential": _differential,
    "exports": _exports,
    "emulators": _emulators,
    "exports-on-lava": _on_lava,
    "learning-engine": _learning_engine,
    "xylo": _xylo,
    "xylo-learned": _xylo_learned,
    "feedback": _feedback,
    "chips": _chips,
    "chip-energies": _energies,
    "core-maps": _core_maps,
    "neurobench": _neurobench,
    "energy": _spent,
    "energy-by-layer": _spent_by_layer,
    "energy-of-learning": _spent_learning,
    "accuracy": accuracies.accuracy,
    "integers": accuracies.integers,
    "integers-of-convolutions": accuracies.convolutions,
    "ablation": accuracies.ablation,
    "learning-rates": accuracies.rates,
}


def _other(page: Page) -> None:
    known = {
        *("engine", "lava", "lava_stress", "exports", "exports_on_lava", "learning_engine"),
        *("differential", "convolutions", "core_maps", "emulators", "energy", "xylo", "growth"),
    }
    for path in sorted((ROOT / BENCHMARKS).glob("*.json")):
        if path.stem in known:
            continue
        name = path.relative_to(ROOT).as_posix()
        notes = page.read(name)
        found = notes.get("results") if isinstance(notes, dict) else None
        rows = found if isinstance(found, list) else []
        rows = [row for row in rows if isinstance(row, dict)]
        titles = list(
            dict.fromkeys(
                key
                for row in rows
                for key, value in row.items()
                if not isinstance(value, dict | list)
            )
        )
        page.lines += ["", f"**{path.stem.replace('_', ' ')}**", ""]
        if titles:
            page.table(
                [title.replace("_", " ") for title in titles],
                ([row.get(title) for title in titles] for row in rows),
            )
        page.origin(name, notes if isinstance(notes, dict) else {})


TABLES["other"] = _other


class Measured(Directive):
    """Put a table of :data:`TABLES` into a page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, and what it comes from."""
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"measured {name}: expected one of {', '.join(TABLES)}")
        page = Page()
        TABLES[name](page)
        for path in page.files:
            self.state.document.settings.env.note_dependency(str(path))
        box = nodes.container()
        self.state.nested_parse(StringList(page.lines, source=name), 0, box)
        return list(box.children)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
