"""``lava-desire predict``: the class of each sample, in a file."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lava_desire.backends.registry import PRECISIONS
from lava_desire.card import in_floats
from lava_desire.cli.fields import (
    STORED,
    Device,
    Json,
    Quiet,
    Trained,
    check_fields,
    given_fields,
    option,
    with_fields,
    with_samples,
)
from lava_desire.cli.printing import make_console, tell
from lava_desire.cli.run import AUTO, check_choice, check_computing, check_output, trained_file
from lava_desire.cli.run_data import Source, describe, samples_of
from lava_desire.files import replacing
from lava_desire.model.option import DecisionPolicy

if TYPE_CHECKING:
    from lava_desire.data.unlabelled import Samples
    from lava_desire.engine import DesireNetwork

Rows = dict[str, list[Any]]
"""Columns of some samples, by name."""


@with_fields(DecisionPolicy, default="the network's own")
@with_samples(
    *STORED,
    data=option(
        ".npz, .csv, .parquet, a folder of IDX or PNG files; no labels needed.", "the run's"
    ),
    events=option("Recordings of events, a file or a folder; or spike trains: .npz."),
)
def predict(
    checkpoint: Trained,
    output: Annotated[str, option("The file to write: .csv, .json or .parquet.")],
    where: dict[str, Any],
    force: Annotated[bool, option("Replace a file that is there.", True, "--force")] = False,
    device: Device = None,
    precision: Annotated[str | None, option(f"{', '.join((AUTO, *PRECISIONS))}.", AUTO)] = None,
    quiet: Quiet = False,
    json_: Json = False,
    **fields: Any,
) -> None:
    """Classify samples, with labels or without, and write a row each into a file.

    A row has the sample's index, its class, -1 where undecided, the class's name, the spikes of
    each output neuron, their margin (the highest count less the second highest), and whether it is
    undecided. All samples of --data are classified in their order, or those to test with where
    there are others beside; without --data or --events the run's own to test with.
    """
    given = given_fields(fields)
    check_fields(given)
    check_choice("--precision", precision, (AUTO, *PRECISIONS))
    check_computing(device)
    source = Source.given(**where)
    path = trained_file(checkpoint)
    target = check_output("--output", output, tuple(_WRITERS), path, source)
    if os.path.lexists(target) and not force:
        raise FileExistsError(f"{output} is there already: choose another name, or give --force")
    source, samples = samples_of(Path(checkpoint), source)

    from lava_desire.engine import DesireNetwork, default_precision

    chosen = default_precision(device or "cpu") if precision in (None, AUTO) else precision
    network = DesireNetwork.load(path, device or "cpu", precision=str(chosen))
    network.config = network.config.replace(**given)
    if network.feature_names:
        samples = samples.with_features(network.feature_names)
    if in_floats(network.card):
        samples = samples.in_floats()
    console = make_console(quiet or json_)
    num_samples = num_undecided = 0
    with replacing(target) as partial, _WRITERS[target.suffix.lower()](partial) as write:
        from rich.progress import Progress

        with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
            task = shown.add_task("", total=len(samples.inputs))
            for rows in _classified(network, samples):
                write(rows)
                num_samples += len(rows["index"])
                num_undecided += sum(rows["undecided"])
                shown.update(task, completed=num_samples)
    if json_:
        counted = {"num_samples": num_samples, "num_undecided": num_undecided}
        print(json.dumps({"output": str(target), "checkpoint": str(path), **counted}))
    tell(
        console,
        f"{num_samples} samples of {describe(source, samples)} are classified, {num_undecided} "
        f"undecided, in {target} ({path}, {network.precision} on {network.device})",
    )


def _classified(network: DesireNetwork, samples: Samples) -> Iterator[Rows]:
    """Yield the columns of the file, some samples at a time."""
    from lava_desire.data.checks import check_planes
    from lava_desire.training.evaluation import (
        EVALUATION_BATCH,
        checked_input,
        chunks,
        decide,
        margin_of,
    )

    names = network.class_names or tuple(map(str, range(network.config.num_classes)))
    check_planes(samples.image_shape, network.config.input_shape, f"images of {samples.name}")
    with network.threads():
        network.check_finite()
        inputs = checked_input(network, samples.inputs, samples.name)
        for part in chunks(inputs, EVALUATION_BATCH):
            counts, prediction = decide(network, inputs[part])
            classes = prediction.tolist()
            rows: Rows = {"index": list(range(part.start, part.start + len(classes)))}
            if samples.files:
                rows["file"] = list(samples.files[part])
            rows["class"] = classes
            rows["class_name"] = [names[each] if each >= 0 else None for each in classes]
            columns = zip(names, counts.T.tolist(), strict=True)
            rows |= {f"count_{name}": column for name, column in columns}
            rows["margin"] = margin_of(counts).tolist()
            rows["undecided"] = [each < 0 for each in classes]
            yield rows


@contextmanager
def _csv(path: Path) -> Iterator[Callable[[Rows], None]]:
    """Yield what writes rows as CSV, the names of the columns first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")

        def write(rows: Rows) -> None:
            if rows["index"][0] == 0:
                writer.writerow(rows)
            told = {**rows, "undecided": [str(each).lower() for each in rows["undecided"]]}
            writer.writerows(zip(*told.values(), strict=True))

        yield write


@contextmanager
def _json(path: Path) -> Iterator[Callable[[Rows], None]]:
    """Yield what writes rows as objects of one list, each on a line."""
    with path.open("w", encoding="utf-8") as file:

        def write(rows: Rows) -> None:
            for row in zip(*rows.values(), strict=True):
                found = dict(zip(rows, row, strict=True))
                file.write((",\n" if found["index"] else "[\n") + json.dumps(found))

        yield write
        file.write("\n]\n")


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[Rows], None]]:
    """Yield what writes rows as a table."""
    from lava_desire.data.table import import_pyarrow

    pyarrow = import_pyarrow()
    writers: list[Any] = []

    def write(rows: Rows) -> None:
        kinds = {"file": pyarrow.string(), "class_name": pyarrow.string()}
        kinds["undecided"] = pyarrow.bool_()
        schema = pyarrow.schema([(name, kinds.get(name, pyarrow.int64())) for name in rows])
        if not writers:
            writers.append(pyarrow.parquet.ParquetWriter(path, schema))
        writers[0].write_table(pyarrow.table(rows, schema))

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


_WRITERS = {".csv": _csv, ".json": _json, ".parquet": _parquet}
