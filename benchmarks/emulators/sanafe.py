"""Run exported scripts on SANA-FE's Loihi, and count what differs in every layer.

``make check-emulators`` calls ``python -m benchmarks.emulators.sanafe FOLDER``. The scripts are
those of ``lava-desire export --to sanafe``; what SANA-FE simulates of energy and time is kept with
the rows of the last layer.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.emulators.common import compare, networks, script, write


def main() -> None:
    """Compare the integers, with either reset."""
    folder, rows = Path(sys.argv[1]), []
    for network in networks(folder, arithmetic="integers"):
        module = script(folder, "sanafe", network)
        if module is None:
            continue
        images, _ = module.read(folder / "images.npz")
        spikes = [train.transpose(1, 0, 2).astype(bool) for train in module.run_layers(images)]
        rows += compare(network, "the exported script", spikes)
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            module.write_report(report.name)
            rows[-1]["simulated"] = json.loads(Path(report.name).read_text())
    write(folder, "sanafe", ("sanafe", "numpy"), rows)


if __name__ == "__main__":
    main()
