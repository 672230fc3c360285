"""The least that a training step of the Triton kernels can take on a GPU: operations and bytes.

``python -m benchmarks.floor`` prints it for an H100 from the vendor's figures: computed on paper,
nothing is measured. :mod:`benchmarks.gpu` puts measured rates in their place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

LAYERS = (784, 1600, 800, 10)
NUM_STEPS = 20
EPOCH = 60_000


@dataclass(frozen=True)
class Rates:
    """What a device can do: bytes a second, and operations a second of dense products."""

    bytes_per_second: float
    bfloat16_per_second: float
    float64_per_second: float


H100_VENDOR = Rates(3.35e12, 990e12, 67e12)
"""NVIDIA's data sheet, SXM5, dense, float64 on the tensor cores: figures of the vendor."""


@dataclass(frozen=True)
class Work:
    """What one step asks for, with desire in every sample."""

    bfloat16_operations: float
    float64_operations: float
    weight_bytes: float
    state_bytes: float


def work_of(batch_size: int, precision: str, layers: tuple[int, ...] = LAYERS) -> Work:
    """Count the operations and bytes of a step.

    A multiplication and an addition are two operations. In ``bfloat16x2`` a product of the forward
    pass and of the update is two products; desires are sent back in float64 in each precision.
    Weights are read forward, read backward (but for layer 1), read and written by the update.
    State is written once and read once: currents in float32, traces (two bfloat16 or one float64),
    trains in words of 32 bits, which are read by the next layer and by the update.
    """
    synapses = sum(before * behind for before, behind in pairwise(layers))
    backward = synapses - layers[0] * layers[1]
    rows = NUM_STEPS * batch_size
    products = 2 * 2.0 * rows * synapses
    exact = precision == "float32"
    traced, trace_bytes = sum(layers[:-1]), 8 if exact else 4
    currents = 2 * 4 * rows * sum(layers[1:])
    traces = 2 * trace_bytes * rows * traced
    trains = 3 * 4 * batch_size * sum(layers)
    return Work(
        bfloat16_operations=0.0 if exact else 2 * products,
        float64_operations=2.0 * batch_size * backward + (products if exact else 0.0),
        weight_bytes=4.0 * (synapses + backward + 2 * synapses),
        state_bytes=float(currents + traces + trains),
    )


def floor_of(batch_size: int, precision: str, rates: Rates) -> dict[str, Any]:
    """Return the microseconds that products and bytes take at these rates, each by itself.

    The sum of them is what a program reaches that overlaps nothing, the larger one what no program
    with these kernels can beat unless the second-level cache serves the bytes.
    """
    work = work_of(batch_size, precision)
    products = (
        work.bfloat16_operations / rates.bfloat16_per_second
        + work.float64_operations / rates.float64_per_second
    )
    moved = (work.weight_bytes + work.state_bytes) / rates.bytes_per_second
    return {
        "batch_size": batch_size,
        "precision": precision,
        **asdict(work),
        "products_us": 1e6 * products,
        "bytes_us": 1e6 * moved,
        "sum_us": 1e6 * (products + moved),
        "epoch_s": EPOCH / batch_size * (products + moved),
    }


def main() -> None:
    """Print the floor for an H100 by the vendor's figures."""
    print("H100, vendor's figures: computed, not measured")
    print(f"{'':>22} {'GFLOP':>8} {'MB':>7} {'products us':>12} {'bytes us':>9} {'epoch s':>8}")
    for precision in ("bfloat16x2", "float32"):
        for batch_size in (1, 64, 128):
            row = floor_of(batch_size, precision, H100_VENDOR)
            operations = row["bfloat16_operations"] + row["float64_operations"]
            print(
                f"{precision:>12}, B = {batch_size:<5} {1e-9 * operations:8.2f} "
                f"{1e-6 * (row['weight_bytes'] + row['state_bytes']):7.1f} "
                f"{row['products_us']:12.1f} {row['bytes_us']:9.1f} {row['epoch_s']:8.3f}"
            )


if __name__ == "__main__":
    main()
