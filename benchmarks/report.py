"""What the measurements say: ratios, rates, a table and a plot."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

NUM_STEPS = 20
PRODUCT_SIZE = (NUM_STEPS * 64, 784, 1600)  # of the matrix product that is timed
COLOURS = {"ours": "#0072B2", "before": "#56B4E9"}  # others' are OTHERS
OTHERS = "#D55E00"
BATCHES = ("B = 64", "B = 1")


def summary(
    results: list[dict[str, Any]], work: dict[str, Any], layers: tuple[int, ...]
) -> dict[str, Any]:
    """Derive ratios and rates from the times.

    A dense forward pass and a dense update are a multiplication and an addition a synapse and
    time step each. The dense-equivalent rate divides that by our time, though we do not do most
    of it; the event rate counts one addition a spike and synapse, and one a spike before and
    neuron with desire behind a synapse, which is what is asked for, whatever it is done with.
    """
    times = {result["case"]: result["ms_per_sample"] for result in results}
    processor = {result["case"]: result["processor_ms_per_sample"] for result in results}
    memory = {result["case"]: result["peak_mebibytes"] for result in results}
    samples, inner, outer = PRODUCT_SIZE
    product = 2e-9 * samples * inner * outer / (64e-3 * times["matrix product"])
    dense = 2 * 2 * NUM_STEPS * sum(before * behind for before, behind in pairwise(layers))
    found: dict[str, Any] = {"matrix_product_gflops": product, "dense_flop_per_sample": dense}
    for state, counted in work.items():
        ours = times[f"ours, {state}, B = 64"]
        found[state] = {
            **counted,
            "dense_equivalent_gflops": 1e-6 * dense / ours,
            "share_of_matrix_product": 1e-6 * dense / ours / product,
            "event_gops": 1e-6 * (counted["forward"] + counted["update"]) / ours,
            "times_as_fast": ratios(times, state),
            "times_as_fast_in_processor_time": ratios(processor, state),
        }
        for batch in BATCHES:
            before = times.get(f"before: ours, {state}, {batch}")
            if before is not None:
                name = f"ours, {state}, {batch}"
                found[state][f"times_as_fast_as_before, {batch}"] = before / times[name]
                found[state][f"times_as_fast_as_before_in_processor_time, {batch}"] = (
                    processor[f"before: {name}"] / processor[name]
                )
    grown = memory["ours, untrained, B = 256"] - memory["ours, untrained, B = 64"]
    found["mebibytes_per_sample_of_a_batch"] = grown / (256 - 64)
    return found


def ratios(times: dict[str, float], state: str) -> dict[str, float]:
    """Return how many times as long as ours each of the others took, at the same batch size."""
    return {
        case: time / times[f"ours, {state}, {batch}"]
        for batch in BATCHES
        for case, time in times.items()
        if case.endswith(f", {batch}") and not case.startswith(tuple(COLOURS))
    }


def print_table(report: dict[str, Any]) -> None:
    """Print times, memory and what follows from them."""
    print(f"{'case':42} {'ms a sample':>12} {'processor ms':>13} {'peak MiB':>9}")
    for result in report["results"]:
        if result["case"] != "matrix product":
            print(
                f"{result['case']:42} {result['ms_per_sample']:12.3f} "
                f"{result['processor_ms_per_sample']:13.3f} {result['peak_mebibytes']:9.0f}"
            )
    found = report["summary"]
    print(f"matrix product: {found['matrix_product_gflops']:.0f} GFLOP/s in float32")
    for state in ("untrained", "in training"):
        part = found[state]
        print(
            f"{state}, B = 64: dense equivalent {part['dense_equivalent_gflops']:.0f} GFLOP/s "
            f"({100 * part['share_of_matrix_product']:.0f} % of the matrix product), "
            f"{part['event_gops']:.1f} G synaptic operations/s, "
            f"{100 * part['active_share']:.0f} % of the samples with desire"
        )
        for case, ratio in part["times_as_fast"].items():
            in_processor_time = part["times_as_fast_in_processor_time"][case]
            print(
                f"    {ratio:5.1f} times as fast as {case} "
                f"({in_processor_time:.1f} in processor time)"
            )
        for name, ratio in part.items():
            if name.startswith("times_as_fast_as_before"):
                print(f"    {ratio:5.2f} {name.replace('_', ' ')}")
    print(f"memory: {found['mebibytes_per_sample_of_a_batch']:.2f} MiB a sample of the batch")


def draw(results: list[dict[str, Any]], processor: str, path: Path) -> None:
    """Draw times on the clock as bars, those of the processor as marks."""
    shown = [result for result in results if result["case"] != "matrix product"]
    figure = Figure(figsize=(8, 0.42 * len(shown) + 1.3), layout="constrained")
    axes = figure.add_subplot()
    for place, result in enumerate(shown):
        name, time = result["case"], result["ms_per_sample"]
        colour = next((it for start, it in COLOURS.items() if name.startswith(start)), OTHERS)
        axes.barh(place, time, color=colour)
        processor_time = result["processor_ms_per_sample"]
        axes.plot(processor_time, place, "D", color="black", markersize=5)
        axes.annotate(
            f"{time:.2f}",
            (max(time, processor_time), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(shown)), [result["case"] for result in shown])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel(
        "ms a training sample, best round\n"
        "(bar and number: on the clock; diamond: of the processor)"
    )
    axes.set_title(f"784-1600-800-10, T = {NUM_STEPS}, {processor}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def commit_of(checkout: Path) -> str:
    """Return the commit that a checkout is at, or nothing."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
