"""``lava-desire report``: runs as one HTML page that needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lava_desire._text import printable
from lava_desire.cli.compare import Runs
from lava_desire.cli.fields import option, with_samples
from lava_desire.cli.printing import complain, say
from lava_desire.cli.run import check_output, trained_file
from lava_desire.cli.run_data import Source, data_of

if TYPE_CHECKING:
    from lava_desire.analysis.report import ReportedRun
    from lava_desire.analysis.runs import StoredRun


@with_samples("data", "label_column", "data_dir", "events")
def report(
    runs: Runs,
    where: dict[str, Any],
    output: Annotated[str, option("The page, an .html file.")] = "report.html",
    quiet: Annotated[bool, option("Print nothing but errors.", True, "--quiet")] = False,
) -> None:
    """Write runs as one HTML page that needs no network: what, how, how well.

    The networks are looked at with their best weights, those that eval takes, and their test
    samples; what is missing of a run, its samples or its weights say, the page says. --data,
    --events and --data-dir tell where the samples are now.
    """
    from lava_desire.analysis.runs import find_runs, read_run, short_names

    path = check_output("--output", output, (".html", ".htm"))
    source = Source.given(**where)
    folders = find_runs(runs)

    from lava_desire.analysis.report import write_report

    found = []
    for name, folder in zip(short_names(folders), folders, strict=True):
        each = _look_at(name, read_run(folder), source)
        found.append(each)
        for problem in (*each.run.problems, *each.missing):
            complain("warning", f"{name}: {problem}")
    write_report(found, path)
    if not quiet:
        say(f"{len(found)} {'run' if len(found) == 1 else 'runs'} in {path}")


def _look_at(name: str, run: StoredRun, where: Source) -> ReportedRun:
    """Load the network and the samples of a run, as far as they are there."""
    from lava_desire.analysis.report import ReportedRun
    from lava_desire.engine import DesireNetwork

    found: dict[str, Any] = {}
    missing = []
    try:
        path = trained_file(str(run.folder))
        found |= {"network": DesireNetwork.load(path), "weights": path.name}
    except (OSError, ValueError, MemoryError) as error:
        missing.append(f"the network is not looked at: {printable(str(error))}")
    try:
        found["data"] = data_of(Path(run.folder), where)[1]
    except (OSError, ValueError, ImportError, MemoryError) as error:
        missing.append(f"no sample is shown: {printable(str(error))}")
    return ReportedRun(name, run, **found, missing=tuple(missing))
