"""Run exported scripts on SynSense's simulator of Xylo, and count what differs.

``make check-emulators`` calls ``python -m benchmarks.emulators.xylosim FOLDER``. The networks are
those of ``benchmarks/xylo.py``: trained ones, and drawn ones that saturate and take many spikes a
step. Layer 1 stands for all hidden neurons, layer 2 for the outputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.emulators.common import compare, networks, script, write


def main() -> None:
    """Compare the spikes of hidden and of output neurons."""
    folder, rows = Path(sys.argv[1]), []
    for network in networks(folder, prefix="xylo_"):
        module = script(folder, "xylo", network)
        assert module is not None
        rows += compare(network, "the exported script", module.simulate(network.inputs))
    write(folder, "xylosim", ("xylosim", "numpy"), rows)


if __name__ == "__main__":
    main()
