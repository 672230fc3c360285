"""nirtorch by itself: its own mapping of weights, and a neuron of ours, since it brings none."""

from __future__ import annotations

from typing import Any

import nir
import nirtorch
import torch

from benchmarks.exports.readers._stepwise import way

PACKAGES, DIALECT = ("nirtorch", "nir", "torch"), "nirtorch"


class Euler(torch.nn.Module):
    """NIR's LIF or CubaLIF, an Euler step a time step, with the reset that the metadata say."""

    def __init__(self, node: Any, dt: float, reset: str) -> None:
        super().__init__()
        filters = isinstance(node, nir.CubaLIF)
        leak = dt / (node.tau_mem if filters else node.tau).astype("f8")
        loss = dt / node.tau_syn.astype("f8") if filters else 0 * leak + 1
        given = node.w_in * loss if filters else loss
        self.kept, self.taken = (torch.from_numpy(each.astype("f4")) for each in (1 - loss, given))
        self.decay, self.gain, self.threshold = (
            torch.from_numpy(each.astype("f4"))
            for each in (1 - leak, leak * node.r, node.v_threshold)
        )
        self.subtracts = reset == "subtract"

    def forward(self, inputs: torch.Tensor, state: Any = None) -> Any:
        """Return spikes, and the currents and potentials behind them."""
        current, potential = (0, 0) if state is None else state
        current = self.taken * inputs + self.kept * current
        potential = self.gain * current + self.decay * potential
        spikes = (potential > self.threshold).float()
        lost = self.threshold if self.subtracts else potential
        return spikes, (current, potential - spikes * lost)


def build(graph: Any, dt: float) -> Any:
    """Import with nirtorch's mapping of all but the neurons."""
    torch.manual_seed(0)
    reset = graph.metadata["reset"]
    kinds = (nir.LIF, nir.CubaLIF)
    return nirtorch.nir_to_torch(graph, dict.fromkeys(kinds, lambda node: Euler(node, dt, reset)))


WAYS = {"subtract": {"": way(build)}, "zero": {"": way(build)}}
