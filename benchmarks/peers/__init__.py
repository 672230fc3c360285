"""Other libraries that train the same network, each in the environment that its file's name needs.

A module here is imported in that environment alone. Its ``build(layers, option, batch_size)``
returns a step: a function of images (n, N_0) uint8 and labels (n,) int64 that trains on them by
surrogate gradients, or with the option ``predict`` classifies them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Peer:
    """A library: name with version, environment, and how it is used, with the source."""

    name: str
    environment: str
    how: str
    other_ways: dict[str, str] = field(default_factory=dict)  # option to what follows the name

    @property
    def python(self) -> Path:
        """The interpreter of its environment, which ``make bench`` makes."""
        return ROOT / f".venv-{self.environment}" / "bin" / "python"


PEERS = {
    "spyx": Peer(
        "Spyx 1.0.0",
        "jax",
        "whole rounds in one jit, a scan over batches with spyx.optimize.backprop, as in "
        "spyx.optimize.compile_fit ('the throughput pattern the Spyx paper relies on', its "
        "docstring); by layers: spyx.nn.run for each layer's neurons, not in its documentation",
        {"layers": " by layers"},
    ),
    "spikingjelly": Peer(
        "SpikingJelly 2.0.0",
        "frameworks",
        "multi-step mode, a layer's whole window in one product; on a CPU its neurons have one "
        "back end ('CPU uses Torch', README); compiled: torch.compile, as its trainer's "
        "--execution-mode compile",
        {"compile": " compiled"},
    ),
    "norse": Peer(
        "Norse 1.1.0",
        "frameworks",
        "LIFBoxCell in Lift, under torch.compile ('which gives us significant speedup', release "
        "notes of 1.1.0)",
    ),
    "slayer": Peer(
        "lava-dl 0.6.0",
        "netx",
        "slayer.block.cuba.Dense; its 'custom CUDA accelerated' dynamics (slayer's README) have "
        "loops of torch in their place on a CPU, and it knows no other",
    ),
    "snntorch": Peer(
        "snnTorch 1.0.0",
        "frameworks",
        "Leaky neurons step by step, as in its tutorials; its documentation names no faster way",
    ),
}
