"""``lava-desire neurobench``: NeuroBench's report of a trained network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from lava_desire.cli.fields import STORED, Json, Trained, option, with_samples
from lava_desire.cli.printing import say
from lava_desire.cli.run import check_choice, on_backend, trained_file
from lava_desire.cli.run_data import Source, data_of, describe


@with_samples(*STORED)
def neurobench(
    run: Trained,
    where: dict[str, Any],
    backend: Annotated[
        str | None, option("fixed: in integers, quantised where the network is not.")
    ] = None,
    json_: Json = False,
) -> None:
    """Print NeuroBench's metrics of a trained network on its test samples.

    Needs the package neurobench.
    """
    check_choice("--backend", backend, ("fixed",))
    given = Source.given(**where)
    checkpoint = trained_file(run)
    source, samples = data_of(Path(run), given)

    from lava_desire.deploy.neurobench import neurobench_report
    from lava_desire.engine import DesireNetwork

    network = on_backend(DesireNetwork.load(checkpoint), backend, samples)
    report = neurobench_report(network, samples)
    if json_:
        print(json.dumps({"checkpoint": str(checkpoint), "data": samples.name, **report}))
        return
    say(
        f"{network.config.shape_text}, {network.precision}, test samples of "
        f"{describe(source, samples)}; operations and updates are those of a sample"
    )
    for name, value in _rows(report):
        say(f"{name:40} {value:>14,.6g}")


def _rows(report: dict[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Return names and numbers of a report, those of a part behind its name."""
    for name, value in report.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{above}{name} ")
        else:
            yield above + name, value
