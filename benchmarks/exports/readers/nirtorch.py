"""nirtorch by itself: its own mapping of weights, and a neuron of ours, since it brings none."""

from __future__ import annotations

from typing import Any

import nir
import nirtorch
import torch

from benchmarks.exports.readers._stepwise import way

PACKAGES, DIALECT = ("nirtorch", "nir", "torch"), "nirtorch"


class Euler(torch.nn.Module):
    """NIR's LIF, an Euler step a time step, with the reset that the graph's metadata say."""

    def __init__(self, node: nir.LIF, dt: float, reset: str) -> None:
        super().__init__()
        leak = dt / node.tau.astype("f8")
        self.decay, self.gain, self.threshold = (
            torch.from_numpy(each.astype("f4"))
            for each in (1 - leak, leak * node.r, node.v_threshold)
        )
        self.subtracts = reset == "subtract"

    def forward(self, inputs: torch.Tensor, state: Any = None) -> Any:
        """Return spikes, and the potentials behind them."""
        potential = self.gain * inputs + (0 if state is None else self.decay * state)
        spikes = (potential > self.threshold).float()
        lost = self.threshold if self.subtracts else potential
        return spikes, potential - spikes * lost


def build(graph: Any, dt: float) -> Any:
    """Import with nirtorch's mapping of all but the neurons."""
    torch.manual_seed(0)
    reset = graph.metadata["reset"]
    return nirtorch.nir_to_torch(graph, {nir.LIF: lambda node: Euler(node, dt, reset)})


WAYS = {"subtract": {"": way(build)}, "zero": {"": way(build)}}
