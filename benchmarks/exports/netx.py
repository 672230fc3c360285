"""Run exported netx files in lava-dl; count output spikes that differ from the integers here.

``make check-exports`` calls this in an environment that holds lava-dl: ``python netx.py FOLDER``
reads every ``*.net`` there with the spikes in the ``.npz`` of the same name, and writes
``netx.json``.

lava-dl pins Python 3.10 and torch 2.3, whose Linux build on PyPI is for CUDA. Here it runs on
Python 3.11 with the torch of this library: Lava is let past its obstacle by
:mod:`lava_desire.lava_runtime.compat`, and the training half of lava-dl, whose import needs OpenCV
and a torchvision that works without CUDA, is entered without its ``__init__``. What reads the file
and builds the network is lava-dl as released.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import platform
import sys
import types
from pathlib import Path

import numpy as np


def import_lava() -> None:
    """Let Lava import; the library is not installed here, and what does that needs NumPy only."""
    sys.path.append(str(Path(__file__).parents[2]))
    compat = importlib.import_module("lava_desire.lava_runtime.compat")
    compat.import_lava()


def enter_without_init(name: str) -> None:
    """Make a package's modules importable without running its ``__init__``."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations or [])
    sys.modules[name] = package


def run(path: Path, trains: np.ndarray, window: int) -> np.ndarray:
    """Run a file: (T, B, N_0) bool → (T, B, N_L) bool, in windows of `window` steps."""
    from lava.lib.dl.netx.hdf5 import Network
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    num_steps, num_samples, num_inputs = trains.shape
    # netx clears layer after layer, one step apart, each before its first input of a window.
    network = Network(net_config=str(path), reset_interval=window)
    windows = np.zeros((num_samples, window, num_inputs), np.int32)
    windows[:, :num_steps] = trains.transpose(1, 0, 2)
    source = Source(data=windows.reshape(-1, num_inputs).T)
    sink = Sink(shape=network.out.shape, buffer=num_samples * window)
    spikes_in, shape = source.s_out, network.inp.shape
    if len(shape) == 3:  # x, y, channel; in the file of spikes channel, row, column
        spikes_in = spikes_in.reshape(shape[::-1]).transpose((2, 1, 0))
    spikes_in.connect(network.inp)
    network.out.connect(sink.a_in)
    run_config = Loihi2SimCfg(select_tag="fixed_pt")
    try:
        sink.run(condition=RunSteps(num_samples * window), run_cfg=run_config)
        received = sink.data.get()
    finally:
        sink.stop()
    spikes = received.T.reshape(num_samples, window, -1)[:, 1 : 1 + num_steps]
    return spikes.transpose(1, 0, 2) != 0


def main() -> None:
    """Compare every file."""
    import_lava()
    enter_without_init("lava.lib.dl.slayer")
    folder = Path(sys.argv[1])
    rows = []
    for path in sorted(folder.glob("*.net")):
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            inputs, wanted, window = file["inputs"], file["outputs"], int(file["window"])
        given = run(path, inputs, window)
        differing = int((given != wanted).sum())
        rows.append(
            {
                "file": path.name,
                "output_bits": wanted.size,
                "spikes": int(wanted.sum()),
                "mismatching": differing,
            }
        )
        print(f"{path.name:28} {differing:7} of {wanted.size} bits differ")
    names = ("lava-dl", "lava-nc", "torch", "numpy", "h5py")
    versions = {name: importlib.metadata.version(name) for name in names}
    result = {"python": platform.python_version(), "versions": versions, "results": rows}
    (folder / "netx.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
