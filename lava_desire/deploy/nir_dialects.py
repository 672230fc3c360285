"""How a NIR graph is written for a reader, as data.

By the letter one Euler step of NIR's LIF is v ← (1 − dt/τ)·v + (dt/τ)·R·I, and ours is
p ← β·p + W·s (Eq. 1). So τ = dt / (1 − β), and the gain 1 / (1 − β) is either in the weights,
beside R = 1, or is R, beside W as it is. Readers know one of these, or take τ in steps, or β as
exp(−dt/τ). What each of them makes of a graph is measured by ``make check-exports``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

DEFAULT = "common"


@dataclass(frozen=True)
class Dialect:
    """A form of a graph, and what its reader needs beside it."""

    reader: str  # with the version that is measured
    dense: str = "Linear"  # the node of a dense layer; Affine has a bias of zeros
    resistance: str = "1"  # beside W / (1 − β); or "tau/dt" or "tau/dt - 1", beside W
    exponential: bool = False  # β is exp(−dt/τ), not 1 − dt/τ
    dt: float = 1e-4  # seconds; 1 where the reader counts τ in steps
    v_reset: bool = True  # False for nir 1.0.4, which has no such field
    planes: bool = True  # whether the reader takes convolutions
    currents: bool = True  # whether it takes CubaLIF, and computes it as ours
    patch: Mapping[str, str] = field(default_factory=dict)  # what it still needs, by reset
    differing: Mapping[str, int] = field(default_factory=dict)  # what remains, by reset

    @property
    def scales_weights(self) -> bool:
        """Whether weights are written as W / (1 − β)."""
        return self.resistance == "1"

    def tau(self, decay: float, dt: float) -> float:
        """Return τ in the unit of `dt`, for a decay β in [0, 1)."""
        return -dt / math.log(decay) if self.exponential else dt / (1 - decay)

    def r(self, decay: float) -> float:
        """Return R, for a decay β in [0, 1)."""
        steps = self.tau(decay, 1.0)
        return {"1": 1.0, "tau/dt": steps, "tau/dt - 1": steps - 1}[self.resistance]


MEASURED_BITS = 64_620
"""Output bits of the digits network, of which `differing` says how many differ in the reader."""

DIALECTS: dict[str, Dialect] = {
    DEFAULT: Dialect(
        "most readers",
        patch={"subtract": "readers reset to zero until told to subtract, see docs/export.md"},
    ),
    "nirtorch": Dialect(
        "nirtorch 2.6",
        resistance="tau/dt",
        patch=dict.fromkeys(
            ("subtract", "zero"),
            "nirtorch brings no neuron: pass nir_to_torch one that fires at v >= v_threshold and "
            "resets as the metadata say",
        ),
    ),
    "norse": Dialect(
        "Norse 1.1.0",
        patch={"subtract": "for each LIFBoxCell set reset_method=reset_subtract in p"},
    ),
    "rockpool": Dialect(
        "Rockpool 3.1.0 (nir 1.0.4)",
        resistance="tau/dt - 1",
        exponential=True,
        v_reset=False,
        planes=False,
        currents=False,
        patch=dict.fromkeys(
            ("subtract", "zero"),
            "before the import set tau_mem = tau in each LIF of the graph, then "
            "max_spikes_per_dt = torch.tensor(1.0) in each LIFNeuronTorch",
        ),
        differing={"zero": 3096},
    ),
    "sinabs": Dialect(
        "sinabs 3.1.3 (nir 1.0.4)",
        dense="Affine",
        resistance="tau/dt",
        exponential=True,
        dt=1.0,
        v_reset=False,
        planes=False,
        currents=False,
        patch={
            "subtract": "set spike_fn = SingleSpike in each LIFSqueeze",
            "zero": "set spike_fn = SingleSpike and reset_fn = MembraneReset() in each LIFSqueeze",
        },
    ),
    "snn-mlir": Dialect(
        "snn-mlir 1.0.0",
        resistance="tau/dt",
        patch={"subtract": "snn-mlir resets to zero, whatever is asked"},
        differing={"subtract": 2697},
    ),
    "snntorch": Dialect(
        "snnTorch 1.0.0",
        resistance="tau/dt",
        patch={
            "subtract": "set reset_mechanism = 'subtract' and state_function = its _base_sub in "
            "each Leaky or Synaptic, and call snntorch.utils.reset(model) before each window",
            "zero": "call snntorch.utils.reset(model) before each window",
        },
        differing={"subtract": 1033},
    ),
    "spikingjelly": Dialect(
        "SpikingJelly 2.0.0",
        resistance="tau/dt",
        patch={"subtract": "set v_reset = None in each LIFNode or CUBALIFNode"},
    ),
    "spyx": Dialect(
        "Spyx 1.0.0",
        resistance="tau/dt",
        dt=1.0,
        patch=dict.fromkeys(
            ("subtract", "zero"),
            "its LIF and CuBaLIF fire and deduct a step late: replace their __call__, see "
            "docs/export.md",
        ),
    ),
}


def dialect_of(name: str, filters_currents: bool) -> Dialect:
    """Return a dialect; a CubaLIF has R = τ_mem/dt, as all its readers know and most ask for."""
    dialect = DIALECTS[name]
    return replace(dialect, resistance="tau/dt") if filters_currents else dialect
