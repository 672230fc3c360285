"""Run exported NIR graphs in their readers; count spikes that differ from ours.

``make check-exports`` calls this in environments that hold the readers and not this library:
``python -m benchmarks.exports.readers FOLDER NAME...`` has each reader read what ``plan.json``
gives it, with the spikes that go in and ought to come out, and writes ``readers_NAME.json``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def rows_of(name: str, folder: Path) -> list[dict[str, Any]]:
    """Compare every graph with every way of its reset; cures are for the reader's own dialect."""
    reader = importlib.import_module(f"{__package__}.{name}")
    rows = []
    for plan in json.loads((folder / "plan.json").read_text()):
        if name not in plan["readers"]:
            continue
        path = folder / plan["file"]
        with np.load(folder / plan["spikes"], allow_pickle=False) as file:
            inputs, wanted = file["inputs"], file["outputs"]
        for how, way in reader.WAYS[plan["reset"]].items():
            if how and plan["form"] != reader.DIALECT:
                continue
            row = {key: plan[key] for key in ("graph", "layer", "reset", "form")}
            row |= {"reader": name, "how": how, "output_bits": wanted.size}
            row["spikes"] = int(wanted.sum())
            try:
                # A dense layer behind planes is a convolution too: (B, N_L, 1, 1).
                given = way(path, plan["dt"], inputs).reshape(wanted.shape)
                row["mismatching"] = int((given != wanted).sum())
            except Exception as error:  # a reader's refusal is what is to be shown
                row["refused"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            rows.append(row)
            told = row.get("refused", f"{row.get('mismatching')} of {wanted.size} bits differ")
            print(f"{name:13}{plan['graph']:22}{plan['layer']} {plan['form']:13}{how:40} {told}")
    return rows


def main() -> None:
    """Run the readers that are named."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        rows = rows_of(name, folder)
        packages = importlib.import_module(f"{__package__}.{name}").PACKAGES
        versions = {each: importlib.metadata.version(each) for each in packages}
        result = {"versions": versions, "results": rows}
        (folder / f"readers_{name}.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
