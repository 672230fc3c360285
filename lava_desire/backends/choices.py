"""What a network may be told to compute with, by name. It imports no torch."""

from __future__ import annotations

PRECISIONS = ("float32", "bfloat16x2")
"""Arithmetic of the sums over synapses; state and weights are float32 in each.

``float32``
    The exact reference: sums in float64, rounded once.
``bfloat16x2``
    Weights and traces as the sum of two bfloat16 terms (16 significant bits), sums in float32.
"""


KERNELS = ("auto", "torch", "compiled", "triton")
"""What computes; in the same precision all give the same results.

``auto``
    ``compiled`` where it applies on a CPU, ``triton`` where it does on CUDA, else ``torch``.
``torch``
    Torch operations, on any device.
``compiled``
    Event-driven, for the CPU, in float32, up to 64 time steps.
``triton``
    For CUDA, up to 64 time steps, training steps captured as CUDA graphs.
"""


def default_precision(device: object) -> str:
    """Return the precision that suits a device: tensor cores want bfloat16, a CPU stays exact.

    Parameters
    ----------
    device : str or torch.device
        Where a network shall live.

    Returns
    -------
    str
        ``"bfloat16x2"`` for CUDA, ``"float32"`` for anything else.
    """
    return "bfloat16x2" if str(device).startswith("cuda") else "float32"
