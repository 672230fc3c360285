"""``lava-desire energy``: what a network would take of a chip for a sample and a training step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from lava_desire.cli.fields import Trained, option, with_samples
from lava_desire.cli.printing import say
from lava_desire.cli.run import check_choice, check_output, trained_file
from lava_desire.cli.run_data import Source, data_of
from lava_desire.deploy.chips import find_chips
from lava_desire.model.fields import integers

CHIPS = [name for name, chip in find_chips().items() if chip.energies]
_REPORT = (
    *("energy_J", "time_s", "steps", "samples", "simulated_by"),
    *("network", "reset", "input_spikes", "spikes"),
)


@with_samples("dataset", "data", "label_column", "data_dir")
def energy(
    run: Trained,
    where: dict[str, Any],
    chip: Annotated[str, option(f"One of {', '.join(CHIPS)}.", values=CHIPS)] = "loihi1",
    samples: Annotated[
        int, option("Test and training samples to count on.", allowed=integers(1))
    ] = 100,
    simulated: Annotated[
        str | None, option("The report.json of the script of --to sanafe, to stand beside.")
    ] = None,
    json_: Annotated[
        str | None, option("Write all numbers into this .json file.", True, "--json")
    ] = None,
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
) -> None:
    """Count events of a sample and a training step, and derive energy and time on a chip.

    Nothing runs on a chip; every figure names its document. Integers are made by
    lava-desire export --to fixed.
    """
    check_choice("--chip", chip, tuple(CHIPS))
    path = trained_file(run)
    output = None if json_ is None else check_output("--json", json_, (".json",), path)
    beside = None if simulated is None else _read(Path(simulated))
    _, found = data_of(Path(run), Source.given(**where))

    from lava_desire.deploy.chip_energy import energy as derive
    from lava_desire.engine import DesireNetwork

    result = derive(DesireNetwork.load(path), found, chip, samples=samples, simulated=beside)
    if output is not None:
        from lava_desire.files import write_atomically

        write_atomically(output, (json.dumps(result.to_dict(), indent=1) + "\n").encode())
    if not quiet:
        say(result.report)


def _read(path: Path) -> dict[str, Any]:
    """Return what SANA-FE simulated; raises ValueError if the file is none of its script."""
    from lava_desire.files import open_regular

    if not path.exists():
        raise FileNotFoundError(f"No such file: {path}; expected the report.json of --simulated")
    with open_regular(path) as file:
        try:
            found = json.load(file)
        except ValueError as error:
            raise ValueError(f"--simulated {path} is no JSON: {error}") from error
    if not isinstance(found, dict) or any(name not in found for name in _REPORT):
        raise ValueError(f"--simulated {path} is no report of a script of --to sanafe")
    return found
